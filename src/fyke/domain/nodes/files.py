"""The files of the attempts of one runner, in the stores of the installation."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from fyke.contracts.blobs import Blobs
from fyke.domain.nodes.file_places import FilePlaces
from fyke.domain.runs.environment_archives import archive_name
from fyke.domain.runs.last_pages import LastPages
from fyke.domain.workers.bundles import stream_bundle
from fyke.errors import Unavailable
from fyke.kit.files import room_beside
from fyke.model.last_page import PageContent
from fyke.model.node import EnvironmentPlace, RunnableVersion
from fyke.model.run import AttemptKey
from fyke.model.worker import ENVIRONMENT_FREE_BYTES


class InstallationFiles:
    """Implements ``NodeFiles`` for a runner that may read all of them."""

    def __init__(
        self, blobs: Blobs, last_pages: LastPages, places: FilePlaces | None = None
    ) -> None:
        """Without ``places`` there are no packed environments."""
        self._blobs = blobs
        self._last_pages = last_pages
        self._places = places

    async def bundle(self, owner: AttemptKey | str, version: RunnableVersion, target: Path) -> None:
        """See ``NodeFiles.bundle``."""
        with await asyncio.to_thread(target.open, "wb") as file:
            chunks = stream_bundle(self._blobs, version.digest, version.number)
            async with aclosing(chunks):
                async for chunk in chunks:
                    await asyncio.to_thread(file.write, chunk)

    async def environment(
        self, owner: AttemptKey | str, keys: Sequence[str], target: Path
    ) -> EnvironmentPlace:
        """See ``NodeFiles.environment``."""
        if self._places is None:
            return EnvironmentPlace()
        place = await self._places.environment(owner, keys)
        if place.archive is None:
            return place
        digest, size = place.archive.digest, place.archive.size
        if await asyncio.to_thread(room_beside, target.parent, ENVIRONMENT_FREE_BYTES) < size:
            raise Unavailable("The disk has too little free space for a packed environment")
        read_at = time.time()
        try:
            found = await self._read(archive_name(digest), target, size)
        except FileNotFoundError:
            raise Unavailable("A packed environment is not there any more") from None
        if found != digest:
            await asyncio.to_thread(target.unlink)
            await self._places.drop_environment(digest, read_at)
            raise Unavailable("A packed environment was damaged; it is packed again")
        return place

    async def _read(self, name: str, target: Path, most: int) -> str:
        """Write a blob to a file; return the sha256 of at least its first ``most`` bytes, and of
        some more if there are.
        """
        found, size = hashlib.sha256(), 0
        with await asyncio.to_thread(target.open, "wb") as file:
            async with aclosing(self._blobs.get_stream(name)) as parts:
                async for part in parts:
                    await asyncio.to_thread(file.write, part)
                    await asyncio.to_thread(found.update, part)
                    size += len(part)
                    if size > most:
                        break
        return found.hexdigest()

    async def page_room(self, key: AttemptKey) -> bool:
        """See ``NodeFiles.page_room``."""
        return await self._last_pages.has_room(key.run_id)

    async def put_page(self, key: AttemptKey, content: PageContent) -> None:
        """See ``NodeFiles.put_page``."""
        await self._last_pages.put(key.id, content)

    async def discard_page(self, key: AttemptKey) -> None:
        """See ``NodeFiles.discard_page``."""
        await self._last_pages.discard(key.id)
