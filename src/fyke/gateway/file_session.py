"""Serves files to nodes by HTTP/1.1, on the port of the stream: one request on each connection.

Only a node with a certificate is served, and only by a URL that was signed for it. A file takes
constant memory; the blob of a PUT that ends early, or is too slow, is not stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import TypeVar

import h11
import structlog

from fyke.contracts.blobs import Blobs, Folder
from fyke.domain.nodes.authority import NodeIdentity, identity_of
from fyke.errors import Unavailable
from fyke.gateway.file_urls import BadFileUrl, FileGrant, FileSigner
from fyke.gateway.listener import Peer
from fyke.kit.certificates import BadCertificate
from fyke.kit.clock import Clock
from fyke.kit.jpeg import BadJpeg
from fyke.model.last_page import SCREENSHOT_LIMIT

MAX_SESSIONS = 64
MAX_OF_NODE = 8  # of them
HEAD_BYTES = 16 * 1024
HEAD_SECONDS = 10.0
IDLE_SECONDS = 20.0  # in which the next part must be sent, or read
READ_SECONDS = 900.0  # of a whole file
WRITE_SECONDS = 120.0
PART = 64 * 1024  # bytes of a part; no more than two are in memory beside those of the blobs
LINGER_SECONDS = 5.0  # for the rest of a body that is refused, or else the answer may be lost
LINGER_BYTES = 8 * 2**20

A = TypeVar("A")
DropEnvironment = Callable[[str, float], Awaitable[None]]
log = structlog.get_logger()


class FileSessions:
    """The connections of all nodes that read or write files."""

    def __init__(
        self,
        blobs: Blobs,
        signer: FileSigner,
        clock: Clock,
        drop_environment: DropEnvironment | None = None,
    ) -> None:
        """``drop_environment`` is ``EnvironmentArchives.drop``."""
        self.drop_environment = drop_environment
        self.blobs = blobs
        self.signer = signer
        self.clock = clock
        self._open: dict[asyncio.Task[None], str] = {}  # names of nodes
        self._nodes: Counter[str] = Counter()
        self.served = 0  # connections so far

    def accept(self, peer: Peer) -> asyncio.Protocol | None:
        """The protocol of a new connection; None for one without the certificate of a node, and
        while there are too many, or of this node.
        """
        try:
            identity = identity_of(peer.certificate or b"")
        except BadCertificate:
            identity = None
        if identity is None:
            log.warning("stranger_refused", address=peer.address)
            return None
        name = identity.name
        if self._nodes.total() >= MAX_SESSIONS or self._nodes[name] >= MAX_OF_NODE:
            log.warning("too_many_files", node=name, address=peer.address)
            return None
        self._nodes[name] += 1

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(_FileSession(self, identity, reader, writer).run())
            self._open[task] = name
            task.add_done_callback(self._ended)
            self.served += 1

        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=PART), begin)

    def close(self) -> None:
        """End all connections."""
        for task in self._open:
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        name = self._open.pop(task)
        self._nodes[name] -= 1
        if not self._nodes[name]:
            del self._nodes[name]


class _Refused(Exception):
    """The request is answered with this status; the text says why."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class _FileSession:
    """One connection of one node."""

    def __init__(
        self,
        sessions: FileSessions,
        identity: NodeIdentity,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._sessions = sessions
        self._identity = identity
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._log = log.bind(node=identity.name)
        writer.transport.set_write_buffer_limits(high=PART)

    async def run(self) -> None:
        try:
            await self._serve()
            await asyncio.wait_for(self._close(), IDLE_SECONDS)
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            self._log.warning("file_not_transferred", error=repr(error))
        except Exception as error:
            self._log.error("file_session_failed", exc_info=error)
        finally:
            self._writer.transport.abort()

    async def _serve(self) -> None:
        try:
            request = await asyncio.wait_for(self._request(), HEAD_SECONDS)
            grant = self._granted(request)
            if grant.method == "GET":
                await asyncio.wait_for(self._send_blob(grant), READ_SECONDS)
            else:
                await asyncio.wait_for(self._store_blob(grant, request), WRITE_SECONDS)
        except _Refused as refusal:
            self._log.warning("file_refused", status=refusal.status.value, reason=str(refusal))
            await self._answer(refusal.status, str(refusal))
            await self._drop_rest()

    # --- requests -----------------------------------------------------------------------------

    async def _request(self) -> h11.Request:
        event = await self._next()
        if not isinstance(event, h11.Request):
            raise ConnectionResetError("no request")
        return event

    def _granted(self, request: h11.Request) -> FileGrant:
        """What the request may do. Raise ``_Refused``."""
        try:
            grant = self._sessions.signer.read(request.target.decode("ascii", "replace"))
        except BadFileUrl:
            raise _Refused(HTTPStatus.FORBIDDEN, "The URL is not one of this gateway") from None
        if NodeIdentity(grant.node, grant.join_id) != self._identity:
            raise _Refused(HTTPStatus.FORBIDDEN, "The URL is for another node")
        if self._sessions.clock.now_ms() >= grant.expires_at:
            raise _Refused(HTTPStatus.FORBIDDEN, "The URL has expired")
        if request.method.decode("ascii", "replace") != grant.method:
            raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, "The URL is for another method")
        return grant

    async def _next(self) -> h11.Event:
        """The next event; an end in the middle of a request is a ``h11.RemoteProtocolError``."""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Event):
                return event
            if event is h11.PAUSED:
                raise ConnectionResetError("more than one request")
            data = await asyncio.wait_for(self._reader.read(PART), IDLE_SECONDS)
            self._http.receive_data(data)

    # --- answers ------------------------------------------------------------------------------

    async def _send_blob(self, grant: FileGrant) -> None:
        blobs = self._sessions.blobs
        size = await _available(blobs.size(grant.name))
        self._begin(HTTPStatus.OK, size)
        folder, _, digest = grant.name.partition("/")
        found = hashlib.sha256() if folder == Folder.ENVIRONMENTS else None
        read_at = time.time()
        try:
            async with aclosing(blobs.get_stream(grant.name)) as chunks:
                async for chunk in chunks:
                    if found is not None:
                        await asyncio.to_thread(found.update, chunk)
                    for at in range(0, len(chunk), PART):
                        await self._send(h11.Data(data=chunk[at : at + PART]))
        except (FileNotFoundError, Unavailable) as error:
            raise ConnectionResetError(f"the blob ended early: {error!r}") from error
        if found is not None and found.hexdigest() != digest:
            await self._drop_environment(digest, read_at)
            raise ConnectionResetError("the packed environment is damaged")
        await self._send(h11.EndOfMessage())
        self._log.info("file_sent", name=grant.name, bytes=size)

    async def _drop_environment(self, digest: str, read_at: float) -> None:
        if self._sessions.drop_environment is not None:
            with suppress(Unavailable):  # the next node that reads it comes here again
                await self._sessions.drop_environment(digest, read_at)

    async def _store_blob(self, grant: FileGrant, request: h11.Request) -> None:
        lengths = [value for name, value in request.headers if name == b"content-length"]
        if not lengths:
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "The size of the file is missing")
        if int(lengths[0]) > grant.most:
            text = f"The file has more than {grant.most} bytes"
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        async with aclosing(self._body(is_picture=grant.is_picture)) as chunks:
            await _available(self._sessions.blobs.put_stream(grant.name, chunks))
        await self._answer(HTTPStatus.OK, "Stored")
        self._log.info("file_stored", name=grant.name, bytes=int(lengths[0]))

    async def _body(self, *, is_picture: bool) -> AsyncGenerator[bytes, None]:
        """The parts of the body, all of them; a screenshot is checked before its end."""
        picture = bytearray()
        while isinstance(event := await self._next(), h11.Data):
            data = bytes(event.data)
            if is_picture:
                picture += data
            yield data
        if is_picture:
            try:
                SCREENSHOT_LIMIT.check(bytes(picture))
            except BadJpeg as error:
                text = f"The screenshot {error}"
                raise _Refused(HTTPStatus.UNPROCESSABLE_ENTITY, text) from error

    async def _answer(self, status: HTTPStatus, text: str) -> None:
        data = text.encode()
        self._begin(status, len(data))
        await self._send(h11.Data(data=data))
        await self._send(h11.EndOfMessage())

    def _begin(self, status: HTTPStatus, size: int) -> None:
        headers = [
            ("content-length", str(size)),
            ("content-type", "application/octet-stream"),
            ("cache-control", "no-store"),
            ("connection", "close"),
        ]
        head = h11.Response(status_code=status.value, headers=headers, reason=status.phrase)
        self._writer.write(self._http.send(head))

    async def _send(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")
        await asyncio.wait_for(self._writer.drain(), IDLE_SECONDS)

    # --- the end ------------------------------------------------------------------------------

    async def _drop_rest(self) -> None:
        """Read what the node still sends: a connection that is closed with unread bytes is reset,
        and the node may not see the answer.
        """
        left = LINGER_BYTES
        with suppress(TimeoutError, h11.RemoteProtocolError):
            async with asyncio.timeout(LINGER_SECONDS):
                while left > 0 and isinstance(event := await self._next(), h11.Data):
                    left -= len(event.data)

    async def _close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def _available(work: Awaitable[A]) -> A:
    """The result of a call of the blobs, whose errors are answered."""
    try:
        return await work
    except FileNotFoundError:
        raise _Refused(HTTPStatus.NOT_FOUND, "There is no such file") from None
    except Unavailable as error:
        raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE, error.message) from error
