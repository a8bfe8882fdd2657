"""The pictures of Workers that accounts upload, and that every client with their address can read.

A picture is stored as a blob, in a folder of the account and under a name that the content
determines: the same upload again has the same address. It is sent as it was
uploaded; only its head was ever read, in a parser process.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from weakref import WeakValueDictionary

from fyke.contracts.blobs import Blobs, Folder
from fyke.contracts.parsing import ParserPool
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.rights import require_editor
from fyke.domain.workers.icon_names import blob_of, name_of
from fyke.errors import InvalidFields, NotFound, Refused
from fyke.kit.pictures import BadPicture, PictureHead, PictureKind, read_picture
from fyke.model.account import Caller
from fyke.model.worker import Worker

MAX_BYTES = 2**20
MAX_SIDE = 2048  # pixels
MAX_ICONS = 100  # of an account
UNUSED_SECONDS = 3600  # after which a picture that no Worker has makes room for another

_OWN_PAGE = 1000  # workers of an account that are read at a time


@dataclass(frozen=True, slots=True)
class IconFile:
    kind: PictureKind
    data: bytes


class Icons:
    """The pictures of all accounts. ``require_place`` is that of ``Workers``."""

    def __init__(
        self,
        storage: Storage,
        blobs: Blobs,
        parsers: ParserPool,
        require_place: Callable[[], Awaitable[None]],
    ) -> None:
        self._storage = storage
        self._blobs = blobs
        self._parsers = parsers
        self._require_place = require_place
        # Uploads of an account to this server take turns. Those to several at the same moment may
        # exceed the maximum by their number.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def add(self, caller: Caller, data: bytes) -> str:
        """Store a picture; return its name. Raise ``InvalidFields`` for what is no picture or too
        large, ``Refused`` if the account has the maximum, ``Forbidden`` for viewers.
        """
        require_editor(caller, "Uploading pictures")
        if len(data) > MAX_BYTES:
            raise InvalidFields(f"must have at most {MAX_BYTES // 2**20} MiB", field="file")
        try:
            picture = await self._parsers.run(caller.account_id, read_picture, data)
        except BadPicture as problem:
            raise InvalidFields(str(problem), field="file") from None
        _check_size(picture)
        tag = _tag(caller.account_id)
        name = f"{tag}-{hashlib.sha256(data).hexdigest()[:32]}.{picture.kind.value}"
        await self._require_place()
        async with self._turns.setdefault(tag, asyncio.Lock()):
            if not await self._blobs.exists(blob_of(name)):
                await self._make_room(caller, tag)
            await self._blobs.put(blob_of(name), data)  # of one that is there, this renews the time
        return name

    async def file(self, name: str) -> IconFile:
        """A picture, for all clients. Raise ``NotFound``."""
        blob = blob_of(name)
        if not blob:
            raise NotFound
        try:
            data = await self._blobs.get(blob)
        except FileNotFoundError:
            raise NotFound from None
        return IconFile(PictureKind(name.rpartition(".")[2]), data)

    async def _make_room(self, caller: Caller, tag: str) -> None:
        """Delete unused pictures of an account that has the maximum."""
        stored = [blob async for blob in self._blobs.walk(f"{Folder.ICONS}/{tag}")]
        if len(stored) < MAX_ICONS:
            return
        used = await self._used(caller)
        before, removed = time.time() - UNUSED_SECONDS, 0
        for blob in stored:
            name = name_of(blob.name)
            if not any(name in address for address in used):
                removed += await self._blobs.delete_old(blob.name, before)
        if len(stored) - removed >= MAX_ICONS:
            raise Refused(
                f"An account has at most {MAX_ICONS} uploaded pictures; use one that you have "
                "uploaded, or wait an hour for the room of those that no Worker has"
            )

    async def _used(self, caller: Caller) -> list[str]:
        """The addresses of the pictures of the account's Workers."""
        used: list[str] = []
        count, offset = 1, 0
        while offset < count:
            read = partial(self._page, caller.account_id, offset)
            count, workers = await self._storage.read(read)
            used += (worker.icon for worker in workers if worker.icon)
            offset += _OWN_PAGE
        return used

    @staticmethod
    def _page(account_id: str, offset: int, tx: Transaction) -> tuple[int, list[Worker]]:
        return tx.workers.own_page(account_id, "", offset=offset, limit=_OWN_PAGE)


def _tag(account_id: str) -> str:
    """What the names of an account's pictures begin with; it does not say which account."""
    return hashlib.sha256(f"icons:{account_id}".encode()).hexdigest()[:16]


def _check_size(picture: PictureHead) -> None:
    if max(picture.width, picture.height) > MAX_SIDE:
        raise InvalidFields(
            f"must have at most {MAX_SIDE} x {MAX_SIDE} pixels, and has "
            f"{picture.width} x {picture.height}; make it smaller",
            field="file",
        )
