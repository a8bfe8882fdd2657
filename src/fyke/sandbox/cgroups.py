"""Hard limits through control groups, whichever kind this machine gives us.

The ladder: a writable part of the v2 tree (delegated by the service manager), else the v1 trees
when they are writable (root), else nothing, and then the box falls back on what a process can
limit itself. Everything is done by writing files; a library would add nothing to that.

All boxes of one installation lie under one group named after its work folder, so that clearing
up leftovers never touches the boxes of another installation on the same machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

PERIOD_US = 100_000
LEAST_QUOTA_US = 1_000
WANTED = ("cpu", "memory", "pids")
ALL_HOLD = frozenset(WANTED)
OWN_LEAF = "fyke-platform"


class Group(Protocol):
    """The limits of one box. ``holds`` names those that took effect."""

    holds: frozenset[str]
    ends_as_one: bool  # whether the kernel ends all processes when memory runs out

    def add(self, pid: int) -> None: ...
    def limit_cpu(self, cpus: float | None) -> None:
        """None lifts the limit."""
        ...

    def out_of_memory(self) -> bool: ...
    def cpu_ms(self) -> int: ...
    def memory_peak(self) -> int: ...
    def processes(self) -> list[int]: ...
    def kill(self) -> None: ...
    def remove(self) -> bool:
        """False while something still lives in it."""
        ...


class Groups(Protocol):
    """Where the groups of all boxes are made. ``kind`` is ``v2``, ``v1`` or ``none``."""

    kind: str
    reason: str  # why there is no better kind

    def create(self, name: str, memory: int, processes: int) -> Group: ...
    def find(self, name: str) -> Group: ...
    def names(self) -> list[str]: ...
    def close(self) -> None:
        """Remove the group of all boxes, unless some live; the next ``create`` makes it again."""
        ...


def detect(scope: Path, proc: Path = Path("/proc/self")) -> Groups:
    """Find the best kind that works here. ``scope`` is the work folder of this installation."""
    parent = "fyke-" + hashlib.sha256(os.fsencode(scope.absolute())).hexdigest()[:12]
    mounts = _mounts((proc / "mountinfo").read_text())
    places = _places((proc / "cgroup").read_text())
    reasons: list[str] = []
    if "" in mounts and "" in places:
        found = _detect_v2(_join(mounts[""], places[""]), parent, reasons)
        if found is not None:
            return found
    if all(name in mounts and name in places for name in WANTED):
        found_v1 = _detect_v1(
            {c: _join(mounts[c], places[c]) for c in (*WANTED, "cpuacct") if c in mounts},
            parent,
            reasons,
        )
        if found_v1 is not None:
            return found_v1
    return NoGroups("; ".join(reasons) or "no control group file system is mounted")


def _mounts(mountinfo: str) -> dict[str, tuple[Path, str]]:
    """Controller (``""`` for v2) to where it is mounted and which part of the tree that shows."""
    found: dict[str, tuple[Path, str]] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        root, point = left.split()[3:5]
        kind, _, options = right.split(" ", 2)
        if kind == "cgroup2":
            found[""] = (Path(point), root)
        elif kind == "cgroup":
            for controller in options.split()[-1].split(","):
                found[controller] = (Path(point), root)
    return found


def _places(cgroup: str) -> dict[str, str]:
    """Controller (``""`` for v2) to the path of this process in that tree."""
    found: dict[str, str] = {}
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _join(mount: tuple[Path, str], path: str) -> Path:
    point, root = mount
    inside = path[len(root) :] if root != "/" and path.startswith(root) else path
    return point / inside.strip("/")


def _put(path: Path, text: str) -> bool:
    try:
        path.write_text(text)
    except OSError:
        return False
    return True


def _get(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _field(text: str, name: str) -> int:
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _number(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0


def _quota(cpus: float) -> int:
    return max(LEAST_QUOTA_US, int(cpus * PERIOD_US))


def _pids(path: Path) -> list[int]:
    return [int(word) for word in _get(path / "cgroup.procs").split()]


def _kill_each(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _subfolders(path: Path) -> set[str]:
    try:
        return {entry.name for entry in path.iterdir() if entry.is_dir()}
    except FileNotFoundError:
        return set()


def _remove(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


# --- v2 --------------------------------------------------------------------------------------


def _detect_v2(own: Path, parent: str, reasons: list[str]) -> Groups | None:
    base = own.parent if own.name == OWN_LEAF else own
    offered = set(_get(base / "cgroup.controllers").split())
    if not set(WANTED) <= offered:
        missing = ", ".join(sorted(set(WANTED) - offered))
        reasons.append(f"control groups v2: {missing} not delegated to {base}")
        return None
    if not os.access(base / "cgroup.procs", os.W_OK) or not os.access(base, os.W_OK):
        reasons.append(f"control groups v2: {base} is not writable (systemd: Delegate=yes)")
        return None
    groups = GroupsV2(base / parent)
    with contextlib.suppress(OSError):
        _clear_inner(base)
        if _hand_down(base) and groups.prepare():
            groups.close()  # made again with the first box
            return groups
    reasons.append(f"control groups v2: the controllers of {base} cannot be handed down")
    return None


def _clear_inner(base: Path) -> None:
    """A group that hands controllers down may hold no process itself: ours move to a leaf."""
    leaf = base / OWN_LEAF
    leaf.mkdir(exist_ok=True)
    for pid in _pids(base):
        _put(leaf / "cgroup.procs", str(pid))


def _hand_down(group: Path) -> bool:
    return all(_put(group / "cgroup.subtree_control", f"+{name}") for name in WANTED)


class GroupsV2:
    kind = "v2"
    reason = ""

    def __init__(self, base: Path) -> None:
        self._base = base

    def prepare(self) -> bool:
        """Make the group of all boxes and let it hand its controllers down."""
        self._base.mkdir(exist_ok=True)
        return _hand_down(self._base)

    def create(self, name: str, memory: int, processes: int) -> Group:
        self.prepare()
        path = self._base / name
        path.mkdir()
        _put(path / "memory.swap.max", "0")
        _put(path / "memory.oom.group", "1")
        took = {
            "cpu": _put(path / "cpu.max", f"max {PERIOD_US}"),
            "memory": _put(path / "memory.max", str(memory)),
            "pids": _put(path / "pids.max", str(processes)),
        }
        return GroupV2(path, frozenset(name for name, ok in took.items() if ok))

    def find(self, name: str) -> Group:
        return GroupV2(self._base / name, frozenset())

    def names(self) -> list[str]:
        return sorted(_subfolders(self._base))

    def close(self) -> None:
        _remove(self._base)


@dataclass(slots=True)
class GroupV2:
    path: Path
    holds: frozenset[str]
    ends_as_one: bool = True

    def add(self, pid: int) -> None:
        (self.path / "cgroup.procs").write_text(str(pid))

    def limit_cpu(self, cpus: float | None) -> None:
        quota = "max" if cpus is None else str(_quota(cpus))
        _put(self.path / "cpu.max", f"{quota} {PERIOD_US}")

    def out_of_memory(self) -> bool:
        return _field(_get(self.path / "memory.events"), "oom_kill") > 0

    def cpu_ms(self) -> int:
        return _field(_get(self.path / "cpu.stat"), "usage_usec") // 1000

    def memory_peak(self) -> int:
        # the peak is kept since Linux 5.19; before, the present use is the best there is
        return _number(_get(self.path / "memory.peak") or _get(self.path / "memory.current"))

    def processes(self) -> list[int]:
        return _pids(self.path)

    def kill(self) -> None:
        if not _put(self.path / "cgroup.kill", "1"):
            _kill_each(self.processes())

    def remove(self) -> bool:
        return _remove(self.path)


# --- v1 --------------------------------------------------------------------------------------


def _detect_v1(own: dict[str, Path], parent: str, reasons: list[str]) -> Groups | None:
    bases = {name: path / parent for name, path in own.items()}
    try:
        for base in bases.values():
            base.mkdir(exist_ok=True)
            _remove(base)  # made again with the first box, so that looking leaves nothing behind
    except OSError as error:
        reasons.append(f"control groups v1: {error.filename} cannot be made ({error.strerror})")
        return None
    return GroupsV1(bases)


class GroupsV1:
    kind = "v1"
    reason = ""

    def __init__(self, bases: dict[str, Path]) -> None:
        self._bases = bases

    def create(self, name: str, memory: int, processes: int) -> Group:
        paths = {controller: base / name for controller, base in self._bases.items()}
        for path in dict.fromkeys(paths.values()):  # controllers may share one folder
            path.mkdir(parents=True)
        took = {
            "cpu": _put(paths["cpu"] / "cpu.cfs_period_us", str(PERIOD_US)),
            "memory": _put(paths["memory"] / "memory.limit_in_bytes", str(memory)),
            "pids": _put(paths["pids"] / "pids.max", str(processes)),
        }
        _put(paths["memory"] / "memory.memsw.limit_in_bytes", str(memory))
        return GroupV1(paths, frozenset(name for name, ok in took.items() if ok))

    def find(self, name: str) -> Group:
        return GroupV1({c: base / name for c, base in self._bases.items()}, frozenset())

    def names(self) -> list[str]:
        return sorted(set().union(*map(_subfolders, self._bases.values())))

    def close(self) -> None:
        for base in self._bases.values():
            _remove(base)


@dataclass(slots=True)
class GroupV1:
    """v1 ends only the largest process when memory runs out, so somebody has to watch."""

    paths: dict[str, Path]
    holds: frozenset[str]
    ends_as_one: bool = False

    def add(self, pid: int) -> None:
        for path in dict.fromkeys(self.paths.values()):
            (path / "cgroup.procs").write_text(str(pid))

    def limit_cpu(self, cpus: float | None) -> None:
        quota = -1 if cpus is None else _quota(cpus)
        _put(self.paths["cpu"] / "cpu.cfs_quota_us", str(quota))

    def out_of_memory(self) -> bool:
        return _field(_get(self.paths["memory"] / "memory.oom_control"), "oom_kill") > 0

    def cpu_ms(self) -> int:
        path = self.paths.get("cpuacct")
        return 0 if path is None else _number(_get(path / "cpuacct.usage")) // 1_000_000

    def memory_peak(self) -> int:
        return _number(_get(self.paths["memory"] / "memory.max_usage_in_bytes"))

    def processes(self) -> list[int]:
        return _pids(self.paths["pids"])

    def kill(self) -> None:
        _kill_each(self.processes())

    def remove(self) -> bool:
        left = [path for path in dict.fromkeys(self.paths.values()) if not _remove(path)]
        return not left


# --- nothing ---------------------------------------------------------------------------------


class NoGroups:
    kind = "none"

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def create(self, name: str, memory: int, processes: int) -> Group:
        return NoGroup()

    def find(self, name: str) -> Group:
        return NoGroup()

    def names(self) -> list[str]:
        return []

    def close(self) -> None:
        return None


@dataclass(slots=True)
class NoGroup:
    holds: frozenset[str] = frozenset()
    ends_as_one: bool = False

    def add(self, pid: int) -> None:
        return None

    def limit_cpu(self, cpus: float | None) -> None:
        return None

    def out_of_memory(self) -> bool:
        return False

    def cpu_ms(self) -> int:
        return 0

    def memory_peak(self) -> int:
        return 0

    def processes(self) -> list[int]:
        return []

    def kill(self) -> None:
        return None

    def remove(self) -> bool:
        return True
