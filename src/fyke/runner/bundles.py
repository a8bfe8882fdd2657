"""Unpacked bundles on this machine: fetched once per digest, then shared read-only."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path

from fyke.contracts.node import NodeFiles
from fyke.domain.workers.archive import unpack
from fyke.kit.file_lock import locked
from fyke.model.node import RunnableVersion
from fyke.model.run import AttemptKey

LOCK = ".lock"  # exclusive while folders are removed


class BundleCache:
    """Keeps one folder per digest under ``root``."""

    def __init__(self, files: NodeFiles, root: Path) -> None:
        self._files = files
        self._root = root
        self._locks: dict[str, asyncio.Lock] = {}

    async def ensure(self, owner: AttemptKey | str, version: RunnableVersion) -> Path:
        """The folder of the version, for an ``owner`` as in ``NodeFiles``. Raises
        ``VersionUnavailable`` if its files are missing or were changed.
        """
        target = self._root / version.digest
        async with self._locks.setdefault(version.digest, asyncio.Lock()):
            if not await asyncio.to_thread(self._exists, target):
                await self._fetch(owner, version, target)
        return target

    async def _fetch(self, owner: AttemptKey | str, version: RunnableVersion, target: Path) -> None:
        """Nothing is unpacked before all of it has arrived, with the digest of the version."""
        packed = await asyncio.to_thread(_new_file, self._root)
        try:
            await self._files.bundle(owner, version, packed)
            await asyncio.to_thread(_unpack, packed, target)
        finally:
            await asyncio.to_thread(packed.unlink, missing_ok=True)

    def _exists(self, target: Path) -> bool:
        """Check while no folder is being removed, and note the use. ``target`` is not removed later
        either, because its version is in the state, see ``fyke.app.prune``; on a node because it
        was used, see ``fyke.app.node_prune``.
        """
        self._root.mkdir(mode=0o711, parents=True, exist_ok=True)
        with locked(self._root / LOCK, shared=True):
            if not target.is_dir():
                return False
            with suppress(OSError):  # a full disk, where attempts lock what they use nevertheless
                os.utime(target)
            return True


def _new_file(folder: Path) -> Path:
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".packed-")
    os.close(descriptor)
    return Path(name)


def _unpack(packed: Path, target: Path) -> None:
    with packed.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        unpack(mmap(file.fileno(), size, access=ACCESS_READ), target)
