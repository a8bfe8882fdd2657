"""Reading the bundles of versions, by the rules for untrusted archives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from fyke.contracts.blobs import Blobs
from fyke.domain.workers.archive import MAX_PACKED, Archive, open_archive
from fyke.errors import VersionUnavailable
from fyke.model.worker import Version
from fyke.reasons import Reason, ReasonCode

T = TypeVar("T")

_AT_ONCE = 2  # each may have bundles of many megabytes in memory
_SLACK = 2  # a bundle may compress less well than the archive it was made from


def bundle_name(digest: str) -> str:
    """Return the name of a bundle among the blobs."""
    return f"bundles/{digest}"


class Bundles:
    """Reads bundles, few at a time and away from the event loop."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def data(self, version: Version) -> bytes:
        """The stored bundle. Raise ``VersionUnavailable`` when it is missing."""
        try:
            return await self._blobs.get(bundle_name(version.digest))
        except FileNotFoundError:
            reason = Reason.of(ReasonCode.VERSION_FILES_MISSING, number=version.number)
            raise VersionUnavailable(reason) from None

    async def read(self, work: Callable[..., T], *versions: Version) -> T:
        """Call ``work`` with the archives of the versions, in a thread; return its result."""
        async with self._turns:
            found = [await self.data(version) for version in versions]
            return await asyncio.to_thread(_with_archives, work, found)


def _with_archives(work: Callable[..., T], bundles: list[bytes]) -> T:
    with ExitStack() as stack:
        archives: list[Archive] = [
            stack.enter_context(open_archive(data, max_packed=_SLACK * MAX_PACKED))
            for data in bundles
        ]
        return work(*archives)
