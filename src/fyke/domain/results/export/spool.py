"""Files that are being downloaded: written once, at full speed, and read by any number of clients.

A file is stored under a fingerprint of everything that its bytes depend on, so a client can resume
a download even after a restart or from another server, which writes the same bytes again. A slow
reader does not delay others and keeps no transaction open. The folder belongs to this process and
is locked, so that the folders of ended processes can be recognised.

Disk use is limited: ``limit_bytes`` for all files, ``floor_bytes`` that stay free on the disk, and
``keep_seconds`` after the last use. A file without space is refused (``SpoolFull``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

from fyke.errors import Unavailable
from fyke.kit.file_lock import try_lock
from fyke.kit.ids import new_ulid

CHUNK_BYTES = 128 * 1024
WRITERS_PER_ACCOUNT = 2
MAX_FILES = 1000
_CHECK_BYTES = 8 * 2**20  # written between two checks of the free space
_LOCK = "lock"

Make = Callable[[], Awaitable[AsyncGenerator[bytes, None]]]


class SpoolFull(Unavailable):
    """The file does not fit; it can still be sent without being stored."""

    key = "no_room"
    default = "No space to store the file"


class SpoolFile:
    """One file, complete or still growing."""

    def __init__(self, fingerprint: str, path: Path) -> None:
        self.fingerprint = fingerprint
        self.path = path
        self.size = 0
        self.complete = False
        self.readers = 0
        self.last_used = 0.0  # monotonic seconds
        self.made_at = time.time()  # Unix seconds
        self.failure: BaseException | None = None
        self._changed = asyncio.Event()

    @property
    def settled(self) -> bool:
        """Whether the file is complete or has failed."""
        return self.complete or self.failure is not None

    def notify(self) -> None:
        """Wake the readers that wait for the file to grow."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, size: int | None = None) -> None:
        """Wait until the file is complete or has ``size`` bytes. Raises the writer's error."""
        while not self.settled and (size is None or self.size < size):
            await self._changed.wait()
        if self.failure is not None:
            raise self.failure


class Spool:
    """The files of this process, below ``folder``."""

    def __init__(
        self, folder: Path, *, limit_bytes: int, floor_bytes: int, keep_seconds: float
    ) -> None:
        self._parent = folder
        self._limit = limit_bytes
        self._floor = floor_bytes
        self._keep = keep_seconds
        self._folder: Path | None = None  # of this process
        self._lock: int | None = None
        self._files: OrderedDict[str, SpoolFile] = OrderedDict()
        self._written = 0  # bytes since the last check of the free space
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def open(self, fingerprint: str, account_id: str, make: Make) -> SpoolFile:
        """Return the file with this fingerprint; if there is none, start writing it with ``make``.

        ``fingerprint`` must be valid in a file name. At most ``WRITERS_PER_ACCOUNT`` files of an
        account are written at a time. Raises ``SpoolFull`` when there is no folder for it.
        """
        file = self._files.get(fingerprint)
        if file is None or file.failure is not None:
            if self._folder is None:
                try:
                    self._folder = await asyncio.to_thread(self._create_folder)
                except OSError as error:
                    raise SpoolFull(f"The file could not be stored: {error.strerror}") from error
            file = SpoolFile(fingerprint, self._folder / f"{fingerprint}-{new_ulid()}")
            self._files[fingerprint] = file
            task = asyncio.create_task(self._fill(file, account_id, make))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._files.move_to_end(fingerprint)
        return file

    async def read(
        self, file: SpoolFile, begin: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Bytes ``begin`` to ``end`` (exclusive; None = the end of the file); waits while the file
        grows. Raises the error of its writer; bytes read before that are correct.
        """
        file.readers += 1
        try:
            await file.wait(begin + 1)
            with await _open(file) as source:
                at = begin
                while end is None or at < end:
                    await file.wait(at + 1)
                    size = min(CHUNK_BYTES, (file.size if end is None else end) - at)
                    chunk = await asyncio.to_thread(os.pread, source.fileno(), size, at)
                    if not chunk:
                        return
                    at += len(chunk)
                    yield chunk
        finally:
            file.readers -= 1
            self._drop_later(file)

    async def close(self) -> None:
        """Stop all writers and remove all files."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._files.clear()
        if self._folder is not None and self._lock is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            os.close(self._lock)
            self._folder = None

    async def _fill(self, file: SpoolFile, account_id: str, make: Make) -> None:
        slots = self._slots.setdefault(account_id, asyncio.Semaphore(WRITERS_PER_ACCOUNT))
        try:
            async with slots:
                await self._write(file, await make())
            file.complete = True
        except OSError as error:
            file.failure = SpoolFull(f"The file could not be stored: {error.strerror}")
        except BaseException as error:
            file.failure = error
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            if file.failure is not None:
                self._drop(file)
            file.notify()
            self._drop_later(file)

    async def _write(self, file: SpoolFile, body: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(body):
            with await asyncio.to_thread(file.path.open, "wb", buffering=0) as target:
                async for chunk in body:
                    await self._make_space(len(chunk))
                    await asyncio.to_thread(_write_all, target.fileno(), chunk)
                    file.size += len(chunk)
                    file.notify()

    async def _make_space(self, size: int) -> None:
        """Remove the least recently used files until ``size`` bytes fit. Raises ``SpoolFull``."""
        self._written += size
        used = sum(file.size for file in self._files.values())
        for file in list(self._files.values()):
            if used + size <= self._limit and len(self._files) <= MAX_FILES:
                break
            if file.complete and not file.readers:
                used -= file.size
                self._drop(file)
        if used + size > self._limit:
            raise SpoolFull
        if self._written >= _CHECK_BYTES:
            self._written = 0
            assert self._folder is not None  # noqa: S101 - a file is being written in it
            if (await asyncio.to_thread(shutil.disk_usage, self._folder)).free < self._floor:
                raise SpoolFull

    def _drop(self, file: SpoolFile) -> None:
        if self._files.get(file.fingerprint) is file:
            del self._files[file.fingerprint]
        with contextlib.suppress(OSError):
            file.path.unlink(missing_ok=True)

    def _drop_later(self, file: SpoolFile) -> None:
        """Remove the file unless it is used again within ``keep_seconds``."""
        file.last_used = time.monotonic()
        asyncio.get_running_loop().call_later(self._keep, self._drop_if_unused, file)

    def _drop_if_unused(self, file: SpoolFile) -> None:
        unused = time.monotonic() - file.last_used >= self._keep
        if unused and file.settled and not file.readers:
            self._drop(file)

    def _create_folder(self) -> Path:
        """Create and lock a folder; remove the folders of processes that have ended."""
        self._parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = None
        while self._lock is None:  # another process may remove it before it is locked
            folder = self._parent / new_ulid()
            folder.mkdir(mode=0o700)
            self._lock = _try_lock(folder)
        remove_folders_of_ended_processes(self._parent)
        return folder


def remove_folders_of_ended_processes(parent: Path) -> None:
    """Remove the downloads of processes that were killed."""
    for folder in folders_of_ended_processes(parent):
        remove_folder_of_ended_process(folder)


def folders_of_ended_processes(parent: Path) -> list[Path]:
    """The folders that no process has locked."""
    ended = []
    for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
        with contextlib.suppress(OSError):  # not a folder of ours, or the disk is full
            lock = _try_lock(folder)
            if lock is not None:
                os.close(lock)
                ended.append(folder)
    return ended


def remove_folder_of_ended_process(folder: Path) -> bool:
    """Remove the folder, unless a process has locked it; return whether it was removed."""
    lock = _try_lock(folder)
    if lock is None:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
    return True


def _try_lock(folder: Path) -> int | None:
    """Lock the folder; return the descriptor of the lock, None when another process has it or has
    removed the folder. Raises ``OSError`` when the lock cannot be created.
    """
    try:
        lock = try_lock(folder / _LOCK)
    except FileNotFoundError:
        return None
    if lock is not None and not os.fstat(lock).st_nlink:  # removed before it was locked
        os.close(lock)
        return None
    return lock


async def _open(file: SpoolFile) -> BinaryIO:
    """Open the file for reading. Raises the error of its writer when that was just removed."""
    try:
        return await asyncio.to_thread(file.path.open, "rb")
    except FileNotFoundError:
        await file.wait()
        raise


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
