"""Blobs as plain files under one folder.

A blob is complete or absent: it is written to a temporary file, flushed and renamed, and then its
folder is flushed, because a loss of power would undo the rename. Temporary files are in a folder of
their own, so that the files left by a crash can be recognised and removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from io import FileIO
from pathlib import Path
from stat import S_ISREG

from fyke.contracts.blobs import StoredBlob
from fyke.errors import Unavailable
from fyke.kit.file_lock import locked
from fyke.kit.files import flush_folder
from fyke.storage.blobs.names import check_name
from fyke.storage.blobs.round_trip import round_trip

PARTS = ".part"  # no name can clash with it: a segment never starts with a dot
_LOCK = ".lock"  # shared while a blob gets its name, exclusive while one is deleted
_STALE_SECONDS = 3600.0
_READ_BYTES = 2**20
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}


class FilesystemBlobs:
    """``Blobs`` in the folder ``root``, which is created (0700) when it is missing.

    Without ``durable`` nothing is flushed: a loss of power may lose the last blobs. ``floor_bytes``
    of the disk are not counted as free.
    """

    def __init__(self, root: Path, *, durable: bool = True, floor_bytes: int = 0) -> None:
        self._root = root
        self._durable = durable
        self._floor_bytes = floor_bytes
        self._parts = root / PARTS
        self._parts.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._swept = False

    async def put(self, name: str, data: bytes) -> None:
        """Raise ``Unavailable`` when the disk is full or fails; then nothing was changed."""
        await asyncio.to_thread(self._put, self._path(name), data)

    async def put_stream(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Raise ``Unavailable`` like ``put``."""
        path = self._path(name)
        part = await asyncio.to_thread(self._new_part)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(part.append, chunk)
            await asyncio.to_thread(self._publish, part, path)
        finally:
            await asyncio.to_thread(part.close)

    async def get(self, name: str) -> bytes:
        return await asyncio.to_thread(_read, self._path(name), name)

    async def get_stream(self, name: str) -> AsyncGenerator[bytes, None]:
        file, rest, chunk = await asyncio.to_thread(_open_and_read, self._path(name), name)
        with file:
            while chunk:
                yield chunk
                rest -= len(chunk)
                chunk = await asyncio.to_thread(file.read, _READ_BYTES) if rest else b""

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        with _open(self._path(name), name) as file:
            return os.pread(file.fileno(), length, offset)

    def free_bytes(self) -> int:
        return max(shutil.disk_usage(self._root).free - self._floor_bytes, 0)

    async def exists(self, name: str) -> bool:
        return await asyncio.to_thread(self._path(name).is_file)

    async def size(self, name: str) -> int:
        return await asyncio.to_thread(_size, self._path(name), name)

    async def walk(self, folder: str = "") -> AsyncGenerator[StoredBlob, None]:
        folders = [self._path(folder) if folder else self._root]
        while folders:
            inner, blobs = await asyncio.to_thread(self._scan, folders.pop())
            folders += inner
            for blob in blobs:
                yield blob

    async def delete(self, name: str) -> None:
        def work() -> None:
            path = self._path(name)
            with locked(self._root / _LOCK):
                self._delete(path)

        await asyncio.to_thread(work)

    async def url(self, name: str, seconds: float, method: str) -> None:
        check_name(name)

    async def check(self) -> None:
        await round_trip(self)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """No blob is deleted during the context; deletions wait. Not part of ``Blobs``."""
        with locked(self._root / _LOCK, shared=True):
            yield

    async def delete_old(self, name: str, before: float) -> bool:
        def work() -> bool:
            path = self._path(name)
            with locked(self._root / _LOCK):
                if not path.is_file() or path.stat().st_mtime > before:
                    return False
                self._delete(path)
                return True

        return await asyncio.to_thread(work)

    def _path(self, name: str) -> Path:
        return self._root.joinpath(*check_name(name))

    def _put(self, path: Path, data: bytes) -> None:
        part = self._new_part()
        try:
            part.append(data)
            self._publish(part, path)
        finally:
            part.close()

    def _new_part(self) -> _TemporaryFile:
        """Before the first one, those that killed processes have left are removed."""
        if not self._swept:
            self._swept = True
            _sweep(self._parts)
        return _TemporaryFile(self._parts)

    def _publish(self, part: _TemporaryFile, path: Path) -> None:
        """Flush a complete temporary file and give it its name."""
        with _writing():
            self._make_folders(path.parent)
            if self._durable:
                part.flush()
            with locked(self._root / _LOCK, shared=True):
                part.rename(path)
            self._flush_folder(path.parent)

    def _delete(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            path.unlink()
            self._flush_folder(path.parent)

    def _scan(self, folder: Path) -> tuple[list[Path], list[StoredBlob]]:
        """The folders and the blobs in a folder; of one that is missing, none."""
        folders: list[Path] = []
        blobs: list[StoredBlob] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    path = Path(entry.path)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(path)
                        continue
                    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                        stat = entry.stat(follow_symlinks=False)
                        name = path.relative_to(self._root).as_posix()
                        blobs.append(StoredBlob(name, stat.st_size, stat.st_mtime))
        except (FileNotFoundError, NotADirectoryError):
            pass
        return folders, blobs

    def _make_folders(self, folder: Path) -> None:
        """Create the folder and its parents, and flush the parent of each."""
        if folder.is_dir():
            return
        self._make_folders(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._flush_folder(folder.parent)

    def _flush_folder(self, folder: Path) -> None:
        if self._durable:
            flush_folder(folder)


class _TemporaryFile:
    """A temporary file. It stays open until it has its name: the system reports a failed write to
    a file only to those who have it open, and a file of the same name may be another one.
    """

    def __init__(self, folder: Path) -> None:
        with _writing():
            descriptor, text = tempfile.mkstemp(dir=folder)
        self._path = Path(text)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._size = 0
        self._lock = threading.Lock()  # a writer that was cancelled may still be writing

    def append(self, data: bytes) -> None:
        with self._lock, _writing():
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
            self._size += len(data)

    def flush(self) -> None:
        os.fsync(self._file.fileno())

    def rename(self, path: Path) -> None:
        """Raise ``Unavailable`` if the file is not the one that was written."""
        written = os.fstat(self._file.fileno())
        try:
            if written.st_size != self._size or not os.path.samestat(written, self._path.stat()):
                raise Unavailable(
                    "A temporary file of the blob storage was changed by another process"
                )
            self._path.replace(path)
        except FileNotFoundError as error:
            raise Unavailable(
                "A temporary file of the blob storage was removed by another process"
            ) from error

    def close(self) -> None:
        """Remove the file unless it has its name."""
        with self._lock:
            self._file.close()
        self._path.unlink(missing_ok=True)


def _read(path: Path, name: str) -> bytes:
    with _named(name):
        return path.read_bytes()


def _open(path: Path, name: str) -> FileIO:
    with _named(name):
        return path.open("rb", buffering=0)


def _open_and_read(path: Path, name: str) -> tuple[FileIO, int, bytes]:
    """The file, its size, which never changes, and its first part."""
    file = _open(path, name)
    try:
        return file, os.fstat(file.fileno()).st_size, file.read(_READ_BYTES)
    except BaseException:
        file.close()
        raise


def _size(path: Path, name: str) -> int:
    with _named(name):
        status = path.stat()
        if not S_ISREG(status.st_mode):
            raise IsADirectoryError
        return status.st_size


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Raise ``Unavailable`` when the disk is full or fails."""
    try:
        yield
    except OSError as exc:
        if exc.errno in _DISK_ERRORS:
            raise Unavailable(f"Blob storage cannot be written: {exc.strerror}") from exc
        raise


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Raise ``FileNotFoundError`` with the name of the blob when its file is missing."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as exc:
        raise FileNotFoundError(errno.ENOENT, "no such blob", name) from exc


def _sweep(parts: Path) -> None:
    """Remove temporary files that are too old to be in use."""
    limit = time.time() - _STALE_SECONDS
    for part in parts.iterdir():
        try:
            if part.stat().st_mtime < limit:
                part.unlink()
        except FileNotFoundError:
            continue  # its writer has just finished
