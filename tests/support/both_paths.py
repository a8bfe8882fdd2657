"""Sends the same request to a server with the hot path and to one without it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
import uvicorn
from uvicorn.server import ServerState

from fyke.api.app import ApiConfig, RestApi, build_app
from fyke.api.auth import credential
from fyke.api.protocol import LimitedProtocol
from fyke.contracts.revisions import RunRevisions
from fyke.domain.accounts.service import Accounts
from fyke.domain.services import Services
from fyke.errors import FykeError
from fyke.kit.clock import ManualClock
from support.app import SECRET, App

Head = Sequence[tuple[bytes, bytes]]
PEER = ("192.0.2.7", 5000)
HOST = (b"host", b"fyke.example")


@dataclass(frozen=True)
class Asked:
    """A request; the body arrives in these ``pieces``. The client leaves before the answer if it
    ``leaves``, or has declared a longer body.
    """

    method: str
    path: str
    headers: Head
    pieces: Sequence[bytes] = (b"",)
    leaves: bool = False
    query: bytes = b""
    scheme: str = "http"
    version: bytes = b"1.1"

    def head(self) -> bytes:
        target = self.path.encode() + (b"?" if self.query else b"") + self.query
        lines = [b"%s %s HTTP/%s" % (self.method.encode(), target, self.version)]
        return b"\r\n".join((*lines, *(b"%s: %s" % pair for pair in self.headers), b"", b""))


@dataclass(frozen=True)
class Answered:
    """An answer without the id of the request, whether the connection was closed, and what was
    logged and recorded for it.
    """

    data: bytes
    closed: bool
    log: list[dict[str, Any]]

    @property
    def status(self) -> int:
        return int(self.data[9:12]) if self.data else 0

    @property
    def headers(self) -> Head:
        lines = self.data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


@dataclass
class BothPaths:
    """Two applications over the same stores, each with its own buckets and cached keys.
    ``revisions``: those of the loop of the test, where it is not that of ``app``.
    """

    app: App
    config: dict[str, Any] = field(default_factory=dict)
    unused_keys: bool = False  # else the server has just seen the key of each request
    revisions: RunRevisions | None = None

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.accounts: dict[bool, Accounts] = {}
        self.hot, self.full = self._build(hot=True), self._build(hot=False)
        self.taken = 0  # requests that the hot path has answered
        self.repeated = 0  # requests that were answered without the parser

    def _build(self, *, hot: bool) -> RestApi:
        services: Services = copy(self.app.services)
        services.inline = services.inline if hot else None
        services.revisions = self.revisions or services.revisions if hot else None
        inline = services.inline and services.inline.stores.state
        services.accounts = self.accounts[hot] = Accounts(
            self.app.storage, self.clock, inline=inline
        )
        values = {"master_secret": SECRET, "rate_limit": 0, "guesses": 10_000} | self.config
        values.setdefault("allowed_hosts", ("fyke.example",))
        return build_app(services, ApiConfig(**values), self.clock)

    async def check(self, asked: Asked) -> Answered:
        """Assert that both applications answer the same, and return the answer. The bytes of a
        request that the hot path has answered before are sent a second time.
        """
        full = await send(self.full, asked)
        hot = await self.ask_hot(asked)
        assert hot == full, asked
        path = self.hot.hot_path
        assert path is not None
        known = path.repeated(asked.scheme, PEER[0]).get(asked.head() + b"".join(asked.pieces))
        if known is not None and not self.config.get("rate_limit"):
            with Session(self.hot, asked.scheme) as session:
                await session.send(Asked("GET", "/healthz", (HOST,)))
                assert await session.send(replace(asked, pieces=[b"".join(asked.pieces)])) == full
                self.repeated += session.repeated
        return hot

    async def ask_hot(self, asked: Asked) -> Answered:
        """The answer of the application with the hot path; counts whether that was taken."""
        path, left = self.hot.hot_path, []
        assert path is not None
        answer = path.answer

        def watched(request: Any, scope: Any, done: Any) -> None:
            def seen(answered: Any) -> None:
                left.append(answered)
                done(answered)

            answer(request, scope, seen)

        path.answer = watched  # type: ignore[method-assign]
        try:
            if not self.unused_keys:
                await self._use_key(asked)
            answered = await send(self.hot, asked)
        finally:
            del path.answer
        self.taken += bool(left) and left[-1] is not None
        return answered

    async def _use_key(self, asked: Asked) -> None:
        key = credential({"headers": asked.headers, "query_string": asked.query})
        if key is not None:
            with suppress(FykeError):
                await self.accounts[True].authenticate(key)


class Connection(asyncio.Transport):
    """A connection whose peer reads at once."""

    def __init__(self, scheme: str = "http") -> None:
        super().__init__()
        self.sent = b""
        self.closed = False
        self._extra = {"peername": PEER, "sockname": ("127.0.0.1", 8100)}
        if scheme == "https":
            self._extra["sslcontext"] = self  # type: ignore[assignment]

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._extra.get(name, default)

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def connect(app: Any, connection: Connection) -> LimitedProtocol:
    """The server's side of a connection."""
    config = uvicorn.Config(app, log_config=None, proxy_headers=False, lifespan="off", ws="none")
    protocol = LimitedProtocol(config, ServerState(), {})
    protocol.connection_made(connection)
    return protocol


class Session:
    """A connection on which requests follow each other. ``repeated``: see ``BothPaths``."""

    def __init__(self, app: Any, scheme: str = "http") -> None:
        self.connection = Connection(scheme)
        self.protocol = connect(app, self.connection)
        self.repeated = 0
        repeat = self.protocol._repeat

        def counted(data: bytes) -> bool:
            repeated = repeat(data)
            self.repeated += repeated
            return repeated

        self.protocol._repeat = counted  # type: ignore[method-assign]

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.protocol.connection_lost(None)

    async def send(self, asked: Asked) -> Answered:
        """The answer to one more request. A client that leaves can send no other."""
        connection, protocol = self.connection, self.protocol
        connection.sent = b""
        with structlog.testing.capture_logs() as logged:
            first, *rest = asked.pieces or (b"",)
            protocol.data_received(asked.head() + first)
            for piece in rest:
                if piece:
                    protocol.data_received(piece)
            leaves = asked.leaves or (protocol.cycle is not None and protocol.cycle.more_body)
            if leaves:
                protocol.connection_lost(None)
            while protocol.tasks or not (connection.sent or connection.closed or leaves):
                await asyncio.sleep(0)
        return _answered(connection, logged)


async def send(app: RestApi, asked: Asked) -> Answered:
    session = Session(app, asked.scheme)
    answered = await session.send(asked)
    if session.protocol.parser is not None:  # the client has not left
        session.protocol.connection_lost(None)
    return answered


def _answered(connection: Connection, logged: list[Any]) -> Answered:
    data = connection.sent
    request_id = dict(Answered(data, False, []).headers).get(b"x-request-id", b"")
    for line in logged:
        line.pop("ms", None)
        if "request_id" in line:  # the parser's own answer 400 has another one
            line["request_id"] = "ID" if line["request_id"] == request_id.decode() else "other"
    if request_id:
        data = data.replace(request_id, b"ID")
    return Answered(data, connection.closed, logged)
