"""Sends the same request to an application with the hot path and to one without it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import structlog
from starlette.types import Message

from fyke.api.app import ApiConfig, RestApi, build_app
from fyke.domain.accounts.service import Accounts
from fyke.domain.services import Services
from fyke.kit.clock import ManualClock
from support.app import SECRET, App

Head = Sequence[tuple[bytes, bytes]]
PEER = ("192.0.2.7", 5000)
HOST = (b"host", b"fyke.example")


@dataclass(frozen=True)
class Asked:
    """A request; the body arrives in these ``pieces``, unless the client leaves before its end, or
    stalls.
    """

    method: str
    path: str
    headers: Head
    pieces: Sequence[bytes] = (b"",)
    leaves: bool = False
    stalls: bool = False
    query: bytes = b""
    scheme: str = "http"


@dataclass(frozen=True)
class Answered:
    """An answer without the id of the request, and what was logged and recorded for it."""

    status: int
    headers: Head
    body: bytes
    log: list[dict[str, Any]]


@dataclass
class BothPaths:
    """Two applications over the same stores, each with its own buckets and cached keys."""

    app: App
    config: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.hot, self.full = self._build(hot=True), self._build(hot=False)
        self.taken = 0  # requests that the hot path has answered

    def _build(self, *, hot: bool) -> RestApi:
        services: Services = copy(self.app.services)
        services.inline = services.inline if hot else None
        inline = services.inline and services.inline.stores.state
        services.accounts = Accounts(self.app.storage, self.clock, inline=inline)
        values = {"master_secret": SECRET, "rate_limit": 0, "guesses": 10_000} | self.config
        values.setdefault("allowed_hosts", ("fyke.example",))
        return build_app(services, ApiConfig(**values), self.clock)

    async def check(self, asked: Asked) -> Answered:
        """Assert that both applications answer the same, and return the answer."""
        full = await _send(self.full, asked)
        hot = await self.ask_hot(asked)
        assert hot == full, asked
        return hot

    async def ask_hot(self, asked: Asked) -> Answered:
        """The answer of the application with the hot path; counts whether that was taken."""
        path, left = self.hot.hot_path, []
        assert path is not None

        async def watched(scope: Any, receive: Any, send: Any) -> Any:
            left.append(await path(scope, receive, send))
            return left[-1]

        self.hot.hot_path = watched  # type: ignore[assignment]
        try:
            answered = await _send(self.hot, asked)
        finally:
            self.hot.hot_path = path
        self.taken += left[-1] is None
        return answered


async def _send(app: RestApi, asked: Asked) -> Answered:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": asked.scheme,
        "path": asked.path,
        "raw_path": asked.path.encode(),
        "root_path": "",
        "query_string": asked.query,
        "headers": list(asked.headers),
        "client": PEER,
        "server": ("127.0.0.1", 8100),
        "state": {},
    }
    waiting = [
        {
            "type": "http.request",
            "body": piece,
            "more_body": asked.leaves or asked.stalls or at < len(asked.pieces) - 1,
        }
        for at, piece in enumerate(asked.pieces)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        if not waiting and asked.stalls:
            await asyncio.Event().wait()
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    with structlog.testing.capture_logs() as logged:
        await app(scope, receive, send)
    start, *rest = sent
    headers = dict(start["headers"])
    request_id = headers[b"x-request-id"]
    for line in logged:
        line.pop("ms", None)
        if line.get("request_id") == request_id.decode():
            line["request_id"] = "ID"
    return Answered(
        start["status"],
        [(name, b"ID" if name == b"x-request-id" else value) for name, value in start["headers"]],
        b"".join(message["body"] for message in rest).replace(request_id, b"ID"),
        logged,
    )
