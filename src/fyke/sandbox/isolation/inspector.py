"""Observes the isolation from inside a sandbox and prints the result as one line of JSON.

Runs in a sandbox of kind ``probe``, or beside a browser in one of kind ``browser-probe``, on the
machine's own Python, with the standard library only. ``FYKE_CANARY_PORT`` is a port that listens on
the machine's loopback, ``FYKE_CALLS`` are calls to try, as JSON: a name to a number and its
arguments. ``FYKE_PATHS`` are paths that the machine has too, as JSON.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import resource
import socket

OPEN_AT_START = {  # read before this program opens anything
    name: os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
    for name in os.listdir("/proc/self/fd")  # noqa: PTH208
    if os.path.lexists(f"/proc/self/fd/{name}")
}
TIOCSTI = 0x5412
NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")


def text(path: str) -> str:
    with open(path) as file:  # noqa: PTH123
        return file.read()


def namespaces() -> dict[str, str]:
    """The namespaces of this process: kind to identity, as ``KIND:[NUMBER]``."""
    return {name: os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES}  # noqa: PTH115


def status() -> dict[str, str]:
    """The fields of /proc/self/status."""
    lines = text("/proc/self/status").splitlines()
    return {name: rest.strip() for name, _, rest in (line.partition(":") for line in lines)}


def calls() -> dict[str, str]:
    """Make the system calls of ``FYKE_CALLS``; return the name of each error, or ``done``."""
    libc = ctypes.CDLL(None, use_errno=True)
    return {
        name: call(libc, number, arguments)
        for name, (number, arguments) in json.loads(os.environ["FYKE_CALLS"]).items()
    }


def call(libc: ctypes.CDLL, number: int, arguments: list[int]) -> str:
    pid = os.getpid()
    padded = [ctypes.c_long(value) for value in (*arguments, *[0] * (6 - len(arguments)))]
    result = libc.syscall(ctypes.c_long(number), *padded)
    if os.getpid() != pid:  # the call was a clone that succeeded, and this is the child
        os._exit(0)
    return "done" if result >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")


def type_into_terminal() -> str:
    """Type into a terminal; return the name of the error, or ``done``. Without a filter and
    without a terminal the error is ENOTTY.
    """
    try:
        fcntl.ioctl(0, TIOCSTI, b"x")
    except OSError as error:
        return name_of(error)
    return "done"


def interfaces() -> list[str]:
    """The names of the network's interfaces, up or down."""
    lines = text("/proc/self/net/dev").splitlines()[2:]
    return [line.partition(":")[0].strip() for line in lines]


def canary() -> str:
    """Connect to the port on the machine's loopback; return the error's name or ``connected``."""
    with socket.socket() as client:
        client.settimeout(2)
        code = client.connect_ex(("127.0.0.1", int(os.environ["FYKE_CANARY_PORT"])))
    return "connected" if code == 0 else errno.errorcode.get(code, str(code))


def try_open(path: str, flags: int) -> str:
    """Open a path; return the name of the error, or ``opened``."""
    try:
        os.close(os.open(path, flags | os.O_NOCTTY))
    except OSError as error:
        return name_of(error)
    return "opened"


def name_of(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "?")


def writable() -> list[str]:
    """Paths that must be read-only but can be written to."""
    paths = ("/", "/usr", "/etc", "/dev", "/run", "/proc/sys/kernel/core_pattern")
    return [path for path in paths if os.access(path, os.W_OK)]


def mounts() -> list[tuple[str, list[str]]]:
    """The path and the options of every mount, those of its file system included."""
    lines = (line.split() for line in text("/proc/self/mountinfo").splitlines())
    return [(fields[4], fields[5].split(",") + fields[-1].split(",")) for fields in lines]


def inodes(paths: list[str]) -> dict[str, list[int]]:
    """Device and number of the inode of each path that exists."""
    numbers = {}
    for path in paths:
        if os.path.exists(path):  # noqa: PTH110
            state = os.stat(path)  # noqa: PTH116
            numbers[path] = [state.st_dev, state.st_ino]
    return numbers


def watch() -> str:
    """Start watching files; return the name of the error, or ``done``."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(0)
    if descriptor < 0:
        return errno.errorcode.get(ctypes.get_errno(), "?")
    os.close(descriptor)
    return "done"


def sizes() -> dict[str, int]:
    """Sizes of the memory file systems in bytes."""
    sizes_by_folder = {}
    for folder in ("/tmp", "/dev/shm"):  # noqa: S108 - inside the sandbox
        state = os.statvfs(folder)
        sizes_by_folder[folder] = state.f_blocks * state.f_frsize
    return sizes_by_folder


def main() -> None:
    fields = status()
    view = {
        "uid": os.getuid(),
        "namespaces": namespaces(),
        "host_name": os.uname().nodename,
        "session": os.getsid(0),
        "terminal": try_open("/dev/tty", os.O_RDWR),
        "seccomp": fields.get("Seccomp"),
        "no_new_privs": fields.get("NoNewPrivs"),
        "capabilities": [
            fields.get(name) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
        ],
        "calls": calls(),
        "typing": type_into_terminal(),
        "interfaces": interfaces(),
        "canary": canary(),
        "resolver": text("/etc/resolv.conf"),
        "processes": [int(name) for name in os.listdir("/proc") if name.isdigit()],  # noqa: PTH208
        "first_process": try_open("/proc/1/mem", os.O_RDWR),
        "first_process_shows": os.listdir("/proc/1"),  # noqa: PTH208
        "writable": writable(),
        "root": os.listdir("/"),  # noqa: PTH208
        "mounts": mounts(),
        "sizes": sizes(),
        "inodes": inodes(json.loads(os.environ["FYKE_PATHS"])),
        "watch": watch(),
        "descriptors": OPEN_AT_START,
        "environment": sorted(os.environ),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[1],
    }
    print(json.dumps(view), flush=True)


if __name__ == "__main__":
    main()
