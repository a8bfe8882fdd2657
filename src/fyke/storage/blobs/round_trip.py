"""The check of a storage of blobs: what is stored can be read, listed and deleted."""

from __future__ import annotations

import time

from fyke.contracts.blobs import Blobs
from fyke.errors import Unavailable
from fyke.kit.ids import new_ulid

_FOLDER = "check"
_LEFT_SECONDS = 3600.0  # a blob that is older was left by a check that was killed or cut off


async def round_trip(blobs: Blobs) -> None:
    """See ``Blobs.check``. Also removes what earlier checks have left."""
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
        stored_at = {blob.name: blob.stored_at async for blob in blobs.walk(_FOLDER)}
        if name not in stored_at:
            raise Unavailable("Blob storage does not list what was just stored")
        before = time.time() - _LEFT_SECONDS
        for other, at in stored_at.items():
            if at < before:
                await blobs.delete(other)
    finally:
        await blobs.delete(name)
