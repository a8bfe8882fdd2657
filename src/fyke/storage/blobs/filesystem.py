"""Blobs as plain files under one folder.

A blob is complete or absent: it is written to a temporary file, flushed and renamed, and then its
folder is flushed, because a loss of power would undo the rename. Temporary files are in a folder of
their own, so that the files left by a crash can be recognised and removed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import tempfile
import time
from pathlib import Path

from fyke.errors import Unavailable
from fyke.kit.file_lock import locked
from fyke.kit.files import flush_folder

_SEGMENT = re.compile(r"[a-z0-9_-][a-z0-9._-]*")
_TEMPORARY = ".part"  # no name can clash with it: a segment never starts with a dot
_LOCK = ".lock"  # shared while a blob gets its name, exclusive while an old one is deleted
_STALE_SECONDS = 3600.0
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}


class FilesystemBlobs:
    """``Blobs`` in the folder ``root``, which is created (0700) when it is missing.

    Without ``durable`` nothing is flushed: a loss of power may lose the last blobs.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._root = root
        self._durable = durable
        self._parts = root / _TEMPORARY
        self._parts.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(self._parts)

    async def put(self, name: str, data: bytes) -> None:
        """Raise ``Unavailable`` when the disk is full or fails; then nothing was changed."""
        await asyncio.to_thread(self._put, self._path(name), data)

    async def get(self, name: str) -> bytes:
        return await asyncio.to_thread(_read, self._path(name), name)

    async def exists(self, name: str) -> bool:
        return await asyncio.to_thread(self._path(name).is_file)

    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self._delete, self._path(name), name)

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
        try:
            self._make_folders(path.parent)
            part = self._write_part(data)
            try:
                with locked(self._root / _LOCK, shared=True):
                    part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            self._flush_folder(path.parent)
        except OSError as exc:
            if exc.errno in _DISK_ERRORS:
                raise Unavailable(f"Blob storage cannot be written: {exc.strerror}") from exc
            raise

    def _write_part(self, data: bytes) -> Path:
        """Write and flush a temporary file; leave none behind on failure."""
        descriptor, text = tempfile.mkstemp(dir=self._parts)
        part = Path(text)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                self._flush(file.fileno())
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return part

    def _delete(self, path: Path, name: str) -> None:
        try:
            path.unlink()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as exc:
            raise FileNotFoundError(errno.ENOENT, "no such blob", name) from exc
        self._flush_folder(path.parent)

    def _make_folders(self, folder: Path) -> None:
        """Create the folder and its parents, and flush the parent of each."""
        if folder.is_dir():
            return
        self._make_folders(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._flush_folder(folder.parent)

    def _flush(self, descriptor: int) -> None:
        if self._durable:
            os.fsync(descriptor)

    def _flush_folder(self, folder: Path) -> None:
        if self._durable:
            flush_folder(folder)


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
    try:
        return path.read_bytes()
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
