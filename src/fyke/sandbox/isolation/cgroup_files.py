"""The interface of control groups, and access to their files for both versions."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Protocol

PERIOD_US = 100_000
MIN_QUOTA_US = 1_000
CONTROLLERS = ("cpu", "memory", "pids")


class ControlGroup(Protocol):
    """The limits of one sandbox. ``enforced`` names the controllers whose limit was accepted."""

    enforced: frozenset[str]
    watched: bool  # whether we end all processes when memory runs out, since the kernel does not

    def enter(self) -> bool:
        """Move the calling thread into the group, so that the processes that it starts are in it
        from the beginning. False where that is impossible; then each of them is added.
        """
        ...

    def leave(self) -> None:
        """Move the calling thread back after ``enter``. Raise ``OSError``."""
        ...

    def add(self, pid: int) -> None: ...
    def limit_cpu(self, cpus: float | None) -> None:
        """Set quota and weight in proportion, so that many small sandboxes at full load do not slow
        down a larger one. None lifts the limit.
        """
        ...

    def limit_memory(self, memory: int) -> bool:
        """Replace the limit that the group was created with; whether the kernel accepted it."""
        ...

    def oom_kills(self) -> int:
        """How many processes the kernel has killed because memory ran out."""
        ...

    def cpu_ms(self) -> int: ...
    def limited_ms(self) -> int:
        """How long processes had to wait because the group had used up its quota of the CPU: the
        length of the periods in which it did.
        """
        ...

    def memory_peak(self) -> int: ...
    def memory_now(self) -> int: ...
    def processes(self) -> list[int]: ...
    def kill(self) -> None: ...
    def remove(self) -> bool:
        """Remove the group; False while it still has processes."""
        ...


class ControlGroups(Protocol):
    """Creates the groups of all sandboxes. ``kind`` is ``v2``, ``v1`` or ``none``."""

    kind: str
    reason: str  # why no better kind is available, or ""

    def create(
        self, name: str, memory: int, processes: int, *, kills_all: bool = True
    ) -> ControlGroup:
        """``kills_all``: when memory runs out, all processes end; else only the one that the kernel
        chooses.
        """
        ...

    def find(self, name: str) -> ControlGroup: ...
    def names(self) -> list[str]: ...
    def close(self) -> None:
        """Remove the common group unless a sandbox runs; the next ``create`` restores it."""
        ...


def write_file(path: Path, text: str) -> bool:
    """Return whether the kernel accepted ``text``."""
    try:
        path.write_text(text)
    except OSError:
        return False
    return True


def read_file(path: Path) -> str:
    """Return the content, or "" when the file cannot be read."""
    try:
        return path.read_text()
    except OSError:
        return ""


def field_value(text: str, name: str) -> int:
    """The number on the line ``name NUMBER``; 0 when there is none."""
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def parse_number(text: str) -> int:
    """0 for ``max`` and for an empty text."""
    return int(text) if text.strip().isdigit() else 0


def quota(cpus: float) -> int:
    """Microseconds of CPU time per ``PERIOD_US``."""
    return max(MIN_QUOTA_US, int(cpus * PERIOD_US))


def pids(path: Path) -> list[int]:
    return [int(word) for word in read_file(path / "cgroup.procs").split()]


def kill_each(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def subfolders(path: Path) -> set[str]:
    try:
        return {entry.name for entry in path.iterdir() if entry.is_dir()}
    except FileNotFoundError:
        return set()


def remove(path: Path) -> bool:
    """Return whether the folder no longer exists."""
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
