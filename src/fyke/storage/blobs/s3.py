"""Blobs as objects in one bucket of S3, or of a server with its protocol.

Stored objects are complete: a server shows one only after its last part. Nothing depends on
conditional requests, which servers of the protocol treat differently. A process that is killed
during ``put_stream`` leaves parts that only the server can remove, by a rule of the bucket.

The library starts threads at its first request, so no request may precede a fork.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from fyke.contracts.blobs import BlobsRefused, StoredBlob
from fyke.errors import BlobsAway
from fyke.kit.s3_place import S3Place
from fyke.storage.blobs.names import check_name
from fyke.storage.blobs.round_trip import round_trip

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Credential

READ_SECONDS = 20  # without an answer
RETRY_SECONDS = 8  # after which nothing is tried again; a client waits 30 s for both
PART_BYTES = 8 * 2**20  # a blob with more is stored in parts of this size
_PARALLEL = 2  # parts on their way
_READ_BYTES = 2**20
_LIST = 1000  # names of one answer
_CODE = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,300})</Message>")
_STATUS = re.compile(r"status: (\d{3})")
_PASSING = ("408", "429")  # statuses of refusals that end by themselves
_METADATA_SERVICE = "169.254.169.254"  # asked by the library where nothing else has a login
_NO_LOGIN = "no login: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or s3_key_id and s3_secret"
_REDIRECT = "redirect without LOCATION"
_OTHER_REGION = "the bucket is in another region: set s3_region, or AWS_REGION"
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


@dataclass(frozen=True, slots=True)
class S3Access:
    """How to reach S3. What is empty is taken from the variables ``AWS_*``."""

    endpoint: str = ""
    region: str = ""
    key_id: str = ""
    secret: str = ""

    def config(self) -> S3Config:
        """The options of the library that are set."""
        options: S3Config = {}
        if endpoint := self.endpoint or next(filter(None, map(os.environ.get, _ENDPOINTS)), ""):
            options["endpoint"] = endpoint
        if self.region:
            options["region"] = self.region
        return options

    def login(self) -> S3Credential | None:
        """The login of the settings. As an option of the library it would be completed by
        ``AWS_SESSION_TOKEN``, which belongs to another login.
        """
        if not self.key_id:
            return None
        return {
            "access_key_id": self.key_id,
            "secret_access_key": self.secret,
            "token": None,
            "expires_at": None,
        }


class S3Blobs:
    """``Blobs`` at ``place``. ``read_range`` gives up early, because it keeps a thread that reads
    rows.
    """

    def __init__(self, place: S3Place, access: S3Access | None = None) -> None:
        self._place = place
        access = access or S3Access()
        self._endpoint = access.config().get("endpoint", "")
        self._store = _open(
            place, access, read_seconds=READ_SECONDS, retries=4, retry_seconds=RETRY_SECONDS
        )
        self._ranges = _open(place, access, read_seconds=5, retries=2, retry_seconds=8)

    async def put(self, name: str, data: bytes) -> None:
        key = self._key(name)
        with self._answering():
            await obstore.put_async(
                self._store, key, data, chunk_size=PART_BYTES, max_concurrency=_PARALLEL
            )

    async def put_stream(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        key = self._key(name)
        source = aiter(chunks)
        first = await _first_part(source)
        if len(first) < PART_BYTES:
            await self.put(name, bytes(first))
            return
        rest = _Rest(first, source)
        with self._answering(rest):
            await obstore.put_async(
                self._store, key, rest, chunk_size=PART_BYTES, max_concurrency=_PARALLEL
            )

    async def get(self, name: str) -> bytes:
        return b"".join([chunk async for chunk in self.get_stream(name)])

    async def get_stream(self, name: str) -> AsyncGenerator[bytes, None]:
        key = self._key(name)
        with self._answering(name=name):
            found = await obstore.get_async(self._store, key)
            parts = aiter(found.stream(min_chunk_size=_READ_BYTES))
        while True:
            with self._answering(name=name):
                try:
                    part = await anext(parts)
                except StopAsyncIteration:
                    return
            yield bytes(part)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        key = self._key(name)
        try:
            with self._answering(name=name):
                return bytes(obstore.get_range(self._ranges, key, start=offset, length=length))
        except _BehindTheEnd:
            return b""

    def free_bytes(self) -> int:
        return sys.maxsize

    async def exists(self, name: str) -> bool:
        try:
            await self.size(name)
        except FileNotFoundError:
            return False
        return True

    async def size(self, name: str) -> int:
        key = self._key(name)
        with self._answering(name=name):
            return int((await obstore.head_async(self._store, key))["size"])

    async def walk(self, folder: str = "") -> AsyncGenerator[StoredBlob, None]:
        prefix = self._key(folder) if folder else self._place.prefix
        with self._answering():
            pages = aiter(obstore.list(self._store, prefix or None, chunk_size=_LIST))
        while True:
            with self._answering():
                try:
                    page = await anext(pages)
                except StopAsyncIteration:
                    return
            for item in page:
                name = self._place.name(item["path"])
                if _is_name(name):
                    yield StoredBlob(name, item["size"], item["last_modified"].timestamp())

    async def delete(self, name: str) -> None:
        key = self._key(name)
        with self._answering():
            await obstore.delete_async(self._store, key)

    async def delete_old(self, name: str, before: float) -> bool:
        key = self._key(name)
        try:
            with self._answering(name=name):
                found = await obstore.head_async(self._store, key)
        except FileNotFoundError:
            return False
        if found["last_modified"].timestamp() > before:
            return False
        await self.delete(name)
        return True

    async def url(self, name: str, seconds: float, method: Literal["GET", "PUT"]) -> str:
        key = self._key(name)
        with self._answering():
            signed = obstore.sign_async(self._store, method, key, timedelta(seconds=seconds))
            return str(await signed)

    async def check(self) -> None:
        await round_trip(self)

    def _key(self, name: str) -> str:
        check_name(name)
        return self._place.key(name)

    @contextmanager
    def _answering(self, source: _Rest | None = None, *, name: str = "") -> Iterator[None]:
        """Raise ``FileNotFoundError`` for a missing blob ``name``, the error of ``source``, and
        ``BlobsAway`` for all else that the storage answers.
        """
        try:
            yield
        except (BaseError, FileNotFoundError, PermissionError) as error:
            if source is not None and source.failure is not None:
                raise source.failure from None
            text = str(error)
            code = _found(_CODE, text)
            if name and isinstance(error, FileNotFoundError) and code != "NoSuchBucket":
                raise FileNotFoundError(errno.ENOENT, "no such blob", name) from None
            if code == "InvalidRange" or _found(_STATUS, text) == "416":
                raise _BehindTheEnd from None
            # the answer may repeat what was signed, so it is not in the message
            problem = f"Blob storage {self._place}: {_problem(text, code, self._endpoint)}"
            if _is_refusal(text):
                raise BlobsRefused(problem) from None
            raise BlobsAway(problem) from None


class _BehindTheEnd(Exception):
    """A range begins behind the last byte."""


class _Rest:
    """The first part of a stream, then its other chunks; ``failure`` is the error of the stream."""

    def __init__(self, first: bytearray, source: AsyncIterator[bytes]) -> None:
        self._first: bytes | None = bytes(first)
        self._source = source
        self.failure: BaseException | None = None

    def __aiter__(self) -> _Rest:
        return self

    async def __anext__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        try:
            return await anext(self._source)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self.failure = error
            raise


async def _first_part(source: AsyncIterator[bytes]) -> bytearray:
    """The chunks of a stream until they are as long as a part."""
    first = bytearray()
    async for chunk in source:
        first += chunk
        if len(first) >= PART_BYTES:
            break
    return first


def _open(
    place: S3Place, access: S3Access, *, read_seconds: int, retries: int, retry_seconds: int
) -> S3Store:
    config, login = access.config(), access.login()
    client: ClientConfig = {
        "allow_http": config.get("endpoint", "").startswith("http://"),
        "connect_timeout": timedelta(seconds=5),
        "read_timeout": timedelta(seconds=read_seconds),
        "timeout": timedelta(hours=1),  # of a whole stream, which ``read_timeout`` ends before
    }
    retry: RetryConfig = {
        "max_retries": retries,
        "retry_timeout": timedelta(seconds=retry_seconds),
        "backoff": {"max_backoff": timedelta(seconds=2)},
    }
    return S3Store(
        place.bucket,
        config=config,
        client_options=client,
        retry_config=retry,
        credential_provider=(lambda: login) if login else None,
    )


def _problem(text: str, code: str, endpoint: str = "") -> str:
    """What is wrong, from the text of an error of the library."""
    if _REDIRECT in text:
        return _OTHER_REGION
    if code:
        message = _found(_MESSAGE, text)
        return f"it answered {code}" + (f", {message.rstrip('.')}" if message else "")
    if _METADATA_SERVICE in text:
        return _NO_LOGIN
    if status := _found(_STATUS, text):
        return f"it answered with status {status}"
    if "kind: Timeout" in text:
        return "no answer in time"
    if "kind: Connect" in text:
        server = endpoint.rpartition("@")[2]  # without a login
        return f"it cannot be reached at {server}" if server else "it cannot be reached"
    return text.splitlines()[0][:300] if text else "it failed"


def _is_refusal(text: str) -> bool:
    """Whether the same request would be refused again."""
    status = _found(_STATUS, text)
    is_setting = _METADATA_SERVICE in text or _REDIRECT in text
    return (status[:1] == "4" and status not in _PASSING) or is_setting


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""


def _is_name(name: str) -> bool:
    """Whether an object can be a blob; the bucket may have others."""
    try:
        check_name(name)
    except ValueError:
        return False
    return True
