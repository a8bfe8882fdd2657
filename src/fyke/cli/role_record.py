"""Kills roles that outlived their supervisor. When a supervisor dies, the kernel sends its roles
SIGTERM, but a frozen role does not react and keeps its locks and transactions. The next supervisor
ends such roles before it starts its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from pathlib import Path

END_SECONDS = 10.0  # a runner ends its Workers first
_STATE, _START_TIME = 0, 19  # fields of /proc/PID/stat after the name, see proc(5)


class RoleRecord:
    """Records the process of each role in a file of the data folder, by pid and start time, because
    a pid alone may later belong to another process, and by the folder of the file: in a copy of it,
    the processes are those of the original.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._processes: dict[str, tuple[int, ...]] = {}

    def add(self, name: str, pid: int) -> None:
        """Record that ``pid`` is the current process of the role ``name``; skipped if the disk is
        full.
        """
        fields = _stat(pid)
        if fields is None:
            return
        temporary = self._file.with_suffix(".new")
        with contextlib.suppress(OSError):
            self._processes[name] = (pid, int(fields[_START_TIME]), *self._folder())
            temporary.write_text(json.dumps(self._processes))
            temporary.replace(self._file)

    def end_earlier(self, seconds: float = END_SECONDS) -> list[str]:
        """End the recorded processes of an earlier supervisor: kill those that are stopped, and
        those that have not ended after ``seconds``. Blocks; returns the names of those killed.
        """
        try:
            content = json.loads(self._file.read_text())
            own = self._folder()
            recorded = {
                str(name): (int(pid), int(at))
                for name, (pid, at, *folder) in content.items()
                if folder in ([], own)  # an older release recorded none
            }
        except (OSError, ValueError, TypeError, AttributeError):  # missing or not valid
            return []
        deadline = time.monotonic() + seconds
        return [name for name, (pid, at) in recorded.items() if _end(pid, at, deadline)]

    def _folder(self) -> list[int]:
        found = self._file.parent.stat()
        return [found.st_dev, found.st_ino]


def recorded_processes(file: Path) -> dict[str, int]:
    """The pids of the recorded roles that live, by name."""
    try:
        content = json.loads(file.read_text())
        recorded = {str(name): (int(pid), int(at)) for name, (pid, at, *_) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # missing or not valid
        return {}
    return {name: pid for name, (pid, at) in recorded.items() if _start_time(pid) == at}


def _start_time(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[_START_TIME]) if fields else -1


def _end(pid: int, start_time: int, deadline: float) -> bool:
    """End a process; return whether it was killed."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        fields = _stat(pid)
        if fields is None or int(fields[_START_TIME]) != start_time:
            return False
        stopped = fields[_STATE] in ("T", "t")
        left = 0.0 if stopped else max(0.0, deadline - time.monotonic())
        if select.select([descriptor], [], [], left)[0]:
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [], END_SECONDS)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
