"""Bundles, uploads, last pages, icons, files with rows of ended runs, and packed environments."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from fyke.errors import BlobsAway


class Folder(StrEnum):
    """What a blob is: the first segment of its name. There are two, of a picture three: the second
    is the folder of its account.
    """

    BUNDLES = "bundles"
    UPLOADS = "uploads"
    PAGES = "pages"  # files of last pages
    ICONS = "icons"  # pictures of Workers that accounts have uploaded
    ROWS = "rows"  # of ended runs
    ENVIRONMENTS = "environments"  # packed, for other machines; they can be made again


class BlobsRefused(BlobsAway):
    """The storage answers, and will refuse until something is corrected."""


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob in a list. ``size`` in bytes; ``stored_at`` is Unix time, by the storage's clock."""

    name: str
    size: int
    stored_at: float


class Blobs(Protocol):
    """Immutable bytes by name. All methods but ``free_bytes`` may raise ``Unavailable``."""

    async def put(self, name: str, data: bytes) -> None:
        """Store durably and completely, or not at all. Idempotent."""
        ...

    async def put_stream(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """``put`` all chunks as one blob, with a few of them in memory. Nothing is stored if
        ``chunks`` raises.
        """
        ...

    async def get(self, name: str) -> bytes:
        """Raise ``FileNotFoundError``, like each method that reads a blob."""
        ...

    def get_stream(self, name: str) -> AsyncGenerator[bytes, None]:
        """``get`` in parts of at most a few MiB. Raise when the first is asked for."""
        ...

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """The bytes from ``offset`` on, fewer than ``length`` at the end. Blocks: it is called in
        threads that read rows.
        """
        ...

    def free_bytes(self) -> int:
        """How much may be stored that could also be stored later. Blocks."""
        ...

    async def exists(self, name: str) -> bool: ...
    async def size(self, name: str) -> int: ...

    def walk(self, folder: str = "") -> AsyncGenerator[StoredBlob, None]:
        """All blobs, or those whose names begin with ``folder`` and a slash, in any order. A blob
        that is stored or deleted meanwhile may be missing.
        """
        ...

    async def delete(self, name: str) -> None:
        """Do nothing if there is no such blob."""
        ...

    async def delete_old(self, name: str, before: float) -> bool:
        """Delete the blob unless it is missing or was stored after ``before`` (Unix time); return
        whether it was deleted. Where the storage has no lock, one that is stored again in the same
        moment may be deleted.
        """
        ...

    async def url(self, name: str, seconds: float, method: Literal["GET", "PUT"]) -> str | None:
        """A URL at which who has it can read, or write, this blob for so long; None if the storage
        has no address of its own.
        """
        ...

    async def check(self) -> None:
        """Store a blob, read, list and delete it, and delete those that checks an hour ago or more
        have left. Raise ``Unavailable`` with the reason.
        """
        ...
