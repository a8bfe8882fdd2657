"""Writes ``deploy/container/seccomp.json``: the system calls of a container with Fyke in it.

These are the calls that Workers may make, those that make sandboxes, and no others. The filter of
each sandbox, which allows less, comes on top of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from fyke.sandbox.isolation import syscalls

FILE = Path(__file__).parents[2] / "deploy" / "container" / "seccomp.json"
MACHINES = "x86_64", "aarch64"
# a call of any other architecture kills the process; those of x32 must fail inside a sandbox, which
# its filter sees to, and a check tries one
ARCHITECTURES = "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"
# what bubblewrap and the launcher need, in the user namespace of a sandbox
SANDBOX_CALLS = {"chroot", "mount", "pivot_root", "sethostname", "setns", "umount2", "unshare"}
LAST_FAMILY = (
    37  # of sockets: the next are AF_ALG, and AF_VSOCK, which no network namespace confines
)
EPERM, ENOSYS = 1, 38


def profile() -> dict[str, Any]:
    """The profile, in the format of container engines: unknown calls fail with ENOSYS."""
    allowed = {name for machine in MACHINES for name in syscalls.allowed(machine)}
    allowed |= {name for machine in MACHINES for name in syscalls.checked(machine)}
    denied = {name for machine in MACHINES for name in syscalls.denied(machine)}
    allowed = (allowed | SANDBOX_CALLS) - {"socket"}
    family = {"index": 0, "value": LAST_FAMILY, "op": "SCMP_CMP_LE"}
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": ENOSYS,
        "architectures": list(ARCHITECTURES),
        "syscalls": [
            {"names": sorted(allowed), "action": "SCMP_ACT_ALLOW"},
            {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [family]},
            {
                "names": sorted(denied - SANDBOX_CALLS),
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": EPERM,
            },
        ],
    }


def text() -> str:
    return json.dumps(profile(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
