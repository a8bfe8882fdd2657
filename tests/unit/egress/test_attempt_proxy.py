"""The connections and listeners of one attempt's proxy."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path

import pytest

from fyke.egress.actions import Credentials
from fyke.egress.attempt_proxy import OWN_NAMES, AttemptProxy
from fyke.egress.dialer import Dialer
from fyke.egress.limits import ProxyLimits
from fyke.egress.meter import DOWN, Meter
from fyke.egress.proxied_connection import ProxiedConnection, client_protocol
from fyke.egress.rules import LookupRate, TargetRules
from fyke.egress.site_counters import SiteCounters
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver
from fyke.kit.unnamed_socket import listen_unnamed
from support.egress import basic, connect, listener, port_of, until

pytestmark = pytest.mark.anyio


class Connection:
    """An open connection that records how it is ended."""

    def __init__(self) -> None:
        self.idle_sweeps = 0
        self.counts = True
        self.calls: list[object] = []

    def end(self, grace: float) -> None:
        self.calls.append(grace)

    def abort(self) -> None:
        self.calls.append("abort")


class Setup:
    def __init__(self, limit: int | None = None) -> None:
        self.trips = 0
        self.throttled: list[str] = []
        rules = TargetRules(AddressRules(), Resolver(lambda name: ()), LookupRate())
        self.proxy = AttemptProxy(
            Credentials("A", "secret"),
            Meter(limit),
            SiteCounters(),
            Dialer(rules, None, 1.0),
            ProxyLimits(trip_grace=0.5),
            self._trip,
            self.throttled.append,
        )
        self.connections = [Connection(), Connection()]
        self.proxy.connections.update(self.connections)

    def _trip(self) -> None:
        self.trips += 1


def test_the_limit_ends_each_connection_gracefully_and_is_reported_once() -> None:
    setup = Setup()
    setup.proxy.trip()
    setup.proxy.trip()
    assert [connection.calls for connection in setup.connections] == [[0.5, 0.5]] * 2
    assert setup.trips == 1


def test_a_proxy_is_closed_by_its_limit_and_by_stop() -> None:
    setup = Setup(limit=10)
    assert (setup.proxy.meter.take(10, DOWN), setup.proxy.is_closed) == (10, False)
    assert (setup.proxy.meter.take(1, DOWN), setup.proxy.is_closed) == (0, True)
    other = Setup()
    other.proxy.stop(final=False)
    assert other.proxy.is_closed
    assert [connection.calls for connection in other.connections] == [["abort"]] * 2


def test_only_idle_connections_are_cut() -> None:
    setup = Setup()
    idle, busy = setup.connections
    for _ in range(3):
        setup.proxy.sweep(3)
        busy.idle_sweeps = 0  # a byte has passed
    assert (idle.calls, busy.calls) == ([], [])
    setup.proxy.sweep(3)
    assert (idle.calls, busy.calls) == (["abort"], [])


async def test_an_idle_connection_to_the_browser_is_not_cut() -> None:
    setup, sock = Setup(), listener()
    setup.proxy.connections.clear()
    browser, address = listen_unnamed()
    setup.proxy.own_browser(address)
    os.close(address)
    await setup.proxy.listen(sock, lambda: client_protocol(setup.proxy))
    reader, writer = await connect(port_of(sock))
    token = basic("A", "secret")
    head = f"CONNECT 127.0.0.1:9222 HTTP/1.1\r\nProxy-Authorization: {token}\r\n\r\n"
    writer.write(head.encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    for _ in range(9):
        setup.proxy.sweep(3)
    with browser, browser.accept()[0] as accepted:
        accepted.sendall(b"an event")
        assert await reader.readexactly(8) == b"an event"
    writer.close()
    setup.proxy.stop(final=True)


def test_the_first_ten_throttled_sites_are_reported_once_each() -> None:
    setup = Setup()
    for _ in range(2):
        for number in range(12):
            setup.proxy.report_throttled(f"site{number}", f"why {number}")
    assert setup.throttled == [f"why {number}" for number in range(10)]


async def test_the_endpoints_of_a_proxy_are_its_address_and_names(tmp_path: Path) -> None:
    setup = Setup()
    sock, unix = listener(), socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "sock"))
    for item in (sock, unix):
        await setup.proxy.listen(item, asyncio.Protocol)
        setup.proxy.add_endpoint(item)
    port = port_of(sock)
    assert setup.proxy.endpoints == {(name, port) for name in ("127.0.0.1", *OWN_NAMES)}
    setup.proxy.stop(final=True)


async def test_a_client_that_resets_the_connection_after_a_refusal_leaves_nothing_open() -> None:
    setup, sock = Setup(), listener()
    setup.proxy.connections.clear()
    await setup.proxy.listen(sock, lambda: client_protocol(setup.proxy))
    client = socket.create_connection(("127.0.0.1", port_of(sock)))
    await until(lambda: len(setup.proxy.connections) == 1)
    (connection,) = setup.proxy.connections
    assert isinstance(connection, ProxiedConnection) and connection.client is not None
    write = connection.client.write

    def write_and_reset(data: bytes) -> None:
        write(data)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

    connection.client.write = write_and_reset  # type: ignore[method-assign]
    token = basic("A", "secret")
    head = f"CONNECT 127.0.0.1:80 HTTP/1.1\r\nProxy-Authorization: {token}\r\n\r\n"
    client.sendall(head.encode())
    await until(lambda: not setup.proxy.connections)
    assert client.fileno() == -1
    setup.proxy.stop(final=True)


@pytest.mark.parametrize("final", [True, False])
async def test_only_a_final_stop_ends_the_copies_of_the_listeners(
    final: bool,
) -> None:
    setup, sock = Setup(), listener()
    copy = sock.dup()
    port = port_of(sock)
    await setup.proxy.listen(sock, asyncio.Protocol)
    setup.proxy.stop(final=final)
    with copy:
        if final:
            with pytest.raises(ConnectionRefusedError):
                await connect(port)
        else:
            _, writer = await connect(port)
            writer.close()
