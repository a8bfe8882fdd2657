"""Unpacked bundles on this machine: fetched once per digest, then shared read-only."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fyke.contracts.blobs import Blobs
from fyke.domain.workers.archive import unpack
from fyke.domain.workers.bundles import read_bundle
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
        """The folder of the version. Raises ``VersionUnavailable`` if its files are missing."""
        target = self._root / version.digest
        async with self._locks.setdefault(version.digest, asyncio.Lock()):
            if not await asyncio.to_thread(self._exists, target):
                data = await read_bundle(self._blobs, version)
                await asyncio.to_thread(unpack, data, target)
        return target

    def _exists(self, target: Path) -> bool:
        """Check while no folder is being removed. ``target`` is not removed later either, because
        its version is in the state; see ``fyke.app.prune``.
        """
        self._root.mkdir(mode=0o711, parents=True, exist_ok=True)
        with locked(self._root / LOCK, shared=True):
            return target.is_dir()
