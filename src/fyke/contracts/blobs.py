"""Bundles by digest."""

from __future__ import annotations

from typing import Protocol


class Blobs(Protocol):
    """Immutable bytes by name. A missing name is the builtin ``FileNotFoundError`` everywhere."""

    async def put(self, name: str, data: bytes) -> None:
        """Durable and complete, or absent. Writing the same name again is harmless."""
        ...

    async def get(self, name: str) -> bytes: ...
    async def exists(self, name: str) -> bool: ...
    async def delete(self, name: str) -> None: ...
