"""The isolation checks: evaluates what was observed of a sandbox.

One entry for each layer of isolation: its name, whether it works, and what was observed. A layer
without a check here could be missing unnoticed.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Any

from fyke.sandbox.isolation import bubblewrap, syscalls
from fyke.sandbox.isolation.host_inspection import HostView

Check = tuple[str, bool, str]
Seen = dict[str, Any]

NO_CAPABILITY = "0000000000000000"
HOST_NAME = "worker"
CLONE_NEWUSER = 0x10000000
SIGCHLD = 17
AF_VSOCK, AF_PACKET, AF_INET, AF_NETLINK = 40, 17, 2, 16
SOCK_STREAM, SOCK_RAW = 1, 3
ICMP, NETLINK_AUDIT = 1, 9
UNKNOWN_CALL = 600
X32_GETPID = 0x40000000 + 39

# writable places: the work folder, memory of a fixed size, and devices that store nothing; the
# files of /proc are protected by their owner, which no sandbox runs as
WRITABLE = {"/work", "/tmp", "/dev/shm", "/dev/pts", "/proc"}  # noqa: S108 - inside the sandbox
DEVICES = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty")}
ROOT = {"usr", "etc", "proc", "dev", "tmp", "run", "work", "env", "node_modules"}
ROOT |= set(bubblewrap.USR_LINKS)
OWN_WORDS = {"PATH", "HOME", "LANG", "LC_CTYPE", "TMPDIR", "PYTHONUNBUFFERED"}
PLAIN_OPTIONS = [bubblewrap.PROGRAM, "--args"]
STANDARD = {"0", "1", "2"}


def samples(machine: str | None = None) -> dict[str, tuple[int, list[int]]]:
    """System calls to try inside: name to number and arguments. With the filter they answer as in
    ``EXPECTED``; without it the kernel answers otherwise, as far as it has the call.
    """
    name = machine or platform.machine()
    number = syscalls.denied(name) | syscalls.checked(name)
    found: dict[str, tuple[int, list[int]]] = {
        "request_key": (number["request_key"], []),
        "ptrace": (number["ptrace"], [0x4206, -1]),
        "bpf": (number["bpf"], [-1]),
        "io_uring_setup": (number["io_uring_setup"], []),
        "keyctl": (number["keyctl"], [-1]),
        "unshare": (number["unshare"], []),
        "clone of a user namespace": (number["clone"], [CLONE_NEWUSER | SIGCHLD]),
        "clone3": (number["clone3"], []),
        "an unknown call": (UNKNOWN_CALL, []),
        "vsock": (number["socket"], [AF_VSOCK, SOCK_STREAM, 0]),
        "packet socket": (number["socket"], [AF_PACKET, SOCK_RAW, 0]),
        "raw socket": (number["socket"], [AF_INET, SOCK_RAW, ICMP]),
        "audit socket": (number["socket"], [AF_NETLINK, SOCK_RAW, NETLINK_AUDIT]),
    }
    if name == "x86_64":
        found["an x32 call"] = (X32_GETPID, [])
    return found


EXPECTED = {
    "clone3": "ENOSYS",
    "an unknown call": "ENOSYS",
    "an x32 call": "ENOSYS",
    "vsock": "EAFNOSUPPORT",
    "packet socket": "EAFNOSUPPORT",
    "audit socket": "EAFNOSUPPORT",
    "raw socket": "EPROTONOSUPPORT",
}


def evaluate(
    seen: Seen, host: HostView, user: int, namespaces: dict[str, str], tmp_size: int
) -> list[Check]:
    """``seen`` is what the inspector prints, ``user`` the host's user of the processes inside,
    ``namespaces`` are our own, ``tmp_size`` is the expected size of /tmp in bytes.
    """
    return [
        *_users(seen, host, user),
        *_calls(seen),
        *_spaces(seen, namespaces),
        *_network(seen),
        *_processes(seen, host),
        *_files(seen, tmp_size),
    ]


def _users(seen: Seen, host: HostView, user: int) -> Iterator[Check]:
    yield "user namespace", seen["uid"] == bubblewrap.INNER_ID, f"user {seen['uid']} inside"
    yield "unprivileged user", user > 0, f"user {user} outside"
    words = f"making one answered {host.nesting}"
    yield "nested user namespaces", host.nesting == "ENOSPC", words
    sets = seen["capabilities"]
    none = all(value == NO_CAPABILITY for value in sets)
    yield "capabilities", none, f"sets {' '.join(map(str, sets))}"
    yield "no new privileges", seen["no_new_privs"] == "1", f"flag {seen['no_new_privs']}"


def _calls(seen: Seen) -> Iterator[Check]:
    wrong = [
        f"{name} answered {answer}"
        for name, answer in seen["calls"].items()
        if answer != EXPECTED.get(name, "EPERM") and name != "vsock"
    ]
    if seen["typing"] != "EPERM":
        wrong.append(f"typing into a terminal answered {seen['typing']}")
    words = f"mode {seen['seccomp']}, {'; '.join(wrong) or 'every call answered as expected'}"
    yield "seccomp", seen["seccomp"] == "2" and not wrong, words
    vsock = seen["calls"]["vsock"]
    yield "vsock", vsock == EXPECTED["vsock"], f"a socket to the hypervisor answered {vsock}"


def _spaces(seen: Seen, namespaces: dict[str, str]) -> Iterator[Check]:
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
        inside = seen["namespaces"][kind]
        shared = inside == namespaces[kind]
        yield name, not shared, f"{inside}, {'the same as' if shared else 'not'} the machine's"
    yield "host name", seen["host_name"] == HOST_NAME, f"{seen['host_name']!r:.80}"


def _network(seen: Seen) -> Iterator[Check]:
    alone = seen["interfaces"] == ["lo"] and seen["canary"] == "ECONNREFUSED"
    words = (
        f"interfaces {', '.join(seen['interfaces'])}; the machine's loopback answered "
        f"{seen['canary']}"
    )
    yield "network", alone, words
    named = seen["resolver"].strip()
    yield "no name server", not named, f"resolv.conf says {named!r:.80}"


def _processes(seen: Seen, host: HostView) -> Iterator[Check]:
    ids = seen["processes"]
    yield "proc", len(ids) <= 3 and 1 in ids, f"{len(ids)} processes visible"
    shown = seen["first_process_shows"]
    covered = seen["first_process"] != "opened" and not shown
    words = f"opening its memory answered {seen['first_process']}, {len(shown)} files visible"
    yield "process 1", covered, words
    size = host.environment
    yield "environment of process 1", size == 0, f"{size} bytes"
    plain = list(host.words[:2]) == PLAIN_OPTIONS and host.words[3:4] == ("--",)
    yield "options out of sight", plain, f"process 1 is called {' '.join(host.words)!r:.200}"
    apart = seen["session"] > 0 and seen["terminal"] != "opened"
    words = f"session {seen['session']}, opening the terminal answered {seen['terminal']}"
    yield "session", apart, words
    found = seen["descriptors"]
    extra = {number: to for number, to in found.items() if number not in STANDARD}
    nothing = found.get("0") == "/dev/null"
    yield "descriptors", nothing and not extra, f"standard input {found.get('0')}, others {extra}"
    foreign = [n for n in seen["environment"] if n not in OWN_WORDS and not n.startswith("FYKE_")]
    yield "environment", not foreign, f"not ours: {', '.join(foreign) or 'nothing'}"
    yield "core files", seen["core"] == 0, f"limit {seen['core']}"


def _files(seen: Seen, tmp_size: int) -> Iterator[Check]:
    open_places = [
        point
        for point, options in seen["mounts"]
        if "ro" not in options and point not in WRITABLE | DEVICES
    ]
    open_places += [path for path in seen["writable"] if path not in open_places]
    words = f"writable: {', '.join(open_places) or 'nothing'}"
    yield "read-only system", not open_places, words
    set_id = [point for point, options in seen["mounts"] if "nosuid" not in options]
    yield "no set-id", not set_id, f"set-id programs work in {', '.join(set_id) or 'no place'}"
    devices = [
        point
        for point, options in seen["mounts"]
        if "nodev" not in options and point not in DEVICES | {"/dev/pts"}
    ]
    yield "no devices", not devices, f"devices work in {', '.join(devices) or 'no place'}"
    foreign = sorted(set(seen["root"]) - ROOT)
    yield "files of the machine", not foreign, f"also visible: {', '.join(foreign) or 'nothing'}"
    wanted = {"/tmp": tmp_size, "/dev/shm": bubblewrap.DEV_SHM_BYTES}  # noqa: S108
    words = ", ".join(f"{path} has {size} bytes" for path, size in seen["sizes"].items())
    yield "memory file systems", seen["sizes"] == wanted, words
