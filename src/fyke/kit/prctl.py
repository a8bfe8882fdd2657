"""Attributes of this process on Linux: parent-death signal, child subreaper, name."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ARGUMENTS_START, _ARGUMENTS_END = 45, 46  # of /proc/PID/stat behind the name, see proc(5)
_NAME_BYTES = 15


def end_with_parent(parent: int) -> None:
    """Let the kernel send SIGTERM to this process when its parent dies.

    ``parent`` is the expected pid of the parent. It may be 1 in a container, so comparing with 1
    would not show that the parent is gone. Raise ``SystemExit`` when it is gone.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit("the supervisor is gone")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def rename_process(words: Sequence[str]) -> None:
    """Show ``words`` as the command line of this process, and their first and last as its name.

    The words overwrite the original arguments in memory, and are cut to the length of these.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[_ARGUMENTS_START]), int(fields[_ARGUMENTS_END])
    if start and end > start:
        text = "\0".join(words).encode()[: end - start - 1]
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, text, len(text))
    name = f"{words[0]}-{words[-1]}".encode()[:_NAME_BYTES]
    Path("/proc/self/comm").write_bytes(name)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
