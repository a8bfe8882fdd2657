"""Files of a runner on another machine: fetched and sent by HTTPS, from and to S3 or the gateway.

The gateway says over the link where a file is; a URL of its own is a path. After ``Unavailable``
the caller asks again, and gets another URL. A node that cannot reach S3 fetches from the gateway.
It is ``BlobsAway`` when the link answers and the file does not come: the gateway may have lost S3.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from fyke.domain.workers.archive import MAX_BUNDLE
from fyke.domain.workers.bundles import files_missing
from fyke.errors import BlobsAway, FykeError, InvalidRequest, Unavailable
from fyke.kit.files import room_beside
from fyke.kit.hostports import join_host_port
from fyke.link.node_link import NodeLink
from fyke.model.last_page import PageContent
from fyke.model.node import GATEWAY_HOST, EnvironmentPlace, RunnableVersion
from fyke.model.run import AttemptKey
from fyke.model.worker import ENVIRONMENT_FREE_BYTES
from fyke.wire.nodes import (
    CheckPageRoom,
    DiscardPage,
    FileOwner,
    FileUrl,
    FindBundle,
    FindEnvironment,
    FoundEnvironment,
    StorePage,
)

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 20.0  # without a byte
FILE_SECONDS = 900.0
INDIRECT_SECONDS = 600.0  # for so long files come from the gateway when S3 could not be reached
PART = 64 * 1024
# bundles and pages at the same time: together fewer than a gateway accepts of one node, which
# counts a transfer until it has seen its end
MAX_BUNDLES, MAX_PAGES = 4, 2
MAX_ANSWER = 1000  # bytes of what the other end says is wrong

log = structlog.get_logger()


class RemoteFiles:
    """``NodeFiles`` over a link. Environments are only fetched: no other machine uses what a node
    has installed.
    """

    def __init__(self, link: NodeLink) -> None:
        self._link = link
        self._bundles = asyncio.Semaphore(MAX_BUNDLES)
        self._pages = asyncio.Semaphore(MAX_PAGES)  # which do not wait for bundles
        self._direct_at = 0.0  # by the monotonic clock: before, nothing is fetched from S3

    # --- bundles ------------------------------------------------------------------------------

    async def bundle(self, owner: AttemptKey | str, version: RunnableVersion, target: Path) -> None:
        """See ``NodeFiles.bundle``."""
        async with self._bundles:  # before a URL is asked for, which expires
            await self._bundle(owner, version, target)

    async def _bundle(
        self, owner: AttemptKey | str, version: RunnableVersion, target: Path
    ) -> None:
        digest = version.digest

        async def find(*, direct: bool) -> FileUrl:
            return await self._link.ask(FindBundle(_file_owner(owner), digest, direct))

        file = await find(direct=self._is_direct())
        found = await self._fetch_found(file, find, target, digest, MAX_BUNDLE)
        if found != digest:
            raise files_missing(version.number, sha256=found)

    # --- environments -------------------------------------------------------------------------

    async def environment(
        self, owner: AttemptKey | str, keys: Sequence[str], target: Path
    ) -> EnvironmentPlace:
        """See ``NodeFiles.environment``."""
        async with self._bundles:
            return await self._environment(owner, tuple(keys), target)

    async def _environment(
        self, owner: AttemptKey | str, keys: tuple[str, ...], target: Path
    ) -> EnvironmentPlace:
        async def ask(*, direct: bool) -> FoundEnvironment:
            return await self._link.ask(FindEnvironment(_file_owner(owner), keys, direct))

        async def find(*, direct: bool) -> FileUrl:
            again = await ask(direct=direct)
            if again.file is None or again.place != found.place:
                raise Unavailable("A packed environment is not there any more")
            return again.file

        found = await ask(direct=self._is_direct())
        archive = found.place.archive
        if archive is None or found.file is None:
            return found.place
        if archive.key not in keys:
            raise Unavailable("A packed environment is for another machine")
        digest, size = archive.digest, archive.size
        if await asyncio.to_thread(room_beside, target.parent, ENVIRONMENT_FREE_BYTES) < size:
            raise Unavailable("The disk has too little free space for a packed environment")
        got = await self._fetch_found(found.file, find, target, digest, size)
        if got != digest and not _is_own(found.file):
            # the gateway compares what it sends, and forgets an archive that is damaged
            got = await self._fetch(await find(direct=False), target, digest, size)
        if got != digest:
            raise Unavailable(f"A packed environment has the sha256 {got}, not {digest}")
        return found.place

    # --- last pages ---------------------------------------------------------------------------

    async def page_room(self, key: AttemptKey) -> bool:
        return await self._link.ask(CheckPageRoom(key))

    async def put_page(self, key: AttemptKey, content: PageContent) -> None:
        sizes = {kind.value: len(data) for kind, data in content.files.items()}
        if not sizes:
            return
        async with self._pages:
            urls = await self._link.ask(StorePage(key, sizes))
            for kind, data in content.files.items():
                file = urls.get(kind.value)
                if file is None:
                    raise FykeError(f"The gateway has no place for the file {kind.value}")
                await self._store(file, data)

    async def discard_page(self, key: AttemptKey) -> None:
        await self._link.ask(DiscardPage(key))

    # --- transfers ----------------------------------------------------------------------------

    def _is_direct(self) -> bool:
        return time.monotonic() >= self._direct_at

    async def _fetch_found(
        self,
        file: FileUrl,
        find: _Find,
        target: Path,
        digest: str,
        most: int,
    ) -> str:
        """``_fetch`` a file, from the gateway if it cannot be read from S3."""
        try:
            return await self._fetch(file, target, digest, most)
        except Unavailable as error:
            if _is_own(file):
                raise
            log.warning("file_not_fetched_from_s3", error=error.message)
            self._direct_at = time.monotonic() + INDIRECT_SECONDS
        return await self._fetch(await find(direct=False), target, digest, most)

    async def _fetch(self, file: FileUrl, target: Path, digest: str, most: int) -> str:
        """Write a file of at most ``most`` bytes to the new file ``target`` if it has this sha256;
        return the one that it has.
        """
        async with self._answer("GET", file) as answer:
            with _NewFile(target) as new:
                async for part in answer.aiter_raw(PART):
                    await asyncio.to_thread(new.append, part)
                    if new.size > most:
                        raise Unavailable(f"A file has more than {most} bytes")
                if new.digest == digest:
                    new.keep()
        return new.digest

    async def _store(self, file: FileUrl, data: bytes) -> None:
        async with self._answer("PUT", file, data):
            pass

    @asynccontextmanager
    async def _answer(
        self, method: str, file: FileUrl, data: bytes | None = None
    ) -> AsyncIterator[httpx2.Response]:
        """The answer to one request, which has succeeded. Raise ``BlobsAway``, ``Unavailable`` or
        ``InvalidRequest``, also while the answer is read.
        """
        http = await asyncio.to_thread(import_module, "httpx2")  # which takes a while
        timeout = http.Timeout(IDLE_SECONDS, connect=CONNECT_SECONDS)
        options: dict[str, Any] = {"content": data, "headers": {"accept-encoding": "identity"}}
        is_own = _is_own(file)
        if is_own:
            (host, port), context = self._link.files()
            url = f"https://{join_host_port(host, port)}{file.url}"
            options["extensions"] = {"sni_hostname": GATEWAY_HOST}
            # a proxy in the environment is none for gateways, as for the stream
            client = http.AsyncClient(verify=context, timeout=timeout, trust_env=False)
        else:
            url, client = file.url, http.AsyncClient(timeout=timeout)
        try:
            async with (
                asyncio.timeout(FILE_SECONDS),
                client,
                client.stream(method, url, **options) as answer,
            ):
                if answer.status_code >= 300:
                    # the answer of another server may repeat what was signed
                    raise _error(answer.status_code, await _text(answer) if is_own else "")
                yield answer
        except (http.HTTPError, http.InvalidURL, ssl.SSLError) as error:
            raise BlobsAway(f"A file was not transferred: {error!r}") from error
        except TimeoutError:
            raise BlobsAway(f"A file took more than {FILE_SECONDS:g} s") from None


class _Find(Protocol):
    """Asks where a file is; ``direct`` is as in ``FindBundle``."""

    async def __call__(self, *, direct: bool) -> FileUrl: ...


def _file_owner(owner: AttemptKey | str) -> FileOwner:
    return (
        FileOwner(attempt=owner) if isinstance(owner, AttemptKey) else FileOwner(version_id=owner)
    )


class _NewFile:
    """A file that gets its name when it is complete; else it is deleted."""

    def __init__(self, target: Path) -> None:
        self._target = target
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".fetched-")
        self._path = Path(name)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._sha256 = hashlib.sha256()
        self._lock = threading.Lock()  # a writer that was cancelled may still be writing
        self.size = 0

    def __enter__(self) -> _NewFile:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._file.close()
        self._path.unlink(missing_ok=True)

    @property
    def digest(self) -> str:
        return self._sha256.hexdigest()

    def append(self, data: bytes) -> None:
        with self._lock:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
            self._sha256.update(data)
            self.size += len(data)

    def keep(self) -> None:
        self._path.rename(self._target)


def _is_own(file: FileUrl) -> bool:
    """Whether the file is at the gateway."""
    return file.url.startswith("/")


def _error(status: int, text: str) -> FykeError:
    """What a refusal means. Another URL may be accepted, but not another request to write what is
    too large, or no picture. A gateway whose storage is away says so with status 503.
    """
    if status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY):
        return InvalidRequest(text or "The file is refused")
    refusal = BlobsAway if status == HTTPStatus.SERVICE_UNAVAILABLE else Unavailable
    return refusal(f"A file was not transferred: status {status} {text}".rstrip())


async def _text(answer: httpx2.Response) -> str:
    """The beginning of what the other end says."""
    async for part in answer.aiter_raw(MAX_ANSWER):
        return part.decode(errors="replace")
    return ""
