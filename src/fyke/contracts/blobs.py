"""Bundles, uploads, and files with the rows of ended runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class Blobs(Protocol):
    """Immutable bytes by name. ``get``, ``read_range`` and ``delete`` raise
    ``FileNotFoundError``.
    """

    async def put(self, name: str, data: bytes) -> None:
        """Store durably and completely, or not at all. Idempotent."""
        ...

    async def put_stream(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """``put`` all chunks as one blob, with one of them in memory. Nothing is stored if
        ``chunks`` raises.
        """
        ...

    async def get(self, name: str) -> bytes: ...
    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """The bytes from ``offset`` on, fewer than ``length`` at the end. Blocks: it is called in
        threads that read rows.
        """
        ...

    def free_bytes(self) -> int:
        """How much may be stored that could also be stored later. Blocks."""
        ...

    async def exists(self, name: str) -> bool: ...
    async def delete(self, name: str) -> None: ...
