"""Locks on files that processes share (``flock``). A lock ends with the process that took it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[bool]:
    """Lock the file, which is created if it is missing, during the context. Yield whether it is
    locked: False only without ``wait``, if another process has the lock.
    """
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        yield _lock(descriptor, kind | (0 if wait else fcntl.LOCK_NB))
    finally:
        os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """Lock the file, which is created when it is missing, until the returned descriptor is closed.
    Return None while another one has the lock.
    """
    descriptor = os.open(path, _FLAGS, 0o600)
    if _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
        return descriptor
    os.close(descriptor)
    return None


def lock_folder(folder: Path) -> int:
    """Lock the folder itself, together with others, until the returned descriptor is closed. Raise
    ``OSError`` if it cannot be opened.
    """
    descriptor = os.open(folder, _FOLDER_FLAGS)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def is_folder_locked(folder: Path) -> bool:
    """Whether ``lock_folder`` has locked the folder. Raise ``FileNotFoundError``."""
    descriptor = os.open(folder, _FOLDER_FLAGS)
    try:
        return not _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    return True
