"""Unpacked bundles on this machine: fetched once per digest, then shared read-only."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import aclosing
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO

from fyke.contracts.blobs import Blobs
from fyke.domain.workers.archive import unpack
from fyke.domain.workers.bundles import stream_bundle
from fyke.kit.file_lock import locked
from fyke.model.worker import Version

LOCK = ".lock"  # exclusive while folders are removed


class BundleCache:
    """Keeps one folder per digest under ``root``."""

    def __init__(self, blobs: Blobs, root: Path) -> None:
        self._blobs = blobs
        self._root = root
        self._locks: dict[str, asyncio.Lock] = {}

    async def ensure(self, version: Version) -> Path:
        """The folder of the version. Raises ``VersionUnavailable`` if its files are missing or
        were changed.
        """
        target = self._root / version.digest
        async with self._locks.setdefault(version.digest, asyncio.Lock()):
            if not await asyncio.to_thread(self._exists, target):
                await self._fetch(version, target)
        return target

    async def _fetch(self, version: Version, target: Path) -> None:
        """Nothing is unpacked before all of it has arrived, with the digest of the version."""
        with await asyncio.to_thread(_new_file, self._root) as packed:
            async with aclosing(stream_bundle(self._blobs, version)) as chunks:
                async for chunk in chunks:
                    await asyncio.to_thread(packed.write, chunk)
            await asyncio.to_thread(_unpack, packed, target)

    def _exists(self, target: Path) -> bool:
        """Check while no folder is being removed. ``target`` is not removed later either, because
        its version is in the state; see ``fyke.app.prune``.
        """
        self._root.mkdir(mode=0o711, parents=True, exist_ok=True)
        with locked(self._root / LOCK, shared=True):
            return target.is_dir()


def _new_file(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder)


def _unpack(packed: IO[bytes], target: Path) -> None:
    packed.flush()
    unpack(mmap(packed.fileno(), os.fstat(packed.fileno()).st_size, access=ACCESS_READ), target)
