"""Handshakes: few at a time, also of those who never finish them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fyke.domain.nodes.authority import certify_gateway
from fyke.gateway import listener
from fyke.gateway.listener import Peer, network_of
from fyke.kit.certificates import new_authority
from fyke.kit.tls import unverified_context
from support.egress import until
from support.gateways import listening

pytestmark = pytest.mark.anyio

ALPN = "test/1"


class Place:
    """A listener on a port of loopback."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.peers: list[Peer] = []
        self.silent: list[socket.socket] = []

    def accept(self, peer: Peer) -> asyncio.Protocol:
        self.peers.append(peer)
        return asyncio.Protocol()

    def begin(self) -> socket.socket:
        """Connect, and send nothing."""
        self.silent.append(socket.create_connection(self.address))
        self.silent[-1].setblocking(False)
        return self.silent[-1]

    async def finish(self) -> None:
        """Connect with a whole handshake."""
        before = len(self.peers)
        loop = asyncio.get_running_loop()
        context = unverified_context([ALPN])
        transport, _ = await loop.create_connection(
            asyncio.Protocol, *self.address, ssl=context, server_hostname="x"
        )
        await until(lambda: len(self.peers) > before)
        transport.abort()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    now = time.time()
    authority = new_authority("Nodes", now, 3600)
    place = Place(("", 0))
    own = certify_gateway(authority, now)
    async with listening(authority.certificate, own, {ALPN: place.accept}) as place.address:
        yield place
        for sock in place.silent:
            sock.close()


async def has_ended(sock: socket.socket) -> None:
    """Wait until the other end has closed the connection."""
    loop = asyncio.get_running_loop()
    with pytest.raises(ConnectionError):
        if await loop.sock_recv(sock, 1) == b"":
            raise ConnectionResetError


@pytest.fixture
def few(monkeypatch: Any) -> Iterator[None]:
    monkeypatch.setattr(listener, "MAX_HANDSHAKES", 3)
    monkeypatch.setattr(listener, "MAX_OF_ADDRESS", 2)
    yield


async def test_a_new_handshake_ends_the_oldest_of_its_address(place: Place, few: None) -> None:
    first, second, third = place.begin(), place.begin(), place.begin()
    await has_ended(first)
    await place.finish()
    await has_ended(second)
    assert len(place.peers) == 1
    with pytest.raises(BlockingIOError):
        third.recv(1)


async def test_a_new_handshake_ends_the_oldest_of_all(
    place: Place, few: None, monkeypatch: Any
) -> None:
    networks = iter("abcd")
    monkeypatch.setattr(listener, "network_of", lambda _: next(networks))
    first, second, third = place.begin(), place.begin(), place.begin()
    await place.finish()
    await has_ended(first)
    for sock in (second, third):
        with pytest.raises(BlockingIOError):
            sock.recv(1)


async def test_a_handshake_takes_a_short_time(place: Place, monkeypatch: Any) -> None:
    monkeypatch.setattr(listener, "HANDSHAKE_SECONDS", 0.05)
    await has_ended(place.begin())
    assert place.peers == []


async def test_others_are_accepted_after_a_failed_handshake(place: Place) -> None:
    sock = place.begin()
    sock.send(b"GET / HTTP/1.1\r\n\r\n")
    await place.finish()
    assert len(place.peers) == 1


async def test_the_listener_goes_on_after_an_error(place: Place, monkeypatch: Any) -> None:
    monkeypatch.setattr(listener, "PAUSE_SECONDS", 0.0)
    loop = asyncio.get_running_loop()
    accept, errors = loop.sock_accept, [OSError(24, "Too many open files"), ConnectionError()]

    async def failing(sock: socket.socket) -> Any:
        if errors:
            raise errors.pop(0)
        return await accept(sock)

    monkeypatch.setattr(loop, "sock_accept", failing)
    await place.finish()  # of the call that waits already
    await place.finish()
    assert errors == []


async def test_a_closed_listener_ends_handshakes() -> None:
    now = time.time()
    authority = new_authority("Nodes", now, 3600)
    place = Place(("", 0))
    async with listening(
        authority.certificate, certify_gateway(authority, now), {ALPN: place.accept}
    ) as place.address:
        await place.finish()
        sock = place.begin()
        await place.finish()
    await has_ended(sock)
    with pytest.raises(ConnectionRefusedError):
        place.begin()
    sock.close()


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%lo", "fe80::2%lo", True),
        ("", "", True),
    ],
)
def test_networks_of_addresses(one: str, other: str, are_same: bool) -> None:
    assert (network_of(one) == network_of(other)) is are_same
