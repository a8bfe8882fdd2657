"""The isolation checks that only the host can make, in the process that spawned the sandbox.

Two layers cannot be observed from inside, because other layers hide them: that process 1 reveals
nothing of us, since its files in /proc are covered, and that no user namespace can be made in the
sandbox, since the filter forbids it already.
"""

from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SECONDS = 10
# enters the user namespace of a process and tries to make one more in it; prints the answer
NESTER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
where = os.open(sys.argv[1], os.O_RDONLY)
NEW_USER = 0x10000000
for step in (lambda: libc.setns(where, NEW_USER), lambda: libc.unshare(NEW_USER)):
    print(ctypes.get_errno() if step() else 0)
"""


@dataclass(frozen=True, slots=True)
class HostView:
    """``environment`` and ``words`` are those of process 1; ``nesting`` is the result of making a
    user namespace in the sandbox; ``grouped`` is whether its processes are in their control group.
    """

    environment: int  # bytes
    words: tuple[str, ...]
    nesting: str
    grouped: bool

    def to_message(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_message(cls, message: dict[str, Any]) -> HostView:
        return cls(**(message | {"words": tuple(message["words"])}))


def inspect_host(first: int, main: int, group: list[int]) -> HostView:
    """``first`` and ``main`` are the host's pids of process 1 of the sandbox and of the one that
    became the Worker; ``group`` are the members of its control group.
    """
    return HostView(
        environment=_environment(first),
        words=tuple(Path(f"/proc/{first}/cmdline").read_text().rstrip("\0").split("\0")),
        nesting=_nesting(main),
        grouped={first, main} <= set(group),
    )


def _environment(pid: int) -> int:
    try:
        return len(Path(f"/proc/{pid}/environ").read_bytes())
    except PermissionError:  # closed to us, and so to a Worker, who is the same user or less
        return 0


def _nesting(pid: int) -> str:
    """``done``, or the name of an error; ``setns`` in front when the sandbox cannot be entered."""
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", NESTER, f"/proc/{pid}/ns/user"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={},
        cwd="/",
    )
    answers = [int(word) for word in ended.stdout.split()]
    if len(answers) != 2 or answers[0]:
        code = errno.errorcode.get(answers[0], "?") if answers else ended.stderr[-200:]
        return f"setns: {code}"
    return errno.errorcode.get(answers[1], "?") if answers[1] else "done"
