"""The isolation checks: evaluates what the inspector and the host observed of a sandbox.

There is one check for each layer of isolation; a layer without a check could be missing unnoticed.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Set
from typing import Any

from fyke.sandbox.isolation import bubblewrap, syscalls
from fyke.sandbox.isolation.host_inspection import HostView
from fyke.sandbox.isolation.seccomp import (
    AF_INET,
    AF_NETLINK,
    CLONE_NEWUSER,
    IP_XFRM_POLICY,
    IPV6_XFRM_POLICY,
    NETFILTER,
    NETLINK_ROUTE,
    SIOCADDRT,
    SIOCBRADDBR,
    SIOCSIFFLAGS,
    SOL_IP,
    SOL_IPV6,
    SOL_TCP,
    TCP_REPAIR,
    FilterRules,
)

Check = tuple[str, bool, str]  # the layer, whether it is effective, and what was observed
InsideView = dict[str, Any]  # what the inspector prints

NO_CAPABILITY = "0000000000000000"
HOST_NAME = "worker"
CLONE_NEWNS = 0x00020000
SIGCHLD = 17
AF_VSOCK, AF_PACKET = 40, 17
SOCK_STREAM, SOCK_RAW, SOCK_PACKET = 1, 3, 10
ICMP, TCP, NETLINK_AUDIT = 1, 6, 9
F_SETLEASE, F_NOTIFY = 1024, 1026
UNKNOWN_CALL = 600
X32_GETPID = 0x40000000 + 39

# writable places: the work folder, memory of a fixed size, and devices that store nothing; the
# files of /proc are protected by their owner, which no sandbox runs as
WRITABLE = {"/work", "/tmp", "/dev/shm", "/dev/pts", "/proc"}  # noqa: S108 - inside the sandbox
DEVICES = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty")}
ROOT = {"usr", "etc", "proc", "dev", "tmp", "run", "work", "env", "node_modules"}
ROOT |= set(bubblewrap.USR_LINKS)
BROWSER_ROOT = ROOT | {"var"}  # the cache of fonts
PROBE_PROCESSES = 3
BROWSER_PROCESSES = 32
OWN_SANDBOX = "own sandbox of the browser"
VARIABLES = {"PATH", "HOME", "LANG", "LC_CTYPE", "TMPDIR", "PYTHONUNBUFFERED"}
VISIBLE_COMMAND = [bubblewrap.PROGRAM, "--args"]
STANDARD_STREAMS = {"0", "1", "2"}


def samples(
    machine: str | None = None, rules: FilterRules = FilterRules.WORKER
) -> dict[str, tuple[int, list[int]]]:
    """System calls to try inside: name to number and arguments. With the filter they fail as in
    ``EXPECTED``, or with EPERM; without it the kernel returns something else.
    """
    name = machine or platform.machine()
    number = syscalls.denied(name) | syscalls.checked(name)
    calls: dict[str, tuple[int, list[int]]] = {
        "request_key": (number["request_key"], []),
        "ptrace": (number["ptrace"], [0x4206, -1]),
        "bpf": (number["bpf"], [-1]),
        "io_uring_setup": (number["io_uring_setup"], []),
        "keyctl": (number["keyctl"], [-1]),
        "unshare": (number["unshare"], []),
        "clone of a user namespace": (number["clone"], [CLONE_NEWUSER | SIGCHLD]),
        "clone3": (number["clone3"], []),
        "an unknown call": (UNKNOWN_CALL, []),
        "a lease": (number["fcntl"], [-1, F_SETLEASE]),
        "dnotify": (number["fcntl"], [-1, F_NOTIFY]),
        "vsock": (number["socket"], [AF_VSOCK, SOCK_STREAM, 0]),
        "packet socket": (number["socket"], [AF_PACKET, SOCK_RAW, 0]),
        "raw socket": (number["socket"], [AF_INET, SOCK_RAW, ICMP]),
        "audit socket": (number["socket"], [AF_NETLINK, SOCK_RAW, NETLINK_AUDIT]),
    }
    if name == "x86_64":
        calls["an x32 call"] = (X32_GETPID, [])
    if rules is FilterRules.BROWSER:
        del calls["clone of a user namespace"]
        options = syscalls.allowed(name)["setsockopt"]
        calls |= {
            "clone of a mount namespace": (
                number["clone"],
                [CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD],
            ),
            "unshare of more than a user namespace": (
                number["unshare"],
                [CLONE_NEWUSER | CLONE_NEWNS],
            ),
            "route socket": (number["socket"], [AF_NETLINK, SOCK_RAW, NETLINK_ROUTE]),
            "netfilter option": (options, [-1, SOL_IP, NETFILTER]),
            "IPsec policy": (options, [-1, SOL_IP, IP_XFRM_POLICY]),
            "IPsec policy of IPv6": (options, [-1, SOL_IPV6, IPV6_XFRM_POLICY]),
            "TCP repair": (options, [-1, SOL_TCP, TCP_REPAIR]),
            "packets of IPv4": (number["socket"], [AF_INET, SOCK_PACKET, 0]),
            "raw TCP socket": (number["socket"], [AF_INET, SOCK_RAW, TCP]),
            "adding a route": (number["ioctl"], [-1, SIOCADDRT]),
            "flags of an interface": (number["ioctl"], [-1, SIOCSIFFLAGS]),
            "adding a bridge": (number["ioctl"], [-1, SIOCBRADDBR]),
        }
    return calls


EXPECTED = {
    "clone3": "ENOSYS",
    "an unknown call": "ENOSYS",
    "an x32 call": "ENOSYS",
    "vsock": "EAFNOSUPPORT",
    "packet socket": "EAFNOSUPPORT",
    "audit socket": "EAFNOSUPPORT",
    "route socket": "EAFNOSUPPORT",
    "packets of IPv4": "EPROTONOSUPPORT",
    "raw TCP socket": "EPROTONOSUPPORT",
    "raw socket": "EPROTONOSUPPORT",
}


def evaluate(
    inside: InsideView, host: HostView, user: int, namespaces: dict[str, str], tmp_size: int
) -> list[Check]:
    """``user`` is the host's user of the processes inside, ``namespaces`` are those of this
    process, ``tmp_size`` is the expected size of /tmp in bytes.
    """
    return [
        *_users(inside, host, user),
        *_calls(inside),
        *_namespaces(inside, namespaces),
        *_network(inside),
        *_processes(inside, host),
        *_files(inside, tmp_size),
        _watches(inside, host),
    ]


def evaluate_browser(
    inside: InsideView,
    host: HostView,
    user: int,
    namespaces: dict[str, str],
    tmp_size: int,
    *,
    refusal: str = "",
) -> list[Check]:
    """The checks of a browser's sandbox, as ``evaluate``. ``refusal``: why Chromium may not create
    user namespaces; the last check is whether it isolates the processes that handle pages in them.
    """
    own_sandbox = not refusal
    results = [
        *_users(inside, host, user, nested=own_sandbox),
        *_calls(inside),
        *_namespaces(inside, namespaces),
        *_network(inside),
        *_processes(inside, host, BROWSER_PROCESSES),
        *_files(inside, tmp_size, bubblewrap.BROWSER_SHM_BYTES, BROWSER_ROOT),
        _watches(inside, host),
    ]
    detail = f"{host.isolated} processes isolated further"
    if not own_sandbox:
        detail = f"{refusal}; only the outer layers apply"
    return [*results, (OWN_SANDBOX, own_sandbox and host.isolated > 0, detail)]


def shared_locks(inside: InsideView, host: HostView) -> str:
    """A sentence that names the files whose locks the sandbox shares with other sandboxes, because
    their inodes are those of the machine, and the cause; "" if it shares none.
    """
    shared = _shared(inside, host)
    if not shared:
        return ""
    others = f" and {len(shared) - 1} more" if shared[1:] else ""
    cause = f": {host.own_files}" if host.own_files else ""
    return f"file locks on {shared[0]}{others} are shared with other sandboxes{cause}"


def _shared(inside: InsideView, host: HostView) -> list[str]:
    return [path for path, inode in inside["inodes"].items() if host.inodes.get(path) == inode]


def _watches(inside: InsideView, host: HostView) -> Check:
    watch, shared = inside["watch"], _shared(inside, host)
    if not shared:
        return "watches", True, "every file has its own inode"
    detail = f"starting a watch returned {watch}; {shared_locks(inside, host)}"
    return "watches", watch == "ENOSYS", detail


def _users(
    inside: InsideView, host: HostView, user: int, *, nested: bool = False
) -> Iterator[Check]:
    yield "user namespace", inside["uid"] == bubblewrap.INNER_ID, f"user {inside['uid']} inside"
    yield "unprivileged user", user > 0, f"user {user} outside"
    if not nested:
        detail = f"creating one returned {host.nesting}"
        yield "nested user namespaces", host.nesting == "ENOSPC", detail
    sets = inside["capabilities"]
    are_empty = all(value == NO_CAPABILITY for value in sets)
    yield "capabilities", are_empty, f"sets {' '.join(map(str, sets))}"
    yield "no new privileges", inside["no_new_privs"] == "1", f"flag {inside['no_new_privs']}"


def _calls(inside: InsideView) -> Iterator[Check]:
    deviations = [
        f"{name} returned {answer}"
        for name, answer in inside["calls"].items()
        if answer != EXPECTED.get(name, "EPERM") and name != "vsock"
    ]
    if inside["typing"] != "EPERM":
        deviations.append(f"typing into a terminal returned {inside['typing']}")
    detail = (
        f"mode {inside['seccomp']}, {'; '.join(deviations) or 'every call returned as expected'}"
    )
    yield "seccomp", inside["seccomp"] == "2" and not deviations, detail
    vsock = inside["calls"]["vsock"]
    yield "vsock", vsock == EXPECTED["vsock"], f"a socket to the hypervisor returned {vsock}"


def _namespaces(inside: InsideView, namespaces: dict[str, str]) -> Iterator[Check]:
    names = {
        "user": "own user namespace",
        "mnt": "mount namespace",
        "pid": "process namespace",
        "net": "network namespace",
        "ipc": "ipc namespace",
        "uts": "uts namespace",
        "cgroup": "cgroup namespace",
    }
    for kind, name in names.items():
        identity = inside["namespaces"][kind]
        shared = identity == namespaces[kind]
        yield name, not shared, f"{identity}, {'the same as' if shared else 'not'} the machine's"
    yield "host name", inside["host_name"] == HOST_NAME, f"{inside['host_name']!r:.80}"


def _network(inside: InsideView) -> Iterator[Check]:
    is_isolated = inside["interfaces"] == ["lo"] and inside["canary"] == "ECONNREFUSED"
    detail = (
        f"interfaces {', '.join(inside['interfaces'])}; connecting to the machine's loopback "
        f"returned {inside['canary']}"
    )
    yield "network", is_isolated, detail
    resolver = inside["resolver"].strip()
    yield "no name server", not resolver, f"resolv.conf contains {resolver!r:.80}"


def _processes(inside: InsideView, host: HostView, most: int = PROBE_PROCESSES) -> Iterator[Check]:
    ids = inside["processes"]
    yield "proc", len(ids) <= most and 1 in ids, f"{len(ids)} processes visible"
    shown = inside["first_process_shows"]
    covered = inside["first_process"] != "opened" and not shown
    detail = f"opening its memory returned {inside['first_process']}, {len(shown)} files visible"
    yield "process 1", covered, detail
    size = host.environment
    yield "environment of process 1", size == 0, f"{size} bytes"
    line = host.command_line
    is_hidden = list(line[:2]) == VISIBLE_COMMAND and line[3:4] == ("--",)
    yield "options out of sight", is_hidden, f"process 1 is {' '.join(line)!r:.200}"
    is_separate = inside["session"] > 0 and inside["terminal"] != "opened"
    detail = f"session {inside['session']}, opening the terminal returned {inside['terminal']}"
    yield "session", is_separate, detail
    descriptors = inside["descriptors"]
    extra = {number: to for number, to in descriptors.items() if number not in STANDARD_STREAMS}
    reads_null = descriptors.get("0") == "/dev/null"
    yield (
        "descriptors",
        reads_null and not extra,
        f"standard input {descriptors.get('0')}, others {extra}",
    )
    unexpected = [
        n for n in inside["environment"] if n not in VARIABLES and not n.startswith("FYKE_")
    ]
    yield "environment", not unexpected, f"not expected: {', '.join(unexpected) or 'none'}"
    yield "core files", inside["core"] == 0, f"limit {inside['core']}"


def _files(
    inside: InsideView,
    tmp_size: int,
    shm_size: int = bubblewrap.DEV_SHM_BYTES,
    root: Set[str] = ROOT,
) -> Iterator[Check]:
    writable = [
        point
        for point, options in inside["mounts"]
        if "ro" not in options and point not in WRITABLE | DEVICES
    ]
    writable += [path for path in inside["writable"] if path not in writable]
    detail = f"writable: {', '.join(writable) or 'none'}"
    yield "read-only system", not writable, detail
    set_id = [point for point, options in inside["mounts"] if "nosuid" not in options]
    yield (
        "no set-id",
        not set_id,
        f"mounts that allow set-id programs: {', '.join(set_id) or 'none'}",
    )
    devices = [
        point
        for point, options in inside["mounts"]
        if "nodev" not in options and point not in DEVICES | {"/dev/pts"}
    ]
    yield "no devices", not devices, f"mounts that allow devices: {', '.join(devices) or 'none'}"
    unexpected = sorted(set(inside["root"]) - root)
    yield "files of the machine", not unexpected, f"not expected: {', '.join(unexpected) or 'none'}"
    expected = {"/tmp": tmp_size, "/dev/shm": shm_size}  # noqa: S108
    detail = ", ".join(f"{path} has {size} bytes" for path, size in inside["sizes"].items())
    yield "memory file systems", inside["sizes"] == expected, detail
