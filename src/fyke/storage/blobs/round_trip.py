"""The check of a storage of blobs: what is stored can be read, listed and deleted."""

from __future__ import annotations

from fyke.contracts.blobs import Blobs
from fyke.errors import Unavailable
from fyke.kit.ids import new_ulid

_FOLDER = "check"


async def round_trip(blobs: Blobs) -> None:
    """See ``Blobs.check``."""
    name = f"{_FOLDER}/{new_ulid().lower()}"
    data = name.encode()
    await blobs.put(name, data)
    try:
        try:
            read = await blobs.get(name)
        except FileNotFoundError:
            raise Unavailable("Blob storage does not have what was just stored") from None
        if read != data:
            raise Unavailable("Blob storage returns other bytes than were just stored")
        if name not in [blob.name async for blob in blobs.walk(_FOLDER)]:
            raise Unavailable("Blob storage does not list what was just stored")
    finally:
        await blobs.delete(name)
