"""Control groups v1: a tree for each controller, writable by root.

A thread may move itself. That takes less than a millisecond; moving another process takes 8 to 20,
because the kernel then waits until no processor is starting or ending a process.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fyke.sandbox.isolation.cgroup_files import (
    PERIOD_US,
    ControlGroup,
    ControlGroups,
    field_value,
    kill_each,
    parse_number,
    pids,
    quota,
    read_file,
    remove,
    subfolders,
    write_file,
)

OWN_PROCESSES = 2  # bubblewrap outside and process 1 inside count towards the limit
SHARES = 1024  # the default of the kernel, here the share of one core
MIN_SHARES = 2


def detect_v1(cgroup: dict[str, Path], parent: str, reasons: list[str]) -> ControlGroups | None:
    bases = {name: path / parent for name, path in cgroup.items()}
    try:
        for base in bases.values():
            base.mkdir(exist_ok=True)
            remove(base)  # the first sandbox creates it again; detection leaves nothing behind
    except OSError as error:
        reasons.append(f"control groups v1: {error.filename} cannot be created ({error.strerror})")
        return None
    return GroupsV1(bases)


class GroupsV1:
    kind = "v1"
    reason = ""

    def __init__(self, bases: dict[str, Path]) -> None:
        self._bases = bases

    def create(
        self, name: str, memory: int, processes: int, *, kills_all: bool = True
    ) -> ControlGroup:
        paths = {controller: base / name for controller, base in self._bases.items()}
        for path in dict.fromkeys(paths.values()):  # controllers may share one folder
            path.mkdir(parents=True)
        applied = {
            "cpu": write_file(paths["cpu"] / "cpu.cfs_period_us", str(PERIOD_US)),
            "memory": write_file(paths["memory"] / "memory.limit_in_bytes", str(memory)),
            "pids": write_file(paths["pids"] / "pids.max", str(processes + OWN_PROCESSES)),
        }
        write_file(paths["memory"] / "memory.memsw.limit_in_bytes", str(memory))
        enforced = frozenset(name for name, ok in applied.items() if ok)
        return GroupV1(paths, enforced, kills_all or "memory" not in enforced)

    def find(self, name: str) -> ControlGroup:
        return GroupV1({c: base / name for c, base in self._bases.items()}, frozenset())

    def names(self) -> list[str]:
        return sorted(set().union(*map(subfolders, self._bases.values())))

    def close(self) -> None:
        for base in self._bases.values():
            remove(base)


@dataclass(slots=True)
class GroupV1:
    """When memory runs out, v1 kills only the largest process; the spawner kills the others."""

    paths: dict[str, Path]
    enforced: frozenset[str]
    watched: bool = True

    def enter(self) -> bool:
        if not all(os.access(path / "tasks", os.W_OK) for path in (*self._paths, *self._homes)):
            return False
        try:
            _move_thread(self._paths)
        except OSError:
            self.leave()
            return False
        return True

    def leave(self) -> None:
        _move_thread(self._homes)

    @property
    def _paths(self) -> list[Path]:
        """Controllers may share one folder."""
        return list(dict.fromkeys(self.paths.values()))

    @property
    def _homes(self) -> list[Path]:
        """The groups of this process: the parents of the group of all sandboxes."""
        return [path.parent.parent for path in self._paths]

    def add(self, pid: int) -> None:
        for path in self._paths:
            (path / "cgroup.procs").write_text(str(pid))

    def limit_cpu(self, cpus: float | None) -> None:
        limit = -1 if cpus is None else quota(cpus)
        write_file(self.paths["cpu"] / "cpu.cfs_quota_us", str(limit))
        share = 1 if cpus is None else cpus
        write_file(self.paths["cpu"] / "cpu.shares", str(max(MIN_SHARES, int(SHARES * share))))

    def limit_memory(self, memory: int) -> bool:
        folder, text = self.paths["memory"], str(memory)
        write_file(folder / "memory.limit_in_bytes", text)  # fails above the limit with swap
        write_file(folder / "memory.memsw.limit_in_bytes", text)
        return write_file(folder / "memory.limit_in_bytes", text)

    def oom_kills(self) -> int:
        return field_value(read_file(self.paths["memory"] / "memory.oom_control"), "oom_kill")

    def cpu_ms(self) -> int:
        path = self.paths.get("cpuacct")
        return 0 if path is None else parse_number(read_file(path / "cpuacct.usage")) // 1_000_000

    def limited_ms(self) -> int:
        path = self.paths.get("cpu")
        text = "" if path is None else read_file(path / "cpu.stat")
        return field_value(text, "nr_throttled") * PERIOD_US // 1000

    def memory_peak(self) -> int:
        return parse_number(read_file(self.paths["memory"] / "memory.max_usage_in_bytes"))

    def memory_now(self) -> int:
        return parse_number(read_file(self.paths["memory"] / "memory.usage_in_bytes"))

    def processes(self) -> list[int]:
        return pids(self.paths["pids"])

    def kill(self) -> None:
        kill_each(self.processes())

    def remove(self) -> bool:
        busy = [path for path in self._paths if not remove(path)]
        return not busy


def _move_thread(groups: list[Path]) -> None:
    for path in groups:
        (path / "tasks").write_text("0")
