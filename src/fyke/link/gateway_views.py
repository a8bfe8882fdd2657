"""Connections of a server to gateways, for the live views of their nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from fyke.contracts.browser_view import BrowserViews, ViewRefusal, ViewRefused
from fyke.errors import FykeError, Unavailable
from fyke.kit.certificates import CertifiedKey
from fyke.kit.hostports import split_host_port
from fyke.kit.stream_requests import RequestFailed, StreamRequests
from fyke.kit.tls import client_context
from fyke.link.connect import connect
from fyke.relay.asking import RemoteViews, ViewStream
from fyke.wire.node_views import ALPN, MAX_ANSWER
from fyke.wire.nodes import encode_error

CONNECT_SECONDS = 3.0
LATE_SECONDS = 6.0  # for an answer, which the gateway may have to wait for

# the certificate of the authority, and this server's own with its key
Credentials = Callable[[], Awaitable[tuple[str, CertifiedKey]]]

log = structlog.get_logger()


class GatewayViews:
    """Implements ``contracts.NodeViews``. A connection is made with the first view, and kept; it
    has the views of all users of this server. ``credentials`` may raise ``FykeError``.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._connecting: dict[str, asyncio.Task[ViewStream]] = {}
        self._open: dict[str, StreamRequests] = {}

    def of(self, node: str, gateway: str) -> BrowserViews:
        return RemoteViews(lambda: self._connected(gateway), node)

    def close(self) -> None:
        """End all connections, and their views."""
        for task in self._connecting.values():
            task.cancel()
        for requests in list(self._open.values()):
            requests.stream.close("the server stops")

    async def _connected(self, gateway: str) -> ViewStream:
        """The connection to a gateway. Views that need it at the same time wait for the same."""
        task = self._connecting.get(gateway)
        if task is None:
            task = self._connecting[gateway] = asyncio.create_task(self._connect(gateway))
            task.add_done_callback(lambda done: self._note_failure(gateway, done))
        try:
            return await asyncio.shield(task)
        except (FykeError, ValueError, TimeoutError):
            raise ViewRefused(ViewRefusal.AWAY) from None

    def _note_failure(self, gateway: str, task: asyncio.Task[ViewStream]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            if self._connecting.get(gateway) is task:
                del self._connecting[gateway]
            problem = str(error) or "no answer in time"
            log.warning("gateway_not_reached", gateway=gateway, problem=problem)

    async def _connect(self, gateway: str) -> ViewStream:
        address = split_host_port(gateway)

        def lost(_reason: str) -> None:
            if self._open.get(gateway) is requests:
                del self._open[gateway]
                self._connecting.pop(gateway, None)

        requests = StreamRequests(_refuse, _ignore, lost, _fault, most=MAX_ANSWER)
        self._open[gateway] = requests
        async with asyncio.timeout(CONNECT_SECONDS):
            authority, own = await self._credentials()
            await connect(address, client_context(authority, own, [ALPN]), requests)
        if self._open.get(gateway) is not requests:  # a gateway that refuses closes it at once
            raise Unavailable("The gateway has closed the connection")
        return ViewStream(requests, LATE_SECONDS)


async def _refuse(_body: bytes) -> bytes:
    raise RequestFailed(encode_error(FykeError("A server serves no requests")))


def _ignore(_notice: bytes) -> None:
    """Gateways send servers no notices."""


def _fault(_error: Exception) -> bytes:
    return encode_error(Unavailable("The server failed"))
