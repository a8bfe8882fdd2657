"""Looking at processes through /proc, for machines without control groups and for leftovers."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_TICK_MS = 1000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """Sums over a process and all its descendants. Reaped children count for the time."""

    cpu_ms: int
    memory: int
    pids: tuple[int, ...]


def parent(pid: int) -> int:
    """The parent's pid. Raise ``ProcessLookupError`` when the process is gone."""
    return int(_stat(pid)[1])


def tree_usage(root: int) -> TreeUsage:
    """What ``root`` and everything below it use now."""
    stats: dict[int, list[str]] = {}
    children: dict[int, list[int]] = {}
    for pid in _all():
        try:
            stats[pid] = _stat(pid)
        except ProcessLookupError:
            continue
        children.setdefault(int(stats[pid][1]), []).append(pid)
    cpu = memory = 0
    members: list[int] = []
    pending = [root] if root in stats else []
    while pending:
        pid = pending.pop()
        fields = stats[pid]
        cpu += sum(int(fields[at]) for at in (11, 12, 13, 14))
        memory += int(fields[21])
        members.append(pid)
        pending += children.get(pid, [])
    return TreeUsage(cpu * _TICK_MS, memory * _PAGE, tuple(members))


def deleted_bytes(pids: Iterable[int], device: int, limit: int) -> int:
    """Bytes of files without a name that these processes hold open on that file system.

    They take up the disk and no walk through folders finds them. Stops once ``limit`` is passed.
    """
    seen: set[int] = set()
    total = 0
    for pid in pids:
        for info in _open_files(pid):
            nameless = stat.S_ISREG(info.st_mode) and info.st_nlink == 0
            if nameless and info.st_dev == device and info.st_ino not in seen:
                seen.add(info.st_ino)
                total += info.st_blocks * 512
        if total > limit:
            break
    return total


def _open_files(pid: int) -> Iterator[os.stat_result]:
    folder = PROC / str(pid) / "fd"
    try:
        numbers = os.listdir(folder)  # noqa: PTH208 - names alone
    except OSError:
        return
    for number in numbers:
        with contextlib.suppress(OSError):
            yield (folder / number).stat()


def with_work_folders(names: frozenset[str]) -> dict[str, list[int]]:
    """Processes whose /work is a folder of one of these names: boxes, seen from outside.

    Box names are unique, so the last part of the mounted path is enough to know one by.
    """
    found: dict[str, list[int]] = {}
    for pid in _all():
        try:
            text = (PROC / str(pid) / "mountinfo").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            root, point = line.split()[3:5]
            name = root.rsplit("/", 1)[-1]
            if point == "/work" and name in names:
                found.setdefault(name, []).append(pid)
    return found


def _all() -> list[int]:
    return [int(entry) for entry in os.listdir(PROC) if entry.isdigit()]  # noqa: PTH208 - names alone


def _stat(pid: int) -> list[str]:
    """The fields behind the name, which may itself hold blanks and brackets: state is first."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError as error:
        raise ProcessLookupError(pid) from error
    return text[text.rindex(")") + 2 :].split()
