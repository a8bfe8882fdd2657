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
import re
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from fyke.errors import Unavailable
from fyke.kit.file_lock import locked
from fyke.kit.files import flush_folder

_SEGMENT = re.compile(r"[a-z0-9_-][a-z0-9._-]*")
PARTS = ".part"  # no name can clash with it: a segment never starts with a dot
_LOCK = ".lock"  # shared while a blob gets its name, exclusive while one is deleted
_STALE_SECONDS = 3600.0
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
        _sweep(self._parts)

    async def put(self, name: str, data: bytes) -> None:
        """Raise ``Unavailable`` when the disk is full or fails; then nothing was changed."""
        await asyncio.to_thread(self._put, self._path(name), data)

    async def put_stream(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Raise ``Unavailable`` like ``put``."""
        path = self._path(name)
        part = await asyncio.to_thread(_TemporaryFile, self._parts)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(part.append, chunk)
            await asyncio.to_thread(self._publish, part, path)
        finally:
            await asyncio.to_thread(part.close)

    async def get(self, name: str) -> bytes:
        return await asyncio.to_thread(_read, self._path(name), name)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        with _named(name), self._path(name).open("rb", buffering=0) as file:
            return os.pread(file.fileno(), length, offset)

    def free_bytes(self) -> int:
        return max(shutil.disk_usage(self._root).free - self._floor_bytes, 0)

    async def exists(self, name: str) -> bool:
        return await asyncio.to_thread(self._path(name).is_file)

    async def delete(self, name: str) -> None:
        def work() -> None:
            path = self._path(name)
            with locked(self._root / _LOCK):
                self._delete(path, name)

        await asyncio.to_thread(work)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """No blob is deleted during the context; deletions wait. Not part of ``Blobs``."""
        with locked(self._root / _LOCK, shared=True):
            yield

    def delete_old(self, name: str, before: float) -> bool:
        """Delete the blob unless it was put after ``before`` (Unix time), even if it was put again
        while this decides. Return whether it was deleted. Blocks; not part of ``Blobs``.
        """
        path = self._path(name)
        with locked(self._root / _LOCK):
            if not path.is_file() or path.stat().st_mtime > before:
                return False
            self._delete(path, name)
            return True

    def _path(self, name: str) -> Path:
        return self._root.joinpath(*check_name(name))

    def _put(self, path: Path, data: bytes) -> None:
        part = _TemporaryFile(self._parts)
        try:
            part.append(data)
            self._publish(part, path)
        finally:
            part.close()

    def _publish(self, part: _TemporaryFile, path: Path) -> None:
        """Flush a complete temporary file and give it its name."""
        with _writing():
            self._make_folders(path.parent)
            if self._durable:
                part.flush()
            with locked(self._root / _LOCK, shared=True):
                part.rename(path)
            self._flush_folder(path.parent)

    def _delete(self, path: Path, name: str) -> None:
        with _named(name):
            path.unlink()
        self._flush_folder(path.parent)

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


def check_name(name: str) -> list[str]:
    """Return the segments of a blob's name. Raise ``ValueError`` with the rule that it breaks."""
    segments = name.split("/")
    if len(name) > 255 or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError(
            f"blob name {name!r} must be at most 255 characters of segments from [a-z0-9._-], "
            "joined by single slashes, none starting with a dot"
        )
    return segments


def _read(path: Path, name: str) -> bytes:
    with _named(name):
        return path.read_bytes()


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
