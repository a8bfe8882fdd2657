"""Dialling: only checked addresses, in order, each with its share of the time."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address

import pytest

from fyke.egress.actions import ProxyRefusal
from fyke.egress.dialer import Dialer
from fyke.egress.pools import Pool, PoolSession
from fyke.egress.rules import LookupPace, Target, TargetRefused, TargetRules
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver
from support.egress import listener, port_of, until

pytestmark = pytest.mark.anyio
ANSWERS = {"two.example": ("127.0.0.2", "127.0.0.1"), "one.example": ("127.0.0.1",)}
RUN = PoolSession("run")


def dialer(upstream: str = "", *allow: str, seconds: float = 5.0) -> Dialer:
    resolver = Resolver(lambda name: ANSWERS.get(name, ()))
    rules = TargetRules(AddressRules(allow or ["127.0.0.0/8"]), resolver, LookupPace())
    pool = Pool.parse("US", upstream, resolver) if upstream else None
    return Dialer(rules, pool, seconds)


class Ended(asyncio.Protocol):
    """A connection that is closed as soon as it stands; ``early`` are the bytes before it."""

    def __init__(self, early: bytes) -> None:
        self.early = early

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made.append(self.early)
        transport.close()


made: list[bytes] = []


@pytest.fixture(autouse=True)
def none_made() -> None:
    made.clear()


async def refusal(one: Dialer, host: str, port: int) -> TargetRefused:
    with pytest.raises(TargetRefused) as caught:
        await one.connect(Target(host, port), RUN, Ended)
    assert made == []
    return caught.value


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return port_of(sock)


async def test_the_next_address_is_tried_when_one_refuses() -> None:
    with listener() as sock:  # on 127.0.0.1 only
        await dialer().connect(Target("two.example", port_of(sock)), RUN, Ended)
    assert made == [b""]


async def test_the_refusal_of_the_last_address_is_named_with_the_target() -> None:
    port = closed_port()
    error = await refusal(dialer(), "two.example", port)
    assert error.refusal is ProxyRefusal.CONNECTION_REFUSED
    assert error.reason == f"two.example port {port}: connection refused"


async def test_nothing_is_dialled_that_the_rules_do_not_admit() -> None:
    with listener() as sock:
        one = dialer("", "10.0.0.0/8")
        assert (await refusal(one, "one.example", port_of(sock))).refusal is ProxyRefusal.FORBIDDEN
        with pytest.raises(TargetRefused, match="not on the public internet"):
            await one.connect(Target(IPv4Address("127.0.0.1"), port_of(sock)), RUN, Ended)


class Upstream:
    """A region's proxy that answers every connection with these bytes, and keeps what it got."""

    def __init__(self, reply: bytes) -> None:
        self.reply = reply
        self.heard = b""

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.reply)
        while data := await reader.read(1000):
            self.heard += data
        writer.close()


async def test_through_a_proxy_the_first_bytes_of_the_target_are_handed_on() -> None:
    async with Upstream(b"HTTP/1.1 200 OK\r\n\r\n220 hello") as upstream:
        one = dialer(f"http://{upstream.url}")
        await one.connect(Target("one.example", 80), RUN, Ended)
    assert made == [b"220 hello"]


@pytest.mark.parametrize(
    ("scheme", "sent"), [("socks5", b"\x7f\x00\x00\x01"), ("socks5h", b"one.")]
)
async def test_a_proxy_gets_the_checked_address_or_the_name_if_it_resolves(
    scheme: str, sent: bytes
) -> None:
    async with Upstream(b"\x05\x00\x05\x00\x00\x01" + bytes(6)) as upstream:
        one = dialer(f"{scheme}://{upstream.url}")
        await one.connect(Target("one.example", 80), RUN, Ended)
        await until(lambda: sent in upstream.heard)


async def test_a_proxy_that_fails_is_named_as_the_cause() -> None:
    async with Upstream(b"HTTP/1.1 502 Bad Gateway\r\n\r\n") as upstream:
        error = await refusal(dialer(f"http://{upstream.url}"), "one.example", 80)
    assert error.refusal is ProxyRefusal.UPSTREAM_FAILED
    assert "502 Bad Gateway" in error.reason


async def test_a_target_that_does_not_answer_in_time_is_given_up() -> None:
    async with Upstream(b"") as upstream:
        one = dialer(f"http://{upstream.url}", seconds=0.05)
        error = await refusal(one, "two.example", 80)
    assert error.refusal is ProxyRefusal.TIMED_OUT
    assert error.reason == "two.example port 80: timed out"
