"""Live views over streams between two ends in this process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fyke.contracts.browser_view import BrowserViews
from fyke.kit.stream_frames import SendLane
from fyke.kit.stream_requests import StreamRequests
from fyke.relay.asking import RemoteViews, ViewStream
from fyke.relay.serving import FindViews, ServedViews
from fyke.wire.node_views import MAX_ANSWER, MAX_REQUEST

Serve = Callable[[bytes], Awaitable[bytes]]


async def _connected(requests: StreamRequests, sock: socket.socket) -> None:
    sock.setblocking(False)
    await asyncio.get_running_loop().create_connection(lambda: requests.stream, sock=sock)


@asynccontextmanager
async def view_stream(
    serve: Serve, on_lost: Callable[[], None] = lambda: None, late_seconds: float = 30.0
) -> AsyncIterator[ViewStream]:
    """A stream on which views are asked for, whose other end answers by ``serve``."""

    async def refuse(body: bytes) -> bytes:
        raise AssertionError(body)

    asking = StreamRequests(refuse, _ignore, lambda _: None, lambda _: b"", most_answer=MAX_ANSWER)
    serving = StreamRequests(
        serve, _ignore, lambda _: on_lost(), lambda _: b"", MAX_REQUEST, answers=SendLane.VIEWS
    )
    one, other = socket.socketpair()
    await _connected(asking, one)
    await _connected(serving, other)
    try:
        yield ViewStream(asking, late_seconds)
    finally:
        asking.stream.close("over")
        serving.stream.close("over")


@asynccontextmanager
async def relayed(find: FindViews) -> AsyncIterator[RemoteViews]:
    """The views that ``find`` gives, over a stream."""
    served = ServedViews(find)
    async with view_stream(served.serve, served.close) as stream:

        async def connected() -> ViewStream:
            return stream

        yield RemoteViews(connected, "n1")


@asynccontextmanager
async def as_on_a_node(views: BrowserViews) -> AsyncIterator[RemoteViews]:
    """Views of a node as a server has them: by way of a gateway."""
    async with (
        relayed(lambda _node, _attempt: views) as at_gateway,
        relayed(lambda _node, _attempt: at_gateway) as at_server,
    ):
        yield at_server


def _ignore(_notice: bytes) -> None:
    """Neither end sends notices."""
