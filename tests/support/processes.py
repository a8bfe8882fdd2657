"""Puts processes into the states that tests need, and reads their state in the kernel."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

_STATE, _PARENT = 0, 1  # in /proc/PID/stat behind the name, see proc(5)


def stop_and_wait(process: subprocess.Popen[Any]) -> None:
    """Freeze a child and return when it is frozen."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


def parent_of(pid: int) -> int:
    """The pid of the parent; 0 when the process has ended."""
    return int(_stat(pid)[_PARENT])


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    return _stat(pid)[_STATE] not in "ZX"


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X", "0"]
