"""The isolation checks that only the host can make, in the process that spawned the sandbox.

Two layers cannot be observed from inside, because other layers hide them: process 1 reveals nothing
about the host (its files in /proc are covered), and no user namespace can be created in the sandbox
(the filter already forbids it).
"""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fyke.sandbox.isolation import bubblewrap, inspector
from fyke.sandbox.process import processes

SECONDS = 10
# prints the size of the environment of a process, 0 if it cannot be read; enters the user namespace
# of another, tries to create one more in it, prints both error numbers
VIEWER = """
import ctypes, os, sys
try:
    with open(sys.argv[1], "rb") as file:
        print(len(file.read()))
except PermissionError:
    print(0)
libc = ctypes.CDLL(None, use_errno=True)
namespace = os.open(sys.argv[2], os.O_RDONLY)
NEW_USER = 0x10000000
print(ctypes.get_errno() if libc.setns(namespace, NEW_USER) else 0)
print(ctypes.get_errno() if libc.unshare(NEW_USER) else 0)
"""


@dataclass(frozen=True, slots=True)
class HostView:
    """``environment`` and ``command_line`` are those of process 1; ``nesting`` is the result of
    creating a user namespace in the sandbox (see ``_view``); ``in_cgroup`` is whether its
    processes are in their control group. ``inodes`` are those of ``bubblewrap.shared_paths``;
    ``own_files`` is the reason why a sandbox shares some of these inodes, if it does. ``isolated``
    is the number of processes that a browser has isolated further, see ``_isolated``.
    """

    environment: int  # bytes
    command_line: tuple[str, ...]
    nesting: str
    in_cgroup: bool
    inodes: dict[str, list[int]] = field(default_factory=dict)
    own_files: str = ""
    isolated: int = 0

    def to_message(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_message(cls, message: dict[str, Any]) -> HostView:
        return cls(**(message | {"command_line": tuple(message["command_line"])}))


def inspect_host(
    first: int,
    main: int,
    group: list[int],
    own_files: str = "",
    members: Sequence[int] = (),
    *,
    user: int | None = None,
) -> HostView:
    """``first`` and ``main`` are the host's pids of process 1 of the sandbox and of the process
    that became the Worker, or that starts the browser; ``group`` are the members of its control
    group; ``own_files`` is passed on; ``members`` are all processes of the sandbox. ``user`` is its
    user when that is another one than ours.
    """
    command_line = Path(f"/proc/{first}/cmdline").read_text().rstrip("\0").split("\0")
    environment, nesting = _view(first, main, user)
    return HostView(
        environment=environment,
        command_line=tuple(command_line),
        nesting=nesting,
        in_cgroup={first, main} <= set(group),
        inodes=inspector.inodes(bubblewrap.shared_paths()),
        own_files=own_files,
        isolated=_isolated(main, members),
    )


def _isolated(main: int, members: Sequence[int]) -> int:
    """How many processes are in a process namespace below that of ``main`` and have more filters
    than it.
    """

    def depth_and_filters(pid: int) -> tuple[int, int]:
        fields = processes.status(pid)
        return len(fields.get("NSpid", "").split()), int(fields.get("Seccomp_filters", 0))

    depth, filters = depth_and_filters(main)
    views = map(depth_and_filters, members)
    return sum(one > depth and more > filters for one, more in views)


def _view(first: int, main: int, user: int | None) -> tuple[int, str]:
    """The size of the environment of ``first``, as a Worker could read it; and what creating a user
    namespace in that of ``main`` returned: ``done``, or the name of the error, or ``setns: NAME``
    when the sandbox cannot be entered.

    Both are tried by the sandbox's own user, to whom the namespace belongs: root would need
    capabilities for that which it does not have in a container.
    """
    paths = f"/proc/{first}/environ", f"/proc/{main}/ns/user"
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", VIEWER, *paths],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={},
        cwd="/",
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    environment, *numbers = [int(line) for line in result.stdout.split()] or [0]
    if len(numbers) != 2 or numbers[0]:
        code = errno.errorcode.get(numbers[0], "?") if numbers else result.stderr[-200:]
        return environment, f"setns: {code}"
    return environment, errno.errorcode.get(numbers[1], "?") if numbers[1] else "done"
