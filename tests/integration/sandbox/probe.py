"""Escape probes. Runs as a Worker inside a sandbox and prints the result of each probe as JSON.
Every probe names the errors that count as a refusal. ``PROBE_TARGETS`` lists targets of the machine
outside: ports, names, paths, pids; ``PROBE_CALLS`` lists the system call numbers.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

TARGETS: dict[str, Any] = json.loads(os.environ.get("PROBE_TARGETS", "{}"))
CALLS: dict[str, int] = json.loads(os.environ.get("PROBE_CALLS", "{}"))
LIBC = ctypes.CDLL(None, use_errno=True)

INHERITED: dict[int, str] = {}  # read before any probe opens a descriptor
for _name in os.listdir("/proc/self/fd"):
    with contextlib.suppress(OSError):  # the descriptor used to list the folder
        INHERITED[int(_name)] = os.readlink(f"/proc/self/fd/{_name}")

Probe = tuple[str, Callable[[], Any], tuple[str, ...]]
PROBES: list[Probe] = []


class Refused(Exception):
    """The target does not exist here; not an error of the kernel."""


def probe(name: str, *refusals: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    def keep(function: Callable[[], Any]) -> Callable[[], Any]:
        PROBES.append((name, function, refusals))
        return function

    return keep


def add(name: str, function: Callable[[], Any], *refusals: str) -> None:
    PROBES.append((name, function, refusals))


def call(name: str, *arguments: Any) -> int:
    result = LIBC.syscall(CALLS[name], *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return int(result)


def buffer(size: int) -> Any:
    return ctypes.create_string_buffer(size)


def connect(address: Any, family: int = socket.AF_INET) -> str:
    with socket.socket(family) as client:
        client.settimeout(3)
        client.connect(address)
    return "connected"


def send(address: tuple[str, int], family: int = socket.AF_INET) -> str:
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", address)
    return "sent"


def knock(path: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", path)
    return "sent"


def ask(host: str, port: int) -> str:
    """Send a datagram; for a closed port, the next call gets the error."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((host, port))
        client.settimeout(2)
        client.send(b"x")
        client.send(b"x")
    return "sent"


def write(path: str) -> str:
    with open(path, "w") as file:
        file.write("x")
    return "written"


def read(path: str) -> str:
    if os.path.isdir(path):
        return str(os.listdir(path))[:80]
    with open(path, "rb") as file:
        return repr(file.read(80))


# --- network

GONE = ("ECONNREFUSED", "ENETUNREACH")
add("loopback service of the machine", lambda: connect(("127.0.0.1", TARGETS["port"])), *GONE)
add("the same over IPv6", lambda: connect(("::1", TARGETS["port"]), socket.AF_INET6), *GONE)
add(
    "the same, mapped",
    lambda: connect(("::ffff:127.0.0.1", TARGETS["port"]), socket.AF_INET6),
    *GONE,
)
for _address in TARGETS.get("addresses", []):
    add(f"address {_address}", lambda a=_address: connect((a, TARGETS["port"])), *GONE)
add("cloud metadata", lambda: connect(("169.254.169.254", 80)), *GONE)
add("public address", lambda: connect(("192.0.2.1", 80)), *GONE)
add("public IPv6 address", lambda: connect(("2001:db8::1", 80), socket.AF_INET6), *GONE)
add("name server by UDP", lambda: send(("192.0.2.53", 53)), *GONE)
add("multicast", lambda: send(("224.0.0.251", 5353)), *GONE)
add("broadcast", lambda: send(("255.255.255.255", 9)), "ENETUNREACH", "EACCES")
add("name look-up", lambda: socket.getaddrinfo("example.com", 80), "gaierror")
add(
    "abstract socket of the machine",
    lambda: connect("\0" + TARGETS["abstract"], socket.AF_UNIX),
    "ECONNREFUSED",
)
for _path in TARGETS.get("sockets", []):
    add(f"socket {_path}", lambda p=_path: connect(p, socket.AF_UNIX), "ENOENT")
    add(f"datagram socket {_path}", lambda p=_path: knock(p), "ENOENT")
add("UDP service of the machine", lambda: ask("127.0.0.1", TARGETS["udp"]), "ECONNREFUSED")


@probe("other network interfaces", "Refused")
def interfaces() -> str:
    names = [name for _, name in socket.if_nameindex()]
    if names == ["lo"]:
        raise Refused("only lo")
    return str(names)


@probe("make a network interface", "EPERM")
def make_interface() -> str:
    with socket.socket(16, socket.SOCK_RAW, 0) as netlink:
        netlink.bind((0, 0))
        name = struct.pack("HH8s", 12, 3, b"dummy0")
        body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + name
        netlink.send(struct.pack("IHHII", 16 + len(body), 16, 5 | 0x400 | 0x200, 1, 0) + body)
        code = struct.unpack("i", netlink.recv(4096)[16:20])[0]
    if code < 0:
        raise OSError(-code, "")
    return "made"


@probe("set an address by ioctl", "EPERM")
def set_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        address = struct.pack("HH4s8x", socket.AF_INET, 0, bytes([10, 0, 0, 1]))
        fcntl.ioctl(any_socket, 0x8916, struct.pack("16s16s", b"lo", address))
    return "set"


# --- kinds of sockets

RAW, STREAM, DGRAM, SEQ = 3, 1, 2, 5
for _name, _family, _kind, _protocol, _refusal in (
    ("raw ICMP", 2, RAW, 1, "EPROTONOSUPPORT"),
    ("raw IP", 2, RAW, 255, "EPROTONOSUPPORT"),
    ("raw by protocol 0", 2, RAW, 6, "EPERM"),
    ("ping", 2, DGRAM, 1, "EPROTONOSUPPORT"),
    ("SCTP", 2, STREAM, 132, "EPROTONOSUPPORT"),
    ("raw ICMPv6", 10, RAW, 58, "EPROTONOSUPPORT"),
    ("packet", 17, RAW, 3, "EAFNOSUPPORT"),
    ("VSOCK", 40, STREAM, 0, "EAFNOSUPPORT"),
    ("crypto", 38, SEQ, 0, "EAFNOSUPPORT"),
    ("Bluetooth", 31, RAW, 1, "EAFNOSUPPORT"),
    ("CAN", 29, RAW, 1, "EAFNOSUPPORT"),
    ("TIPC", 30, SEQ, 0, "EAFNOSUPPORT"),
    ("RDS", 21, SEQ, 0, "EAFNOSUPPORT"),
    ("key", 15, RAW, 2, "EAFNOSUPPORT"),
    ("XDP", 44, RAW, 0, "EAFNOSUPPORT"),
    ("QIPCRTR", 42, DGRAM, 0, "EAFNOSUPPORT"),
    ("netlink audit", 16, RAW, 9, "EAFNOSUPPORT"),
    ("netlink netfilter", 16, RAW, 12, "EAFNOSUPPORT"),
    ("netlink uevents", 16, DGRAM, 15, "EAFNOSUPPORT"),
    ("netlink generic", 16, RAW, 16, "EAFNOSUPPORT"),
):
    add(
        f"socket: {_name}",
        lambda f=_family, k=_kind, p=_protocol: call("socket", f, k, p),
        _refusal,
    )
add("socketpair: VSOCK", lambda: call("socketpair", 40, STREAM, 0, buffer(8)), "EAFNOSUPPORT")

# --- processes


@probe("see processes of the machine", "Refused")
def see_processes() -> str:
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    if set(pids) <= {1, os.getpid()}:
        raise Refused("only ours")
    return str(pids)


add("signal a process of the machine", lambda: os.kill(TARGETS["pid"], 0), "ESRCH")
for _path in ("environ", "cmdline", "maps", "task/1/maps", "cwd", "fd", "mountinfo"):
    add(f"process 1: {_path}", lambda p=_path: read(f"/proc/1/{p}"), "ENOENT")
for _path in ("mem", "task/1/mem"):
    add(
        f"write the memory of process 1 by {_path}",
        lambda p=_path: os.open(f"/proc/1/{p}", os.O_RDWR),
        "ENOENT",
    )


@probe("kill process 1", "Refused")
def kill_first() -> str:
    os.kill(1, signal.SIGKILL)
    os.kill(1, signal.SIGTERM)
    os.kill(1, 0)
    raise Refused("it does not die")


add("trace process 1", lambda: call("ptrace", 0x4206, 1, 0, 0), "EPERM")
add("be traced", lambda: call("ptrace", 0, 0, 0, 0), "EPERM")


@probe("read the memory of process 1 by call", "EPERM")
def read_memory() -> int:
    target = buffer(8)
    local = struct.pack("QQ", ctypes.addressof(target), 8)
    remote = struct.pack("QQ", 0x400000, 8)
    return call("process_vm_readv", 1, local, 1, remote, 1, 0)


add("take a descriptor of process 1", lambda: call("pidfd_getfd", os.pidfd_open(1), 3, 0), "EPERM")
add("compare processes", lambda: call("kcmp", 1, os.getpid(), 0, 0, 0), "EPERM")
add("advise process 1", lambda: call("process_madvise", 3, 0, 0, 0, 0), "EPERM")


@probe("descriptors that we inherited", "Refused")
def inherited() -> str:
    if set(INHERITED) <= {0, 1, 2} and INHERITED[0] == "/dev/null":
        raise Refused("only the three")
    return str(INHERITED)


@probe("words of the platform in our environment", "Refused")
def platform_words() -> str:
    ours = {"PATH", "HOME", "LANG", "LC_CTYPE", "TMPDIR", "PYTHONUNBUFFERED"}
    ours |= {"PROBE_TARGETS", "PROBE_CALLS", "PROXY_DOMAIN", "PROXY_AUTH"}
    ours |= {"ChromeWs", "ChromeHttp", "LightpandaDomain", "CamoufoxDomain", "BROWSER_WS"}
    foreign = {name for name in os.environ if not name.lower().endswith("_proxy")} - ours
    if not foreign:
        raise Refused("none")
    return str(foreign)


# --- namespaces, mounts, users

NEW = {
    "user": 0x10000000,
    "mount": 0x20000,
    "network": 0x40000000,
    "pid": 0x20000000,
    "ipc": 0x8000000,
    "uts": 0x4000000,
    "cgroup": 0x2000000,
    "time": 0x80,
}
for _name, _flag in NEW.items():
    add(f"unshare {_name}", lambda f=_flag: call("unshare", f), "EPERM")


def clone(flags: int) -> int:
    child = call("clone", flags | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    return child


for _name in ("user", "mount", "network", "pid", "ipc", "uts", "cgroup"):
    add(f"clone with a new {_name} namespace", lambda f=NEW[_name]: clone(f), "EPERM")
add("clone3", lambda: call("clone3", buffer(88), 88), "ENOSYS")
for _name in ("net", "mnt", "user", "pid"):
    add(
        f"enter the {_name} namespace of process 1",
        lambda n=_name: call("setns", os.open(f"/proc/1/ns/{n}", os.O_RDONLY), 0),
        "ENOENT",
    )
    add(
        f"enter the {_name} namespace of process 1 by descriptor",
        lambda f=NEW["user"]: call("setns", os.pidfd_open(1), f),
        "EPERM",
    )
add("mount a file system", lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, 0), "EPERM")
add("mount a bind", lambda: call("mount", b"/work", b"/tmp", 0, 4096, 0), "EPERM")
add("remount /usr writable", lambda: call("mount", b"none", b"/usr", 0, 32 | 4096, 0), "EPERM")
add("mount proc anew", lambda: call("mount", b"proc", b"/tmp", b"proc", 0, 0), "EPERM")
add("unmount /usr", lambda: call("umount2", b"/usr", 2), "EPERM")
add("pivot_root", lambda: call("pivot_root", b"/work", b"/work"), "EPERM")
add("fsopen", lambda: call("fsopen", b"tmpfs", 0), "EPERM")
add("fsmount", lambda: call("fsmount", 3, 0, 0), "EPERM")
add("open_tree", lambda: call("open_tree", -100, b"/", 1), "EPERM")
add("move_mount", lambda: call("move_mount", -100, b"/work", -100, b"/tmp", 0), "EPERM")
add("mount_setattr", lambda: call("mount_setattr", -100, b"/", 0, buffer(32), 32), "EPERM")
add("chroot", lambda: os.chroot("/tmp"), "EPERM")
add("become user 0", lambda: os.setuid(0), "EPERM", "EINVAL")
add("become group 0", lambda: os.setgid(0), "EPERM", "EINVAL")
add("join groups", lambda: os.setgroups([0]), "EPERM", "EINVAL")
add("map users", lambda: write("/proc/self/uid_map"), "EPERM", "EACCES", "EROFS")
add("host name", lambda: call("sethostname", b"evil", 4), "EPERM")


@probe("capabilities", "Refused")
def capabilities() -> str:
    with open("/proc/self/status") as file:
        lines = [row.split() for row in file if row.startswith("Cap")]
    if all(int(value, 16) == 0 for _, value in lines):
        raise Refused("none")
    return str(lines)


@probe("raise a capability", "EPERM")
def raise_capability() -> str:
    header = struct.pack("Ii", 0x20080522, 0)
    call("capset", header, struct.pack("6I", 1 << 21, 1 << 21, 0, 0, 0, 0))
    return "raised"


@probe("a set-id program gains rights", "Refused")
def set_id() -> str:
    for name in ("mount", "su", "newgrp", "umount"):
        path = f"/usr/bin/{name}"
        if os.path.exists(path):
            completed = subprocess.run(
                ["/usr/bin/mount", "-t", "tmpfs", "none", "/tmp"], capture_output=True, check=False
            )
            if completed.returncode == 0:
                return f"{name} mounted"
    raise Refused("none did")


@probe("a set-id file of our own gains rights", "Refused")
def own_set_id() -> str:
    with open("/usr/bin/id", "rb") as source, open("/work/id", "wb") as target:
        target.write(source.read())
    os.chmod("/work/id", 0o6755)
    output = subprocess.run(["/work/id"], capture_output=True, text=True, check=False).stdout
    if "uid=0" not in output and "euid=0" not in output:
        raise Refused(output)
    return output


# --- files

HIDDEN = ("ENOENT", "EACCES")
for _path in ("/etc/shadow", "/root", "/home", "/var/lib", "/sys/kernel", "/boot", "/opt", "/srv"):
    add(f"read {_path}", lambda p=_path: read(p), *HIDDEN)
for _path in TARGETS.get("paths", []):
    add(f"read {_path}", lambda p=_path: read(p), *HIDDEN)
    add(f"read /proc/1/root{_path}", lambda p=_path: read(f"/proc/1/root{p}"), *HIDDEN)
    add(f"read /proc/1/cwd/..{_path}", lambda p=_path: read(f"/proc/1/cwd/..{p}"), *HIDDEN)
    add(f"read by steps back {_path}", lambda p=_path: read("/work" + "/.." * 20 + p), *HIDDEN)

CLOSED = ("EROFS", "EACCES", "EPERM")
for _path in (
    *("/usr/x", "/etc/x", "/etc/passwd", "/etc/hosts", "/x", "/run/x", "/run/fyke/shim.pyc"),
    *("/bundle/x", "/bundle/main.py", "/env/x", "/dev/x", "/usr/bin/python3"),
    *("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches"),
    *("/proc/sys/fs/binfmt_misc/register", "/proc/sysrq-trigger", "/proc/1/oom_score_adj"),
):
    add(f"write {_path}", lambda p=_path: write(p), *CLOSED, "ENOENT")
add("lower our place in the memory killer's list", lambda: lower_oom(), "EACCES")


def lower_oom() -> str:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")
    return "lowered"


@probe("write by /proc/self/exe", "EACCES", "EROFS", "ETXTBSY")
def write_own_program() -> str:
    os.close(os.open("/proc/self/exe", os.O_WRONLY))
    return "opened"


@probe("a release agent of control groups", "Refused")
def release_agent() -> str:
    for root, _, files in os.walk("/sys"):
        if "release_agent" in files:
            return root
    raise Refused("no /sys")


add(
    "open by handle",
    lambda: call("open_by_handle_at", -100, buffer(32), 0),
    "EPERM",
)
add(
    "make a handle",
    lambda: call("name_to_handle_at", -100, b"/", buffer(32), buffer(4), 0),
    "EPERM",
)
for _path in ("mem", "kmsg", "kvm", "fuse", "net/tun", "vda", "sda", "loop-control", "vhost-vsock"):
    add(f"open /dev/{_path}", lambda p=_path: os.open(f"/dev/{p}", os.O_RDONLY), "ENOENT")


def node(kind: int, major: int, minor: int) -> str:
    os.mknod("/tmp/node", 0o600 | kind, os.makedev(major, minor))
    return "made"


add("make a block device", lambda: node(stat.S_IFBLK, 254, 0), "EPERM")
add("make a character device", lambda: node(stat.S_IFCHR, 1, 1), "EPERM")


@probe("core files", "Refused")
def core_files() -> str:
    if resource.getrlimit(resource.RLIMIT_CORE) == (0, 0):
        raise Refused("none")
    return "allowed"


add(
    "raise a limit",
    lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20)),
    "EPERM",
    "ValueError",
)

# --- calls into the kernel's corners

for _name, _arguments in {
    "bpf": (0, 0, 0),
    "perf_event_open": (buffer(120), 0, -1, -1, 0),
    "io_uring_setup": (8, buffer(120)),
    "io_uring_enter": (3, 0, 0, 0, 0, 0),
    "io_uring_register": (3, 0, 0, 0),
    "userfaultfd": (1,),
    "add_key": (b"user", b"k", b"v", 1, -3),
    "request_key": (b"user", b"k", 0, -3),
    "keyctl": (0, -3, 0),
    "init_module": (0, 0, b""),
    "finit_module": (3, b"", 0),
    "delete_module": (b"x", 0),
    "kexec_load": (0, 0, 0, 0),
    "syslog": (3, buffer(100), 100),
    "swapon": (b"/x", 0),
    "swapoff": (b"/x",),
    "reboot": (0xFEE1DEAD, 672274793, 0, 0),
    "settimeofday": (buffer(16), 0),
    "clock_settime": (0, buffer(16)),
    "adjtimex": (buffer(208),),
    "acct": (b"/tmp/x",),
    "quotactl": (0, 0, 0, 0),
    "personality": (0x0040000,),
    "fanotify_init": (0, 0),
    "mbind": (0, 0, 0, 0, 0, 0),
    "move_pages": (1, 0, 0, 0, 0, 0),
    "migrate_pages": (1, 0, 0, 0),
    "vmsplice": (3, 0, 0, 0),
    "lookup_dcookie": (0, 0, 0),
    "vhangup": (),
}.items():
    add(f"call {_name}", lambda n=_name, a=_arguments: call(n, *a), "EPERM")


@probe("a call newer than the filter", "ENOSYS")
def newer_call() -> int:
    result = LIBC.syscall(600)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return int(result)


@probe("type into a terminal", "EPERM")
def terminal() -> str:
    master, slave = os.openpty()
    fcntl.ioctl(slave, 0x5412, b"x")
    return f"typed {master}"


add("the controlling terminal", lambda: os.open("/dev/tty", os.O_RDWR), "ENXIO")


@probe("a call of the 32-bit kind", "SIGSYS", "SIGSEGV")
def other_architecture() -> str:
    """int 0x80 with the 32-bit number of getpid, in a child process, which it kills."""
    if os.uname().machine != "x86_64":
        raise OSError(0, "", None) from None
    child = os.fork()
    if child == 0:
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise Refused(signal.Signals(os.WTERMSIG(status)).name)
    return "answered"


# --- unusual ways


@probe("write into what our files are mounted from", "Refused")
def mounted_from() -> str:
    """Mounts show their sources, which must not be reachable."""
    with open("/proc/self/mountinfo") as file:
        roots = [row.split()[3:5] for row in file]
    shared = ("/usr", "/work", "/dev", "/etc")
    for source, point in roots:
        if source != "/" and not point.startswith(shared) and os.path.exists(source):
            return source
    raise Refused("none is there")


@probe("swap the work folder for a link", "EROFS", "EBUSY", "EACCES", "EXDEV")
def swap_work() -> str:
    os.chdir("/")
    try:
        os.rename("/work", "/tmp/work")
        os.symlink("/etc", "/work")
    finally:
        os.chdir("/work")
    return "swapped"


@probe("pass a descriptor to ourselves that is not ours", "Refused")
def pass_descriptors() -> str:
    left, right = socket.socketpair()
    socket.send_fds(left, [b"x"], [0])
    _, numbers, _, _ = socket.recv_fds(right, 1, 4)
    if os.readlink(f"/proc/self/fd/{numbers[0]}") == "/dev/null":
        raise Refused("only what we have")
    return "another"


@probe("claim to be another user over a socket", "EPERM", "EINVAL")
def false_credentials() -> str:
    left, _ = socket.socketpair()
    claim = struct.pack("3i", 1, 0, 0)
    left.sendmsg([b"x"], [(socket.SOL_SOCKET, 2, claim)])
    return "claimed"


@probe("queue a signal to the machine", "ESRCH", "EPERM")
def queue_signal() -> int:
    return call("rt_sigqueueinfo", TARGETS["pid"], 0, buffer(128))


add(
    "a descriptor of a process of the machine",
    lambda: os.pidfd_open(TARGETS["pid"]),
    "ESRCH",
    "EINVAL",
)
add(
    "priority of all users",
    lambda: os.setpriority(os.PRIO_USER, 0, -20),
    "ESRCH",
    "EACCES",
    "EPERM",
)
add("real-time scheduling", lambda: os.sched_setscheduler(0, 1, os.sched_param(1)), "EPERM")
add("real-time input and output", lambda: call("ioprio_set", 1, 0, 1 << 13), "EPERM")
add(
    "more memory that is locked",
    lambda: raise_limit(resource.RLIMIT_MEMLOCK),
    "EPERM",
    "ValueError",
)
add("larger files", lambda: raise_limit(resource.RLIMIT_FSIZE), "EPERM", "ValueError")
add("core files again", lambda: raise_limit(resource.RLIMIT_CORE), "EPERM", "ValueError")
add("immutable files", lambda: flags(0x10), "EPERM", "EOPNOTSUPP", "ENOTTY")
add("a trusted attribute", lambda: attribute("trusted.x"), "EPERM", "EOPNOTSUPP")
add(
    "a security attribute",
    lambda: attribute("security.capability"),
    "EPERM",
    "EOPNOTSUPP",
    "EINVAL",
)
add("give a file away", lambda: os.chown(own_file(), 0, 0), "EPERM", "EINVAL")
add("privileged port", lambda: bind(80), "EACCES")
add("bind to an address of the machine", lambda: bind(0, "192.0.2.1"), "EADDRNOTAVAIL")
add("a mark on packets", lambda: option(1, 36, struct.pack("i", 7)), "EPERM")
add("transparent proxying", lambda: option(0, 19, struct.pack("i", 1)), "EPERM")
add("a queue of the machine", lambda: queue(), "ENOENT", "ENOSYS")
add("shared memory of the machine", lambda: call("shmget", 0x5EED, 0, 0), "ENOENT", "ENOSYS")
add("semaphores of the machine", lambda: call("semget", 0x5EED, 0, 0), "ENOENT", "ENOSYS")
add("turn the filter off", lambda: call("seccomp", 0, 0, 0), "EINVAL")
add("a filter's listener", lambda: listener(), "EINVAL", "EFAULT", "EACCES", "EBUSY", "EPERM")
add("more privileges after all", lambda: prctl(38, 0), "EINVAL")
add("an ambient capability", lambda: prctl(47, 2, 21), "EPERM")
add("keep capabilities", lambda: prctl(28, 0), "EPERM")
add("map our memory elsewhere", lambda: prctl(35, 1, 0), "EPERM", "EINVAL", "EACCES")


def raise_limit(which: int) -> str:
    _, most = resource.getrlimit(which)
    if most == resource.RLIM_INFINITY:
        return "it is infinite"
    resource.setrlimit(which, (most + 4096, most + 4096))
    return "raised"


def own_file() -> str:
    with open("/work/own", "w") as file:
        file.write("x")
    return "/work/own"


def flags(value: int) -> str:
    number = os.open(own_file(), os.O_RDONLY)
    fcntl.ioctl(number, 0x40086602, struct.pack("l", value))
    return "set"


def attribute(name: str) -> str:
    os.setxattr(own_file(), name, b"x")
    return "set"


def bind(port: int, host: str = "127.0.0.1") -> str:
    with socket.socket() as server:
        server.bind((host, port))
    return "bound"


def option(level: int, name: int, value: bytes) -> str:
    with socket.socket() as any_socket:
        any_socket.setsockopt(level, name, value)
    return "set"


def queue() -> int:
    return call("mq_open", b"canary", os.O_RDONLY, 0, 0)


def listener() -> int:
    return call("seccomp", 1, 8, 0)


def prctl(*arguments: int) -> str:
    padded = [ctypes.c_ulong(value) for value in (*arguments, *[0] * (5 - len(arguments)))]
    if LIBC.prctl(*padded) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    return "done"


def outcome(function: Callable[[], Any]) -> str:
    try:
        return f"!! {function()}"
    except Refused as refused:
        text = str(refused)
        return text if text.startswith("SIG") else "Refused"
    except socket.gaierror:
        return "gaierror"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    except Exception as error:
        return type(error).__name__


def main() -> None:
    results = [(name, outcome(function), refusals) for name, function, refusals in PROBES]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
