"""The last part of the platform's log, wherever it was written to.

The processes write it to the standard error that ``fyke up`` was started with: a file, the journal
of systemd, or a pipe, whose content is not on this machine any more. With a terminal it is in the
data folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fyke.cli.role_record import recorded_processes

if TYPE_CHECKING:
    from fyke.settings import Settings

MAX_BYTES = 2 * 2**20  # of each log
JOURNAL_LINES = 5000
JOURNAL_SECONDS = 30.0
UNIT, NODE_UNIT = "fyke.service", "fyke-node.service"
PROC = Path("/proc")


class Log(NamedTuple):
    """The last part of a log, and where it is from."""

    name: str
    text: str
    source: str


def last_logs(settings: Settings, *, is_node: bool) -> list[Log]:
    """The logs that are found, without those that are empty."""
    from fyke.cli.owner import as_owner

    own_file = settings.home / "fyke.log"
    processes = recorded_processes(settings.run_dir / "roles.json")
    logs: list[Log] = []
    with as_owner(settings.home, settings.service_user) if own_file.exists() else nullcontext():
        if (log := _of_file(own_file, "fyke.log", str(own_file))) is not None:
            logs.append(log)
    logs += _of_streams(processes, own_file)
    unit = _unit_of(processes) or _usual_unit(settings.home, is_node=is_node)
    if unit and (log := _of_journal(unit)) is not None:
        logs.append(log)
    return logs


def _of_streams(processes: dict[str, int], known: Path) -> Iterator[Log]:
    """The files that are the standard error of processes, each once, but not ``known``."""
    seen = set()
    with contextlib.suppress(OSError):
        seen.add(_identity(known.stat()))
    for pid in processes.values():
        stream = PROC / str(pid) / "fd" / "2"
        try:
            state = stream.stat()
            target = str(stream.readlink())
        except OSError:  # of another user
            continue
        if not stat.S_ISREG(state.st_mode) or _identity(state) in seen:
            continue
        seen.add(_identity(state))
        # by the descriptor of the process: what is at the path by now may be another file
        log = _of_file(stream, f"stderr-{len(seen)}.log", f"{target}, the standard error of Fyke")
        if log is not None:
            yield log


def _identity(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino


def _of_file(path: Path, name: str, source: str) -> Log | None:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = max(0, size - MAX_BYTES)
            file.seek(start)
            data = file.read(MAX_BYTES)
    except OSError:
        return None
    if start:  # the first line is not complete
        data = data.partition(b"\n")[2]
    text = data.decode(errors="replace")
    return Log(name, text, f"the last {MAX_BYTES >> 20} MiB of {source}") if text else None


def _unit_of(processes: dict[str, int]) -> str:
    """The unit of systemd that the processes belong to, "" for none."""
    for pid in processes.values():
        with contextlib.suppress(OSError):
            for line in (PROC / str(pid) / "cgroup").read_text().splitlines():
                for part in reversed(line.split("/")):
                    if part.endswith(".service") and not part.startswith("user@"):
                        return part
    return ""


def _usual_unit(home: Path, *, is_node: bool) -> str:
    """The unit of the usual data folder; "" for another, which may be of another installation."""
    from fyke.settings import SYSTEM_HOME

    if home != SYSTEM_HOME:
        return ""
    return NODE_UNIT if is_node else UNIT


def _of_journal(unit: str) -> Log | None:
    if shutil.which("journalctl") is None:
        return None
    command = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={JOURNAL_LINES}"]
    try:
        completed = subprocess.run(
            [*command, f"--unit={unit}"],
            capture_output=True,
            timeout=JOURNAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = completed.stdout[-MAX_BYTES:].decode(errors="replace")
    if completed.returncode != 0 or not text.strip():
        return None
    source = f"the last {JOURNAL_LINES} lines of the unit {unit} in the journal"
    return Log("journal.log", text, source)
