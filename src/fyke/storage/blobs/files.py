"""Sizes and hashes of stored blobs, for checks by commands, which have no event loop."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

from fyke.contracts.blobs import Blobs


class StoredFiles(Protocol):
    """Raises ``OSError`` for a file that cannot be read, and ``Unavailable``."""

    def size(self, name: str) -> int: ...
    def sha256(self, name: str) -> bytes: ...


class FolderFiles:
    """``StoredFiles`` in a folder, in which nothing is created."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def size(self, name: str) -> int:
        return (self._folder / name).stat().st_size

    def sha256(self, name: str) -> bytes:
        with (self._folder / name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()


class BlobFiles:
    """``StoredFiles`` of blobs that are elsewhere."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def size(self, name: str) -> int:
        return asyncio.run(self._blobs.size(name))

    def sha256(self, name: str) -> bytes:
        return asyncio.run(self._sha256(name))

    async def _sha256(self, name: str) -> bytes:
        digest = hashlib.sha256()
        async with aclosing(self._blobs.get_stream(name)) as chunks:
            async for chunk in chunks:
                digest.update(chunk)
        return digest.digest()
