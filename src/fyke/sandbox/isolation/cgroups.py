"""Hard limits through control groups, of the best kind that this machine offers.

In order of preference: a writable part of the v2 tree (delegated by the service manager); the v1
trees when they are writable (root); otherwise none, and only the limits that a process sets on
itself apply.

All sandboxes of one installation are in one group named after its work folder, so that clean-up
never touches the sandboxes of another installation on the same machine.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from fyke.sandbox.isolation.cgroup_files import (
    CONTROLLERS,
    ControlGroup,
    ControlGroups,
    pids,
    subfolders,
)
from fyke.sandbox.isolation.cgroup_v1 import detect_v1
from fyke.sandbox.isolation.cgroup_v2 import OWN_LEAF, detect_v2

ALL_LIMITS = frozenset(CONTROLLERS)
ABANDONED_SECONDS = 3600.0
_OURS = re.compile("fyke-[0-9a-f]{12}")


def detect(scope: Path, proc: Path = Path("/proc/self")) -> ControlGroups:
    """Return the best kind that works here. ``scope`` is the work folder of this installation."""
    parent = "fyke-" + hashlib.sha256(os.fsencode(scope.absolute())).hexdigest()[:12]
    mounts = _mounts((proc / "mountinfo").read_text())
    cgroup_paths = _cgroup_paths((proc / "cgroup").read_text())
    reasons: list[str] = []
    if "" in mounts and "" in cgroup_paths:
        groups = detect_v2(_join(mounts[""], cgroup_paths[""]), parent, reasons)
        if groups is not None:
            return groups
    if all(name in mounts and name in cgroup_paths for name in CONTROLLERS):
        found_v1 = detect_v1(
            {
                c: _join(mounts[c], cgroup_paths[c])
                for c in (*CONTROLLERS, "cpuacct")
                if c in mounts
            },
            parent,
            reasons,
        )
        if found_v1 is not None:
            return found_v1
    return NoGroups("; ".join(reasons) or "no control group file system is mounted")


def abandoned_groups(proc: Path = Path("/proc/self")) -> list[Path]:
    """Empty groups of installations on this machine whose launcher was killed. A group in use has
    members; one that was emptied recently is left out, because its installation may be running. For
    a plain user only its own groups are listed, because others may be unreadable.
    """
    mounts = _mounts((proc / "mountinfo").read_text())
    places = {
        _join(mounts[controller], path)
        for controller, path in _cgroup_paths((proc / "cgroup").read_text()).items()
        if controller in mounts and (not controller or controller in (*CONTROLLERS, "cpuacct"))
    }
    places = {place.parent if place.name == OWN_LEAF else place for place in places}
    before = time.time() - ABANDONED_SECONDS
    return sorted(
        place / name
        for place in places
        for name in subfolders(place)
        if _OURS.fullmatch(name) and _is_unused(place / name, before)
    )


def _is_unused(group: Path, before: float) -> bool:
    try:
        state = group.stat()
    except FileNotFoundError:
        return False
    is_ours = os.geteuid() in (0, state.st_uid)
    return is_ours and state.st_mtime < before and not subfolders(group) and not pids(group)


def _mounts(mountinfo: str) -> dict[str, tuple[Path, str]]:
    """Return each controller's mount point and the part of the tree shown there; ``""`` is v2."""
    mounts: dict[str, tuple[Path, str]] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        root, point = left.split()[3:5]
        kind, _, options = right.split(" ", 2)
        if kind == "cgroup2":
            mounts[""] = (Path(point), root)
        elif kind == "cgroup":
            for controller in options.split()[-1].split(","):
                mounts[controller] = (Path(point), root)
    return mounts


def _cgroup_paths(cgroup: str) -> dict[str, str]:
    """Return the path of this process's group in each controller's tree; ``""`` is v2."""
    paths: dict[str, str] = {}
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _join(mount: tuple[Path, str], path: str) -> Path:
    point, root = mount
    inside = path[len(root) :] if root != "/" and path.startswith(root) else path
    return point / inside.strip("/")


class NoGroups:
    kind = "none"

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def create(
        self, name: str, memory: int, processes: int, *, kills_all: bool = True
    ) -> ControlGroup:
        return NoGroup()

    def find(self, name: str) -> ControlGroup:
        return NoGroup()

    def names(self) -> list[str]:
        return []

    def close(self) -> None:
        return None


@dataclass(slots=True)
class NoGroup:
    enforced: frozenset[str] = frozenset()
    watched: bool = True

    def enter(self) -> bool:
        return False

    def leave(self) -> None:
        return None

    def add(self, pid: int) -> None:
        return None

    def limit_cpu(self, cpus: float | None) -> None:
        return None

    def limit_memory(self, memory: int) -> bool:
        return False

    def oom_kills(self) -> int:
        return 0

    def cpu_ms(self) -> int:
        return 0

    def limited_ms(self) -> int:
        return 0

    def memory_peak(self) -> int:
        return 0

    def memory_now(self) -> int:
        return 0

    def processes(self) -> list[int]:
        return []

    def kill(self) -> None:
        return None

    def remove(self) -> bool:
        return True
