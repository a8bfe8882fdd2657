"""The interface of control groups, and file access that both kinds share."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Protocol

PERIOD_US = 100_000
MIN_QUOTA_US = 1_000
WANTED = ("cpu", "memory", "pids")


class ControlGroup(Protocol):
    """The limits of one sandbox. ``enforced`` names those that took effect."""

    enforced: frozenset[str]
    ends_as_one: bool  # whether the kernel ends all processes when memory runs out

    def add(self, pid: int) -> None: ...
    def limit_cpu(self, cpus: float | None) -> None:
        """Set quota and weight in proportion, so that many small sandboxes at full load do not slow
        down one that has asked for more. None lifts the limit.
        """
        ...

    def out_of_memory(self) -> bool: ...
    def cpu_ms(self) -> int: ...
    def memory_peak(self) -> int: ...
    def memory_now(self) -> int: ...
    def processes(self) -> list[int]: ...
    def kill(self) -> None: ...
    def remove(self) -> bool:
        """Remove the group; False while it still has processes."""
        ...


class ControlGroups(Protocol):
    """Makes the groups of all sandboxes. ``kind`` is ``v2``, ``v1`` or ``none``."""

    kind: str
    reason: str  # why there is no better kind

    def create(self, name: str, memory: int, processes: int) -> ControlGroup: ...
    def find(self, name: str) -> ControlGroup: ...
    def names(self) -> list[str]: ...
    def close(self) -> None:
        """Remove the common group unless a sandbox runs; the next ``create`` makes it again."""
        ...


def put(path: Path, text: str) -> bool:
    try:
        path.write_text(text)
    except OSError:
        return False
    return True


def get(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def field(text: str, name: str) -> int:
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def number(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0


def quota(cpus: float) -> int:
    return max(MIN_QUOTA_US, int(cpus * PERIOD_US))


def pids(path: Path) -> list[int]:
    return [int(word) for word in get(path / "cgroup.procs").split()]


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
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
