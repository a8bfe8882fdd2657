"""Reading the bundles of versions, by the rules for untrusted archives."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing
from typing import TypeVar

from fyke.contracts.blobs import Blobs, Folder
from fyke.contracts.parsing import THOROUGH, ParserPool
from fyke.domain.workers.archive import MAX_BUNDLE, Archive, open_archive
from fyke.errors import VersionUnavailable
from fyke.model.worker import Version
from fyke.reasons import Reason, ReasonCode

T = TypeVar("T")

_HASHED_AT_ONCE = 64 * 1024  # bytes, in less time than a thread takes
_CONCURRENT_READS = 2  # each may have bundles of many megabytes in memory


def bundle_name(digest: str) -> str:
    """Return the name of the blob of a bundle."""
    return f"{Folder.BUNDLES}/{digest}"


async def read_bundle(blobs: Blobs, version: Version) -> bytes:
    """The stored bundle. Raise ``VersionUnavailable`` when it is missing or was changed."""
    chunks = stream_bundle(blobs, version.digest, version.number)
    return b"".join([chunk async for chunk in chunks])


async def stream_bundle(blobs: Blobs, digest: str, number: str) -> AsyncGenerator[bytes, None]:
    """The parts of the stored bundle of the version with this ``number``. Raise
    ``VersionUnavailable`` when it is missing, and after the last part when it is not the one that
    was published.
    """
    found = hashlib.sha256()
    try:
        async with aclosing(blobs.get_stream(bundle_name(digest))) as chunks:
            async for chunk in chunks:
                if len(chunk) > _HASHED_AT_ONCE:
                    await asyncio.to_thread(found.update, chunk)
                else:
                    found.update(chunk)
                yield chunk
    except FileNotFoundError:
        raise files_missing(number) from None
    if found.hexdigest() != digest:
        raise files_missing(number, sha256=found.hexdigest())


def files_missing(number: str, sha256: str | None = None) -> VersionUnavailable:
    """The error of a version whose bundle is not there, or is another one with this ``sha256``."""
    return VersionUnavailable(
        Reason.of(ReasonCode.VERSION_FILES_MISSING, number=number, sha256=sha256)
    )


class Bundles:
    """Reads bundles, a few at a time, in the parser pool."""

    def __init__(self, blobs: Blobs, parsers: ParserPool) -> None:
        self._blobs = blobs
        self._parsers = parsers
        self._slots = asyncio.Semaphore(_CONCURRENT_READS)

    async def data(self, version: Version) -> bytes:
        """See ``read_bundle``."""
        return await read_bundle(self._blobs, version)

    async def read(self, account_id: str, work: Callable[..., T], *versions: Version) -> T:
        """Call ``work``, a function of a module, with the archives of the versions; return its
        result. ``account_id`` is the account whose versions they are. Raise ``TooComplex``.
        """
        async with self._slots:
            bundles = [await self.data(version) for version in versions]
            return await self._parsers.run(
                account_id, _with_archives, work, bundles, limits=THOROUGH
            )


def _with_archives(work: Callable[..., T], bundles: list[bytes]) -> T:
    with ExitStack() as stack:
        archives: list[Archive] = [
            stack.enter_context(open_archive(data, max_packed=MAX_BUNDLE)) for data in bundles
        ]
        return work(*archives)
