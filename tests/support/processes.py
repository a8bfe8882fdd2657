"""Processes in the states that tests need."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any


def stop_and_wait(process: subprocess.Popen[Any]) -> None:
    """Freeze a child and return when it is frozen."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
