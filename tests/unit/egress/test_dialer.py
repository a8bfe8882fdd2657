"""Dialling: only checked addresses, in order, each with its share of the time."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address

import pytest

from fyke.egress.actions import ProxyRefusal
from fyke.egress.dialer import Dialer
from fyke.egress.pools import Pool, PoolSession
from fyke.egress.rules import LookupRate, Target, TargetRefused, TargetRules
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver
from support.egress import listener, port_of, until

pytestmark = pytest.mark.anyio
ANSWERS = {"two.example": ("127.0.0.2", "127.0.0.1"), "one.example": ("127.0.0.1",)}
RUN = PoolSession("run")


def dialer(upstream: str = "", *allow: str, seconds: float = 5.0) -> Dialer:
    resolver = Resolver(lambda name: ANSWERS.get(name, ()))
    rules = TargetRules(AddressRules(allow or ["127.0.0.0/8"]), resolver, LookupRate())
    pool = Pool.parse("US", upstream, resolver) if upstream else None
    return Dialer(rules, pool, seconds)


class ClosingProtocol(asyncio.Protocol):
    """Closes each connection at once, and records the bytes that arrived before it."""

    def __init__(self, early: bytes) -> None:
        self.early = early

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        early_bytes.append(self.early)
        transport.close()


early_bytes: list[bytes] = []  # of each connection


@pytest.fixture(autouse=True)
def clear_connections() -> None:
    early_bytes.clear()


async def refusal(target_dialer: Dialer, host: str, port: int) -> TargetRefused:
    with pytest.raises(TargetRefused) as caught:
        await target_dialer.connect(Target(host, port), RUN, ClosingProtocol)
    assert early_bytes == []
    return caught.value


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return port_of(sock)


async def test_the_next_address_is_tried_when_one_refuses() -> None:
    with listener() as sock:  # on 127.0.0.1 only
        await dialer().connect(Target("two.example", port_of(sock)), RUN, ClosingProtocol)
    assert early_bytes == [b""]


async def test_the_error_of_the_last_address_is_reported_with_the_target() -> None:
    port = closed_port()
    error = await refusal(dialer(), "two.example", port)
    assert error.refusal is ProxyRefusal.CONNECTION_REFUSED
    assert error.reason == f"two.example port {port}: connection refused"


async def test_addresses_that_the_rules_refuse_are_not_dialled() -> None:
    with listener() as sock:
        target_dialer = dialer("", "10.0.0.0/8")
        error = await refusal(target_dialer, "one.example", port_of(sock))
        assert error.refusal is ProxyRefusal.UNRESOLVABLE
        with pytest.raises(TargetRefused, match="not on the public internet"):
            await target_dialer.connect(
                Target(IPv4Address("127.0.0.1"), port_of(sock)), RUN, ClosingProtocol
            )


class Upstream:
    """A region's proxy that answers every connection with ``reply``, and records its input."""

    def __init__(self, reply: bytes) -> None:
        self.reply = reply
        self.received = b""

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.reply)
        while data := await reader.read(1000):
            self.received += data
        writer.close()


async def test_the_first_bytes_of_a_target_behind_a_proxy_are_passed_on() -> None:
    async with Upstream(b"HTTP/1.1 200 OK\r\n\r\n220 hello") as upstream:
        target_dialer = dialer(f"http://{upstream.url}")
        await target_dialer.connect(Target("one.example", 80), RUN, ClosingProtocol)
    assert early_bytes == [b"220 hello"]


@pytest.mark.parametrize(
    ("scheme", "sent"), [("socks5", b"\x7f\x00\x00\x01"), ("socks5h", b"one.")]
)
async def test_a_proxy_gets_the_checked_address_unless_it_resolves_names(
    scheme: str, sent: bytes
) -> None:
    async with Upstream(b"\x05\x00\x05\x00\x00\x01" + bytes(6)) as upstream:
        target_dialer = dialer(f"{scheme}://{upstream.url}")
        await target_dialer.connect(Target("one.example", 80), RUN, ClosingProtocol)
        await until(lambda: sent in upstream.received)


async def test_a_failing_proxy_is_reported_as_the_cause() -> None:
    async with Upstream(b"HTTP/1.1 502 Bad Gateway\r\n\r\n") as upstream:
        error = await refusal(dialer(f"http://{upstream.url}"), "one.example", 80)
    assert error.refusal is ProxyRefusal.UPSTREAM_FAILED
    assert "502 Bad Gateway" in error.reason


async def test_a_target_that_does_not_answer_times_out() -> None:
    async with Upstream(b"") as upstream:
        target_dialer = dialer(f"http://{upstream.url}", seconds=0.05)
        error = await refusal(target_dialer, "two.example", 80)
    assert error.refusal is ProxyRefusal.TIMED_OUT
    assert error.reason == "two.example port 80: timed out"
