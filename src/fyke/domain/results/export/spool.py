"""Files that are being downloaded: written once, at full speed, and read by any number of clients.

A file is stored under a mark that covers everything its bytes depend on, so the same mark always
gives the same bytes, even after a restart and from another server, which writes the file again. A
slow reader delays no other and keeps no transaction open. The folder belongs to this process and is
locked, so that folders of dead processes are recognised.

Disk is bounded: by ``limit_bytes`` across all files, by ``floor_bytes`` that stay free on the disk,
and by ``keep_seconds`` after the last use. Where there is no room a file is refused (``NoRoom``).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
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
from fyke.kit.ids import new_ulid

PIECE_BYTES = 128 * 1024
MAKERS_PER_ACCOUNT = 2
MAX_FILES = 1000
_LOOK_BYTES = 8 * 2**20  # how much is written between two looks at the disk
_LOCK = "lock"

Make = Callable[[], Awaitable[AsyncGenerator[bytes, None]]]


class NoRoom(Unavailable):
    """The file does not fit; it can still be sent without being kept."""

    key = "no_room"
    default = "No room to keep the file"


class SpoolFile:
    """One file, whole or still growing."""

    def __init__(self, mark: str, path: Path) -> None:
        self.mark = mark
        self.path = path
        self.size = 0
        self.whole = False
        self.readers = 0
        self.used = 0.0
        self.failure: BaseException | None = None
        self._changed = asyncio.Event()

    @property
    def settled(self) -> bool:
        """Nothing will be added to it."""
        return self.whole or self.failure is not None

    def notify(self) -> None:
        """Wake the readers that wait for it to grow."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, size: int | None = None) -> None:
        """Return when it is whole, or has ``size`` bytes. Raises what made it fail."""
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
        self._own: Path | None = None
        self._lock = -1
        self._files: OrderedDict[str, SpoolFile] = OrderedDict()
        self._written = 0  # since the last look at the disk
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def open(self, mark: str, account_id: str, make: Make) -> SpoolFile:
        """Return the file with this mark; if there is none, ``make`` starts writing it.

        ``mark`` is fit for a file name. At most two files of an account are made at a time.
        """
        file = self._files.get(mark)
        if file is None or file.failure is not None:
            if self._own is None:
                self._own = await asyncio.to_thread(self._take_folder)
            file = SpoolFile(mark, self._own / f"{mark}-{new_ulid()}")
            self._files[mark] = file
            task = asyncio.create_task(self._fill(file, account_id, make))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._files.move_to_end(mark)
        return file

    async def read(
        self, file: SpoolFile, begin: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Bytes ``begin`` to ``end`` (not included; None: to the end), waiting where the file still
        grows. Raises what made it fail; what was read until then is right."""
        file.readers += 1
        try:
            await file.until(begin + 1)
            with await _opened(file) as source:
                at = begin
                while end is None or at < end:
                    await file.until(at + 1)
                    want = min(PIECE_BYTES, (file.size if end is None else end) - at)
                    piece = await asyncio.to_thread(os.pread, source.fileno(), want, at)
                    if not piece:
                        return
                    at += len(piece)
                    yield piece
        finally:
            file.readers -= 1
            self._forget_later(file)

    async def close(self) -> None:
        """Stop what is being made and remove all files."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._files.clear()
        if self._own is not None:
            await asyncio.to_thread(shutil.rmtree, self._own, ignore_errors=True)
            os.close(self._lock)
            self._own = None

    async def _fill(self, file: SpoolFile, account_id: str, make: Make) -> None:
        turn = self._turns.setdefault(account_id, asyncio.Semaphore(MAKERS_PER_ACCOUNT))
        try:
            async with turn:
                await self._write(file, await make())
            file.whole = True
        except OSError as error:
            file.failure = NoRoom(f"The file could not be kept: {error.strerror}")
        except BaseException as error:
            file.failure = error
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            if file.failure is not None:
                self._drop(file)
            file.notify()
            self._forget_later(file)

    async def _write(self, file: SpoolFile, body: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(body):
            with await asyncio.to_thread(file.path.open, "wb", buffering=0) as target:
                async for piece in body:
                    await self._make_room(len(piece))
                    await asyncio.to_thread(_write_all, target.fileno(), piece)
                    file.size += len(piece)
                    file.notify()

    async def _make_room(self, more: int) -> None:
        self._written += more
        used = sum(file.size for file in self._files.values())
        for file in list(self._files.values()):
            if used + more <= self._limit and len(self._files) <= MAX_FILES:
                break
            if file.whole and not file.readers:
                used -= file.size
                self._drop(file)
        if used + more > self._limit:
            raise NoRoom
        if self._written >= _LOOK_BYTES:
            self._written = 0
            assert self._own is not None  # noqa: S101 - a file is being written in it
            if (await asyncio.to_thread(shutil.disk_usage, self._own)).free < self._floor:
                raise NoRoom

    def _drop(self, file: SpoolFile) -> None:
        if self._files.get(file.mark) is file:
            del self._files[file.mark]
        with contextlib.suppress(OSError):
            file.path.unlink(missing_ok=True)

    def _forget_later(self, file: SpoolFile) -> None:
        """Remove the file when it has not been used for long enough."""
        file.used = time.monotonic()
        asyncio.get_running_loop().call_later(self._keep, self._forget, file)

    def _forget(self, file: SpoolFile) -> None:
        rested = time.monotonic() - file.used >= self._keep
        if rested and file.settled and not file.readers:
            self._drop(file)

    def _take_folder(self) -> Path:
        """Create and lock a folder; remove the folders that no process has locked any more."""
        self._parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = -1
        while self._lock < 0:  # another process may remove it before it is locked
            own = self._parent / new_ulid()
            own.mkdir(mode=0o700)
            self._lock = _locked(own)
        for other in self._parent.iterdir():
            if other != own and (lock := _locked(other)) >= 0:
                shutil.rmtree(other, ignore_errors=True)
                os.close(lock)
        return own


def _locked(folder: Path) -> int:
    """The descriptor that holds the folder's lock, -1 when another process holds it."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return -1
    return descriptor


async def _opened(file: SpoolFile) -> BinaryIO:
    """Open it for reading. Raises what made it fail when it was removed for that just before."""
    try:
        return await asyncio.to_thread(file.path.open, "rb")
    except FileNotFoundError:
        await file.until()
        raise


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
