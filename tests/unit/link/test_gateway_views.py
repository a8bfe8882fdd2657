"""When a server connects to a gateway for live views, and which views share a connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from fyke.contracts.browser_view import ViewRefusal, ViewRefused
from fyke.errors import Unavailable
from fyke.kit.certificates import CertifiedKey
from fyke.kit.stream_frames import SendLane
from fyke.kit.stream_requests import RequestFailed, StreamRequests
from fyke.link import gateway_views
from fyke.link.gateway_views import GatewayViews
from fyke.wire.browser_views import ViewDone
from fyke.wire.node_views import MAX_REQUEST
from fyke.wire.nodes import decode_error, encode
from support.browser_hosts import until

pytestmark = pytest.mark.anyio

ONE, OTHER = "10.0.0.1:9110", "10.0.0.2:9110"


async def _done(_body: bytes) -> bytes:
    return encode(ViewDone())


@dataclass
class Gateways:
    """The other ends of all connections, in the order in which they were made, and their hosts.
    ``before`` is called before a stream is connected, and ``after`` with the end of the server.
    """

    ends: list[StreamRequests] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    before: Callable[[], Awaitable[Any]] | None = None
    after: Callable[[StreamRequests], Awaitable[Any]] | None = None

    async def connect(
        self, address: tuple[str, int], _context: object, requests: StreamRequests
    ) -> None:
        self.hosts.append(address[0])
        if self.before is not None:
            await self.before()
        end = StreamRequests(
            _done,
            lambda _: None,
            lambda _: None,
            lambda _: b"",
            MAX_REQUEST,
            answers=SendLane.VIEWS,
        )
        loop = asyncio.get_running_loop()
        for stream, sock in zip((requests.stream, end.stream), socket.socketpair(), strict=True):
            sock.setblocking(False)
            await loop.create_connection(lambda stream=stream: stream, sock=sock)
        self.ends.append(end)
        if self.after is not None:
            await self.after(requests)

    def close(self) -> None:
        for end in self.ends:
            end.stream.close("over")


@pytest.fixture
async def gateways(monkeypatch: pytest.MonkeyPatch, anyio_backend: str) -> AsyncIterator[Gateways]:
    made = Gateways()
    monkeypatch.setattr(gateway_views, "connect", made.connect)
    monkeypatch.setattr(gateway_views, "client_context", lambda *_: None)
    async with asyncio.timeout(60):
        yield made
    made.close()


@pytest.fixture
async def server(gateways: Gateways) -> AsyncIterator[GatewayViews]:
    server = GatewayViews(credentials)
    yield server
    server.close()


async def credentials() -> tuple[str, CertifiedKey]:
    return "authority", CertifiedKey("own", "key")


async def ask(server: GatewayViews, gateway: str = ONE, node: str = "n1") -> None:
    """Send one request about a browser of the node, which needs a connection."""
    await server.of(node, gateway).give_back("A1", "session")


async def refusal(server: GatewayViews) -> ViewRefusal:
    with pytest.raises(ViewRefused) as refused:
        await ask(server)
    return refused.value.refusal


async def test_nothing_is_connected_before_the_first_view(
    server: GatewayViews, gateways: Gateways
) -> None:
    views = server.of("n1", ONE)
    assert views.node() == "n1" and not gateways.hosts
    await views.give_back("A1", "session")
    assert gateways.hosts == ["10.0.0.1"]


async def test_all_views_through_a_gateway_share_one_connection(
    server: GatewayViews, gateways: Gateways
) -> None:
    await asyncio.gather(*(ask(server, ONE, node) for node in ("n1", "n1", "n2")))
    await ask(server)
    await ask(server, OTHER)
    assert gateways.hosts == ["10.0.0.1", "10.0.0.2"]


async def test_others_still_get_a_connection_that_the_first_no_longer_waits_for(
    server: GatewayViews, gateways: Gateways
) -> None:
    go_on = asyncio.Event()
    gateways.before = go_on.wait
    first = asyncio.create_task(ask(server))
    await until(lambda: gateways.hosts)
    other = asyncio.create_task(ask(server))
    first.cancel()
    await asyncio.wait([first])
    go_on.set()
    await other
    assert first.cancelled() and len(gateways.hosts) == 1


async def test_a_lost_connection_is_replaced_and_those_to_other_gateways_stay(
    server: GatewayViews, gateways: Gateways
) -> None:
    await ask(server, ONE)
    await ask(server, OTHER)
    gateways.ends[0].stream.close("a test")
    await until(lambda: ONE not in server._connecting)
    await ask(server, ONE)
    await ask(server, OTHER)
    assert gateways.hosts == ["10.0.0.1", "10.0.0.2", "10.0.0.1"]


async def test_a_failure_is_logged_once_and_the_next_view_tries_again(
    server: GatewayViews, gateways: Gateways
) -> None:
    async def fail() -> None:
        raise Unavailable("No connection to it")

    gateways.before = fail
    with capture_logs() as logged:
        found = await asyncio.gather(refusal(server), refusal(server))
        await until(lambda: logged)
    assert found == [ViewRefusal.AWAY] * 2 and len(gateways.hosts) == 1
    assert [(line["event"], line["gateway"], line["problem"]) for line in logged] == [
        ("gateway_not_reached", ONE, "No connection to it")
    ]
    gateways.before = None
    await ask(server)
    assert len(gateways.hosts) == 2


async def test_a_gateway_or_credentials_that_take_too_long_are_given_up(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_views, "CONNECT_SECONDS", 0.01)

    async def never() -> Any:
        await asyncio.Event().wait()

    gateways.before = never
    with capture_logs() as logged:
        for made in (credentials, never):
            assert await refusal(GatewayViews(made)) is ViewRefusal.AWAY
        await until(lambda: len(logged) == 2)
    assert {line["problem"] for line in logged} == {"no answer in time"}
    assert len(gateways.hosts) == 1


async def test_without_credentials_nothing_is_connected(gateways: Gateways) -> None:
    async def missing() -> tuple[str, CertifiedKey]:
        raise Unavailable("There is no authority")

    assert await refusal(GatewayViews(missing)) is ViewRefusal.AWAY
    assert not gateways.hosts


async def test_a_gateway_that_closes_the_connection_at_once_is_away(
    server: GatewayViews, gateways: Gateways
) -> None:
    async def closed(requests: StreamRequests) -> None:
        requests.stream.close("refused")

    gateways.after = closed
    assert await refusal(server) is ViewRefusal.AWAY
    gateways.after = None
    await ask(server)
    assert len(gateways.hosts) == 2


async def test_the_failure_of_a_connection_does_not_end_the_one_after_it(
    server: GatewayViews, gateways: Gateways
) -> None:
    """The first is lost before it is complete, and the second is made before the first fails."""
    fail = asyncio.Event()

    async def lost(requests: StreamRequests) -> None:
        requests.stream.close("a test")
        await fail.wait()

    gateways.after = lost
    first = asyncio.create_task(refusal(server))
    await until(lambda: gateways.ends and ONE not in server._connecting)
    gateways.after = None
    await ask(server)
    with capture_logs() as logged:
        fail.set()
        assert await first is ViewRefusal.AWAY
        await until(lambda: logged)
    await ask(server)
    assert len(gateways.hosts) == 2


async def test_the_end_of_a_connection_that_was_given_up_does_not_end_the_one_after_it(
    server: GatewayViews, gateways: Gateways
) -> None:
    async def refuse(_requests: StreamRequests) -> None:
        raise Unavailable("It is no gateway")

    given_up: list[StreamRequests] = []
    gateways.after = lambda requests: given_up.append(requests) or refuse(requests)
    assert await refusal(server) is ViewRefusal.AWAY
    gateways.after = None
    await ask(server)
    given_up[0].stream.close("late")
    await ask(server)
    assert len(gateways.hosts) == 2


async def test_gateways_cannot_ask_servers_for_anything(
    server: GatewayViews, gateways: Gateways
) -> None:
    await ask(server)
    [gateway] = gateways.ends
    gateway.notify(b"news")
    with pytest.raises(RequestFailed) as refused:
        await gateway.ask(b"anything")
    assert "A server serves no requests" in str(decode_error(refused.value.body))
    await ask(server)
    assert len(gateways.hosts) == 1


async def test_connections_that_are_being_made_end_with_the_server(
    server: GatewayViews, gateways: Gateways
) -> None:
    ended = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    gateways.before = wait
    view = asyncio.create_task(ask(server))
    await until(lambda: gateways.hosts)
    server.close()
    await ended.wait()
    await asyncio.wait([view])
    assert not gateways.ends and not server._connecting and not server._open
