"""Reads processes from /proc, for machines without control groups and for clean-up."""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
WORK_POINTS = ("/work", "/run/fyke/work")  # the second in the sandbox of a browser
MAX_OPEN = 200_000  # descriptors and mappings of one sandbox that are examined
_TICK_MS = 1000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


NAMESPACED_COUNT_SINCE = (5, 14)  # Linux counts processes per user namespace


def counts_per_namespace() -> bool:
    """Whether a limit of processes applies to each sandbox separately."""
    major, minor = platform.release().split(".")[:2]
    return (int(major), int("".join(c for c in minor if c.isdigit()))) >= NAMESPACED_COUNT_SINCE


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """Sums over a process and its descendants: milliseconds, with reaped children, and bytes."""

    cpu_ms: int
    memory: int
    pids: tuple[int, ...]


def parent(pid: int) -> int:
    """The parent's pid. Raise ``ProcessLookupError`` when the process has ended."""
    return int(_stat(pid)[1])


def tree_usage(root: int) -> TreeUsage:
    """The current usage of ``root`` and its descendants."""
    stats: dict[int, list[str]] = {}
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
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


def unshared_memory(pids: Iterable[int]) -> int:
    """Bytes of the processes' own memory, without the pages of programs and libraries, which the
    many processes of a browser share.
    """
    total = 0
    for pid in pids:
        fields = status(pid)
        total += sum(int(fields.get(name, "0 kB").split()[0]) for name in ("RssAnon", "RssShmem"))
    return total * 1024


def status(pid: int) -> dict[str, str]:
    """The fields of /proc/PID/status; empty once the process has ended."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return {}
    return {name: rest.strip() for name, _, rest in (line.partition(":") for line in lines)}


@dataclass(frozen=True, slots=True)
class UnnamedMemory:
    """``size`` is the bytes of open files without a name, ``in_flight`` the number of descriptors
    queued in sockets, whose files cannot be examined.
    """

    size: int
    in_flight: int


def unnamed_memory(pids: Iterable[int], device: int, limit: int) -> UnnamedMemory:
    """Measure the files without a name on file system ``device`` that these processes have open.

    They use disk space, but a walk through folders does not find them. Examined are the mappings of
    each process and the descriptors of each thread, because threads may have separate tables. The
    walk ends once ``limit`` bytes are exceeded; more than ``MAX_OPEN`` entries count as exceeding.
    """
    seen: set[int] = set()
    size = in_flight = examined = 0
    for folder in _descriptor_folders(pids):
        for name, info in _open_files(folder):
            examined += 1
            if examined > MAX_OPEN:
                return UnnamedMemory(limit + 1, in_flight)
            if info.st_ino in seen:
                continue
            if stat.S_ISSOCK(info.st_mode):
                seen.add(info.st_ino)
                in_flight += _in_flight(folder, name)
            elif stat.S_ISREG(info.st_mode) and info.st_dev == device and not info.st_nlink:
                seen.add(info.st_ino)
                size += info.st_blocks * 512
        if size > limit:
            break
    return UnnamedMemory(size, in_flight)


def _descriptor_folders(pids: Iterable[int]) -> Iterator[str]:
    for pid in pids:
        yield f"{PROC}/{pid}/map_files"  # readable by root only
        try:
            tasks = os.listdir(f"{PROC}/{pid}/task")  # noqa: PTH208 - names alone
        except OSError:
            continue
        for task in tasks:
            yield f"{PROC}/{pid}/task/{task}/fd"


def _open_files(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the name and the state of each entry. Strings and one open folder instead of ``Path``,
    because there may be 100,000 entries.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        for name in os.listdir(descriptor):  # noqa: PTH208 - names alone
            try:
                info = os.stat(name, dir_fd=descriptor)
            except PermissionError:
                return  # mappings are readable by root only
            except OSError:
                continue  # closed in the meantime
            yield name, info
    except OSError:
        return  # the process has ended in the meantime
    finally:
        os.close(descriptor)


def _in_flight(folder: str, name: str) -> int:
    """The number of descriptors queued in a Unix socket; 0 where the kernel does not report it."""
    try:
        text = Path(f"{folder}info/{name}").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == "scm_fds":
            return int(value)
    return 0


def with_work_folders(
    names: frozenset[str], places: Mapping[str, tuple[int, int]] | None = None
) -> dict[str, list[int]]:
    """Return, for each named work folder, the pids of processes that have it mounted.

    Sandbox names are unique, except that a copy of a data folder has the same. ``places`` is device
    and inode of each work folder: then processes that have another one mounted are left out.
    """
    pids_by_name: dict[str, list[int]] = {}
    for pid in _all_pids():
        try:
            text = (PROC / str(pid) / "mountinfo").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            root, point = line.split()[3:5]
            name = root.rsplit("/", 1)[-1]
            if point not in WORK_POINTS or name not in names:
                continue
            if places is None or (name in places and _may_have(pid, point, places[name])):
                pids_by_name.setdefault(name, []).append(pid)
    return pids_by_name


def _may_have(pid: int, point: str, place: tuple[int, int]) -> bool:
    """Whether the process has this device and inode at ``point``, as far as this process may look:
    in a container it may lack the right. The mounted path would not do: it is relative to a file
    system, and that of the data folder may be mounted elsewhere.
    """
    try:
        found = Path(f"{PROC}/{pid}/root{point}").lstat()
    except PermissionError:
        return True  # a process that is left would be worse than one of a copied folder ended
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == place


def _all_pids() -> list[int]:
    return [int(entry) for entry in os.listdir(PROC) if entry.isdigit()]  # noqa: PTH208 - names alone


def _stat(pid: int) -> list[str]:
    """The fields from the state on, after the name, which may contain spaces and parentheses."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError as error:
        raise ProcessLookupError(pid) from error
    return text[text.rindex(")") + 2 :].split()
