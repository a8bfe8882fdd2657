"""Limits how many namespaces the sandbox of a browser may create.

A network namespace takes 190 kB of the kernel's memory, of which less than half is charged to the
control group of its creator. The limits belong to the user namespace of the sandbox, and count all
below it; no process inside may change them, because that takes a capability over it.
"""

from __future__ import annotations

import subprocess
import sys

NAMESPACES = 128  # of each kind; a browser with a few instances uses about ten
KINDS = ("net", "user")
SECONDS = 10
# enters the user namespace of a process and sets its limits
_LIMITER = """
import ctypes, os, sys
path, count, *kinds = sys.argv[1:]
namespace = os.open(path, os.O_RDONLY)
if ctypes.CDLL(None).setns(namespace, 0x10000000):
    sys.exit(1)
for kind in kinds:
    with open(f"/proc/sys/user/max_{kind}_namespaces", "w") as file:
        file.write(count)
"""


def limit_namespaces(pid: int) -> bool:
    """Limit the sandbox of this process; return whether that was possible. It is not where
    ``/proc/sys`` is read-only.
    """
    path = f"/proc/{pid}/ns/user"
    command = [sys.executable, "-I", "-S", "-c", _LIMITER, path, str(NAMESPACES), *KINDS]
    try:
        completed = subprocess.run(
            command, capture_output=True, timeout=SECONDS, check=False, env={}, cwd="/"
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return completed.returncode == 0
