"""Looks at the walls from the inside and prints what it sees as one line of JSON.

Runs in a probe box on the machine's own Python, with nothing but the standard library.
``FYKE_CANARY_PORT`` is a port that listens on the machine's loopback, ``FYKE_DENIED_CALL`` the
number of a system call that the filter denies and an unfiltered kernel would answer otherwise.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket


def status() -> dict[str, str]:
    """The fields of our own /proc/self/status."""
    with open("/proc/self/status") as lines:  # noqa: PTH123
        return {name: rest.strip() for name, _, rest in (line.partition(":") for line in lines)}


def denied_call() -> str:
    """What a denied system call answers, as the name of an error or ``done``."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(int(os.environ["FYKE_DENIED_CALL"]), 0, 0, 0, 0, 0)
    return "done" if result >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")


def canary() -> str:
    """What connecting to the machine's loopback answers."""
    with socket.socket() as client:
        client.settimeout(2)
        code = client.connect_ex(("127.0.0.1", int(os.environ["FYKE_CANARY_PORT"])))
    return "connected" if code == 0 else errno.errorcode.get(code, str(code))


def first_process() -> str:
    """What opening the memory of process 1, which has no filter, answers."""
    try:
        os.close(os.open("/proc/1/mem", os.O_RDWR))
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return "opened"


def writable() -> list[str]:
    """Places outside of the work folder and the two temporary ones that can be written to."""
    found = []
    for folder in ("/", "/usr", "/etc", "/dev", "/proc/sys/kernel/core_pattern"):
        if os.access(folder, os.W_OK):
            found.append(folder)
    return found


def main() -> None:
    own = status()
    seen = {
        "uid": os.getuid(),
        "seccomp": own.get("Seccomp"),
        "no_new_privs": own.get("NoNewPrivs"),
        "capabilities": [own.get(name) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")],
        "denied_call": denied_call(),
        "interfaces": [name for _, name in socket.if_nameindex()],
        "canary": canary(),
        "processes": [int(name) for name in os.listdir("/proc") if name.isdigit()],  # noqa: PTH208
        "first_process": first_process(),
        "writable": writable(),
    }
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
