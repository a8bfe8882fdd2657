"""The files of the attempts of one runner, in the stores of the installation."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from fyke.contracts.blobs import Blobs
from fyke.domain.nodes.file_places import FilePlaces
from fyke.domain.runs.environment_archives import archive_name
from fyke.domain.runs.last_pages import LastPages
from fyke.domain.workers.bundles import stream_bundle
from fyke.errors import Unavailable
from fyke.model.last_page import PageContent
from fyke.model.node import EnvironmentPlace, RunnableVersion
from fyke.model.run import AttemptKey


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
        found = hashlib.sha256()
        with await asyncio.to_thread(target.open, "wb") as file:
            async with aclosing(
                self._blobs.get_stream(archive_name(place.archive.digest))
            ) as parts:
                async for part in parts:
                    await asyncio.to_thread(file.write, part)
                    await asyncio.to_thread(found.update, part)
        if found.hexdigest() != place.archive.digest:
            await asyncio.to_thread(target.unlink)
            raise Unavailable("A packed environment was changed")
        return place

    async def page_room(self, key: AttemptKey) -> bool:
        """See ``NodeFiles.page_room``."""
        return await self._last_pages.has_room(key.run_id)

    async def put_page(self, key: AttemptKey, content: PageContent) -> None:
        """See ``NodeFiles.put_page``."""
        await self._last_pages.put(key.id, content)

    async def discard_page(self, key: AttemptKey) -> None:
        """See ``NodeFiles.discard_page``."""
        await self._last_pages.discard(key.id)
