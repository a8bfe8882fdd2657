"""Bundles by digest."""

from __future__ import annotations

from typing import Protocol


class Blobs(Protocol):
    """Immutable bytes by name. ``get`` and ``delete`` raise ``FileNotFoundError``."""

    async def put(self, name: str, data: bytes) -> None:
        """Store durably and completely, or not at all. Idempotent."""
        ...

    async def get(self, name: str) -> bytes: ...
    async def exists(self, name: str) -> bool: ...
    async def delete(self, name: str) -> None: ...
