"""Observes the isolation from inside and prints the result as one line of JSON.

Runs in a sandbox of kind ``probe`` on the machine's own Python, with the standard library only.
``FYKE_CANARY_PORT`` is a port that listens on the machine's loopback, ``FYKE_CALLS`` are calls to
try, as JSON: a name to a number and its arguments.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import resource
import socket

OPEN_AT_START = {  # read before anything of our own is open
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
    """The number of each namespace that we are in."""
    return {name: os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES}  # noqa: PTH115


def status() -> dict[str, str]:
    """The fields of our own /proc/self/status."""
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
    own = os.getpid()
    padded = [ctypes.c_long(value) for value in (*arguments, *[0] * (6 - len(arguments)))]
    result = libc.syscall(ctypes.c_long(number), *padded)
    if os.getpid() != own:  # it was a clone, and nothing stopped it
        os._exit(0)
    return "done" if result >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")


def typing() -> str:
    """Type into a terminal; where there is none, an unfiltered kernel answers ENOTTY."""
    try:
        fcntl.ioctl(0, TIOCSTI, b"x")
    except OSError as error:
        return name_of(error)
    return "done"


def canary() -> str:
    """Connect to the machine's loopback; return the name of the error, or ``connected``."""
    with socket.socket() as client:
        client.settimeout(2)
        code = client.connect_ex(("127.0.0.1", int(os.environ["FYKE_CANARY_PORT"])))
    return "connected" if code == 0 else errno.errorcode.get(code, str(code))


def opening(path: str, flags: int) -> str:
    """Open a path; return the name of the error, or ``opened``."""
    try:
        os.close(os.open(path, flags | os.O_NOCTTY))
    except OSError as error:
        return name_of(error)
    return "opened"


def name_of(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "?")


def writable() -> list[str]:
    """Places outside of the work folder and the two temporary ones that can be written to."""
    found = []
    for folder in ("/", "/usr", "/etc", "/dev", "/run", "/proc/sys/kernel/core_pattern"):
        if os.access(folder, os.W_OK):
            found.append(folder)
    return found


def mounts() -> list[tuple[str, list[str]]]:
    """Every mount: where it is, and its options."""
    lines = (line.split() for line in text("/proc/self/mountinfo").splitlines())
    return [(words[4], words[5].split(",")) for words in lines]


def sizes() -> dict[str, int]:
    """Sizes of the memory file systems in bytes."""
    found = {}
    for folder in ("/tmp", "/dev/shm"):  # noqa: S108 - inside the sandbox
        seen = os.statvfs(folder)
        found[folder] = seen.f_blocks * seen.f_frsize
    return found


def main() -> None:
    own = status()
    seen = {
        "uid": os.getuid(),
        "namespaces": namespaces(),
        "host_name": os.uname().nodename,
        "session": os.getsid(0),
        "terminal": opening("/dev/tty", os.O_RDWR),
        "seccomp": own.get("Seccomp"),
        "no_new_privs": own.get("NoNewPrivs"),
        "capabilities": [
            own.get(name) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
        ],
        "calls": calls(),
        "typing": typing(),
        "interfaces": [name for _, name in socket.if_nameindex()],
        "canary": canary(),
        "resolver": text("/etc/resolv.conf"),
        "processes": [int(name) for name in os.listdir("/proc") if name.isdigit()],  # noqa: PTH208
        "first_process": opening("/proc/1/mem", os.O_RDWR),
        "first_process_shows": os.listdir("/proc/1"),  # noqa: PTH208
        "writable": writable(),
        "root": os.listdir("/"),  # noqa: PTH208
        "mounts": mounts(),
        "sizes": sizes(),
        "descriptors": OPEN_AT_START,
        "environment": sorted(os.environ),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[1],
    }
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
