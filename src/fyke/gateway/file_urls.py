"""URLs of files: for one blob, one method and one node, for some minutes.

They are those of S3, or paths of this gateway with a signature. Its key is derived from
``secret.key``, so every gateway accepts the URLs of the others: behind one address of a load
balancer, the next connection of a node may reach another gateway. Who has a URL needs the
certificate of its node besides.

Files are written by way of a gateway only, because a signed PUT of S3 limits no size.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from fyke.contracts.blobs import Blobs
from fyke.contracts.node import NodeFilePlaces
from fyke.domain.nodes.authority import NodeIdentity
from fyke.domain.runs.environment_archives import archive_name
from fyke.errors import InvalidRequest
from fyke.kit.clock import Clock
from fyke.model.last_page import PageFileKind
from fyke.model.run import AttemptKey
from fyke.wire.nodes import FileOwner, FileUrl, FoundEnvironment

URL_SECONDS = 300.0  # in which a transfer begins
PREFIX = "/files/"
MAX_PATH = 1024
MAX_KEYS = 4  # of the environments that a version may have on one machine
_LABEL = b"fyke files of nodes: key of URLs, version 1"


class BadFileUrl(Exception):
    """A path is not one that a gateway has signed."""


class FileGrant(msgspec.Struct, frozen=True, array_like=True):
    """What a URL allows. ``expires_at`` in ms since the epoch; ``most`` is the limit of a PUT in
    bytes. ``is_picture``: what is written is checked as a screenshot.
    """

    method: Literal["GET", "PUT"]
    name: str
    node: str
    join_id: str
    expires_at: int
    most: int = 0
    is_picture: bool = False


class FileSigner:
    """Signs grants with a key of its own, derived from the installation's secret."""

    def __init__(self, master: bytes) -> None:
        if not master:
            raise ValueError("signing needs the installation's secret")
        self._key = hmac.digest(master, _LABEL, "sha256")

    def path(self, grant: FileGrant) -> str:
        """The path of a URL."""
        payload = _encode(grant)
        return PREFIX + _text(payload) + "." + _text(self._sign(payload))

    def read(self, path: str) -> FileGrant:
        """The grant of a path. Raise ``BadFileUrl``; the grant may have expired."""
        payload, _, signature = path.removeprefix(PREFIX).partition(".")
        if not path.startswith(PREFIX) or len(path) > MAX_PATH:
            raise BadFileUrl
        try:
            signed = _bytes(payload)
            if not hmac.compare_digest(self._sign(signed), _bytes(signature)):
                raise BadFileUrl
            return _decode(signed)
        except (binascii.Error, ValueError, msgspec.MsgspecError):
            raise BadFileUrl from None

    def _sign(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, "sha256")


class FileUrls:
    """Makes the URLs of one installation."""

    def __init__(self, blobs: Blobs, signer: FileSigner, clock: Clock) -> None:
        self._blobs = blobs
        self._signer = signer
        self._clock = clock

    async def to_read(self, name: str, node: NodeIdentity, *, direct: bool = True) -> FileUrl:
        """Where the node reads a blob; with ``direct`` at S3, if it is there. Raises
        ``Unavailable``.
        """
        url = await self._blobs.url(name, URL_SECONDS, "GET") if direct else None
        if url is not None:
            return FileUrl(url)
        return FileUrl(self._signer.path(self._grant("GET", name, node)))

    def to_write(
        self, name: str, node: NodeIdentity, most: int, *, is_picture: bool = False
    ) -> FileUrl:
        """Where the node writes a blob of at most ``most`` bytes."""
        grant = self._grant("PUT", name, node)
        grant = msgspec.structs.replace(grant, most=most, is_picture=is_picture)
        return FileUrl(self._signer.path(grant))

    def _grant(self, method: Literal["GET", "PUT"], name: str, node: NodeIdentity) -> FileGrant:
        expires_at = self._clock.now_ms() + int(URL_SECONDS * 1000)
        return FileGrant(method, name, node.name, node.join_id, expires_at)


class NodeFileAccess:
    """The files of one node: ``places`` decides which it may have."""

    def __init__(self, places: NodeFilePlaces, urls: FileUrls, node: NodeIdentity) -> None:
        self._places = places
        self._urls = urls
        self._node = node

    async def bundle(self, owner: FileOwner, digest: str, *, direct: bool = True) -> FileUrl:
        """See ``NodeFilePlaces.bundle`` and ``FileUrls.to_read``."""
        name = await self._places.bundle(owner.attempt or owner.version_id, digest)
        return await self._urls.to_read(name, self._node, direct=direct)

    async def environment(
        self, owner: FileOwner, keys: Sequence[str], *, direct: bool = True
    ) -> FoundEnvironment:
        """See ``NodeFilePlaces.environment`` and ``FileUrls.to_read``."""
        if len(keys) > MAX_KEYS:
            raise InvalidRequest(f"must have at most {MAX_KEYS}", field="keys")
        place = await self._places.environment(owner.attempt or owner.version_id, keys)
        if place.archive is None:
            return FoundEnvironment(place)
        name = archive_name(place.archive.digest)
        return FoundEnvironment(place, await self._urls.to_read(name, self._node, direct=direct))

    async def page(self, key: AttemptKey, sizes: Mapping[str, int]) -> dict[str, FileUrl]:
        """See ``NodeFilePlaces.page``."""
        try:
            files = {PageFileKind(kind): size for kind, size in sizes.items()}
        except ValueError:
            raise InvalidRequest("A page has no such file") from None
        names = await self._places.page(key, files)
        return {
            kind.value: self._urls.to_write(
                name, self._node, files[kind], is_picture=kind is PageFileKind.SCREENSHOT
            )
            for kind, name in names.items()
        }


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(FileGrant).decode
