"""Persistent caches of tools: one for each account and set of options.

A cache is used by one sandbox at a time. Like every folder that sandboxes write to, it is accessed
only relative to an open descriptor, and no link in it is followed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from fyke.sandbox.process.folders import OwnershipFailed, change_tree_owner, empty, measure_tree

MAX_BYTES = 4 * 2**30  # a larger cache is emptied
UNUSED_SECONDS = 30 * 86_400.0

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class LockedCache:
    """A cache in use, locked through ``descriptor``."""

    path: Path
    descriptor: int

    def measure(self, limit: int) -> int:
        """Bytes on disk; the walk ends once ``limit`` is passed."""
        return measure_tree(self.descriptor, limit)


class ToolCaches:
    """The caches below ``root``, one folder each."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.root = root
        self._fd = os.open(root, _FOLDER)
        if os.geteuid() == 0:
            os.fchown(self._fd, 0, 0)
        os.fchmod(self._fd, 0o711)

    def take(self, name: str, uid: int | None) -> LockedCache | None:
        """Lock the cache for one user; None while another sandbox uses it."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=self._fd)
        folder = self._lock(name)
        if folder is None:
            return None
        try:
            self._prepare(folder, uid)
        except BaseException:
            os.close(folder)
            raise
        return LockedCache(self.root / name, folder)

    def _lock(self, name: str) -> int | None:
        """The descriptor of the locked folder; None while another sandbox has the lock, or when the
        folder was removed in the meantime.
        """
        try:
            folder = self._open(name)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(folder).st_nlink > 0:
                return folder
        except BlockingIOError:
            pass
        except BaseException:
            os.close(folder)
            raise
        os.close(folder)
        return None

    def _open(self, name: str) -> int:
        try:
            return os.open(name, _FOLDER, dir_fd=self._fd)
        except PermissionError:  # its last user may have made it unreadable
            os.chmod(name, 0o700, dir_fd=self._fd)
            return os.open(name, _FOLDER, dir_fd=self._fd)

    def _prepare(self, folder: int, uid: int | None) -> None:
        os.fchmod(folder, 0o700)  # root has opened an unreadable folder without an error
        if measure_tree(folder, MAX_BYTES) > MAX_BYTES:
            empty(folder)
        if uid is not None and os.fstat(folder).st_uid != uid:
            try:
                change_tree_owner(folder, uid, uid)
            except OwnershipFailed:
                empty(folder)
                change_tree_owner(folder, uid, uid)
        os.utime(folder)

    @staticmethod
    def release(cache: LockedCache) -> None:
        """Unlock the cache; only after its processes have ended."""
        os.close(cache.descriptor)

    def clear(self) -> list[str]:
        """Remove the caches that were not used for ``UNUSED_SECONDS``; return their names."""
        oldest = time.time() - UNUSED_SECONDS
        removed: list[str] = []
        for name in sorted(os.listdir(self._fd)):  # noqa: PTH208 - below a descriptor
            with contextlib.suppress(FileNotFoundError):  # removed by ``fyke prune``
                used = os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mtime
                if used <= oldest and self.remove(name):
                    removed.append(name)
        return removed

    def remove(self, name: str) -> bool:
        """Remove a cache; False while it is in use, and when it does not exist."""
        folder = self._lock(name)
        if folder is None:
            return False
        try:
            empty(folder)
            os.rmdir(name, dir_fd=self._fd)
        finally:
            os.close(folder)
        return True

    def close(self) -> None:
        os.close(self._fd)
