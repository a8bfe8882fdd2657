"""Creates, measures and removes work folders without following a link that a Worker created.

Every operation is relative to an open descriptor and refuses links, so that neither a name that a
Worker chose nor a folder that it replaced meanwhile leads outside. Trees may be deeper than the
longest path, and contain folders that their owner made unreadable.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import shutil
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fyke.contracts.execution import DiskShort
from fyke.sandbox.process.result_files import find_result_files

MIN_FREE_BYTES = 64 * 2**20  # on the disk of the work folders, to unpack a Worker
BLOCK = 512  # bytes, the unit of st_blocks on every file system
ENTRY_BYTES = 4096  # the least that a file counts for: empty ones use disk space too
MAX_DEPTH = 64
MAX_ENTRIES = 1_000_000  # of a tree that changes its owner
MIN_PARALLEL = 32  # with fewer names threads cost more time than they save
REMOVERS = 16  # how many names are removed at once
BATCH = 512

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def check_disk(folder: Path, needed: int = 0) -> None:
    """Raise ``DiskShort`` when less is free than a sandbox needs, or than ``needed`` bytes."""
    needed = max(needed, MIN_FREE_BYTES)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskShort(free, needed)


class WorkFolders:
    """The folders of running sandboxes, one each, below ``root``."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.root = root
        self._fd = os.open(root, _FOLDER)
        if os.geteuid() == 0:  # another user who owns it could replace it
            os.fchown(self._fd, 0, 0)
        os.fchmod(self._fd, 0o711)

    def create(self, name: str, uid: int | None) -> Path:
        """Create the folder, for that user alone. Raise ``FileExistsError``."""
        os.mkdir(name, 0o700, dir_fd=self._fd)
        if uid is not None:
            folder = os.open(name, _FOLDER, dir_fd=self._fd)
            try:
                os.fchown(folder, uid, uid)
            finally:
                os.close(folder)
        return self.root / name

    def names(self) -> list[str]:
        """The names of all folders, in use or left by a crash."""
        with os.scandir(self._fd) as entries:
            return sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))

    def places(self, names: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Device and inode of each of these folders that exists. They stay when the data folder is
        renamed, and a copy has others.
        """
        found = dict[str, tuple[int, int]]()
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                info = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
                found[name] = info.st_dev, info.st_ino
        return found

    def measure(self, name: str, limit: int) -> int:
        """Bytes on disk; the walk ends once ``limit`` is passed.

        A folder that is too deep or unreadable counts as larger than ``limit``, because a Worker
        that hides its files there would otherwise be without a limit.
        """
        try:
            top = os.open(name, _FOLDER, dir_fd=self._fd)
        except FileNotFoundError:
            return 0
        except PermissionError:
            return limit + 1
        try:
            return measure_tree(top, limit)
        finally:
            os.close(top)

    def result_files(self, name: str, bundle: Path | None) -> list[str]:
        """Rows in files of an ended Worker, see ``find_result_files``."""
        try:
            top = os.open(name, _FOLDER, dir_fd=self._fd)
        except OSError:
            return []
        try:
            return find_result_files(top, bundle)
        finally:
            os.close(top)

    def change_owner(self, name: str, owner: int, group: int) -> None:
        """Change the owner of an ended sandbox's folder. Raise ``OwnershipFailed``."""
        top = os.open(name, _FOLDER, dir_fd=self._fd)
        try:
            change_tree_owner(top, owner, group)
        finally:
            os.close(top)

    def create_subfolder(self, name: str, subfolder: str, uid: int | None) -> Path:
        """Create a subfolder for the same user, before anything runs in the folder."""
        top = os.open(name, _FOLDER, dir_fd=self._fd)
        try:
            os.mkdir(subfolder, 0o700, dir_fd=top)
            if uid is not None:
                os.chown(subfolder, uid, uid, dir_fd=top, follow_symlinks=False)
        finally:
            os.close(top)
        return self.root / name / subfolder

    @property
    def device(self) -> int:
        """The number of the file system of the folders."""
        return os.fstat(self._fd).st_dev

    def remove(self, name: str) -> None:
        """Remove the folder with its content; only after its processes have ended."""
        try:
            os.chmod(name, 0o700, dir_fd=self._fd)  # its owner may have made it unreadable
            top = os.open(name, _FOLDER, dir_fd=self._fd)
        except FileNotFoundError:
            return
        try:
            empty(top)
        finally:
            os.close(top)
        os.rmdir(name, dir_fd=self._fd)

    def close(self) -> None:
        os.close(self._fd)


class OwnershipFailed(Exception):
    """The tree is too large or too deep to change its owner, or has files of other users."""


def change_tree_owner(top: int, owner: int, group: int) -> None:
    """Change the owner of a tree whose processes have all ended. Raise ``OwnershipFailed``.

    Only for root. Links are changed, not followed; set-id bits are cleared with the owner. Every
    file must belong to the owner of the folder: a hard link to another user's file must not change
    the owner of that file.
    """
    users = (os.fstat(top).st_uid, owner)
    os.fchown(top, owner, group)
    os.fchmod(top, 0o700)
    count = 0
    stack = [os.dup(top)]
    pending: list[list[str]] = [os.listdir(top)]
    try:
        while stack:
            if not pending[-1]:
                os.close(stack.pop())
                pending.pop()
                continue
            folder, name = stack[-1], pending[-1].pop()
            count += 1
            if count > MAX_ENTRIES:
                raise OwnershipFailed(f"more than {MAX_ENTRIES:,} files and folders")
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if info.st_uid not in users:
                raise OwnershipFailed(f"it contains a file of user {info.st_uid}")
            os.chown(name, owner, group, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                if len(stack) >= MAX_DEPTH:
                    raise OwnershipFailed(f"more than {MAX_DEPTH} nested folders")
                child = os.open(name, _FOLDER, dir_fd=folder)
                stack.append(child)
                pending.append(os.listdir(child))  # noqa: PTH208
    finally:
        for folder in stack:
            os.close(folder)


def measure_tree(top: int, limit: int) -> int:
    """Bytes on disk below ``top``, see ``WorkFolders.measure``."""
    total = 0
    stack = [(os.dup(top), iter(os.listdir(top)))]
    try:
        while stack:
            folder, names = stack[-1]
            name = next(names, None)
            if name is None:
                os.close(stack.pop()[0])
                continue
            with contextlib.suppress(FileNotFoundError):  # gone in the meantime
                info = os.stat(name, dir_fd=folder, follow_symlinks=False)
                total += max(info.st_blocks * BLOCK, ENTRY_BYTES)
                if total > limit:
                    return total
                if stat.S_ISDIR(info.st_mode):
                    if len(stack) >= MAX_DEPTH:
                        return limit + 1
                    child = _open_below(folder, name)
                    if child is None:
                        return limit + 1
                    stack.append((child, iter(os.listdir(child))))  # noqa: PTH208
        return total
    except PermissionError:  # it may be listed, but not read
        return limit + 1
    finally:
        for folder, _ in stack:
            os.close(folder)


def _open_below(folder: int, name: str) -> int | None:
    """Open a subfolder; None when it is unreadable. Raise ``FileNotFoundError`` when it is no
    longer a folder.
    """
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except PermissionError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise FileNotFoundError(name) from error
        raise


def empty(top: int) -> None:
    """Remove everything below ``top``, at any depth, with at most two folders open.

    A subfolder that contains folders is emptied by moving those up to ``top``, so no step goes more
    than one level down. Names are removed in parallel: on a disk with online discard one removal
    takes milliseconds, and a Worker may have created hundreds of thousands of files.
    """
    fresh_names = _fresh_names()
    with ThreadPoolExecutor(REMOVERS) as pool:
        while names := os.listdir(top):
            pending = deque(names)
            emptied: list[str] = []
            while pending:
                name = pending.popleft()
                if _is_folder(top, name):
                    pending += _clear_folder(pool, top, name, fresh_names)
                emptied.append(name)
                if len(emptied) >= BATCH or not pending:
                    _remove_all(pool, top, emptied)
                    emptied = []


def _clear_folder(
    pool: ThreadPoolExecutor, top: int, name: str, fresh_names: Iterator[str]
) -> list[str]:
    """Empty the folder ``name``; return the names that its subfolders now have in ``top``."""
    os.chmod(name, 0o700, dir_fd=top)
    folder = os.open(name, _FOLDER, dir_fd=top)
    try:
        files: list[str] = []
        raised: list[str] = []
        for entry in os.listdir(folder):  # noqa: PTH208
            if _is_folder(folder, entry):
                raised.append(_raise_subfolder(folder, top, entry, fresh_names))
            else:
                files.append(entry)
        _remove_all(pool, folder, files)
        return raised
    finally:
        os.close(folder)


def _raise_subfolder(folder: int, top: int, name: str, fresh_names: Iterator[str]) -> str:
    os.chmod(name, 0o700, dir_fd=folder)  # moving a folder writes to it
    moved = next(fresh_names)
    os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=top)
    return moved


def _fresh_names() -> Iterator[str]:
    """Names that no Worker can have used: a folder moved onto an empty one would replace it."""
    token = secrets.token_hex(16)
    return (f".moved-{token}-{number}" for number in itertools.count(1))


def _remove_all(pool: ThreadPoolExecutor, folder: int, names: list[str]) -> None:
    """Remove files and empty folders."""

    def remove(name: str) -> None:
        if _is_folder(folder, name):
            os.rmdir(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)

    for at in range(0, len(names), BATCH):
        batch = names[at : at + BATCH]
        if len(batch) < MIN_PARALLEL:
            for name in batch:
                remove(name)
        else:
            list(pool.map(remove, batch))


def _is_folder(folder: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
