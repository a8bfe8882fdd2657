"""Sockets of another network namespace that no process in it has a copy of.

Here it is the own one; the contract suite of browsers has others.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator

import pytest

from fyke.kit.sandbox_network import SandboxNetwork

pytestmark = pytest.mark.anyio


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def network(listener: socket.socket) -> Iterator[SandboxNetwork]:
    made = SandboxNetwork(listener, socket.socket())
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """What is connected to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


async def exchange(connection: socket.socket, server: socket.socket) -> None:
    """Send in both directions."""
    accepted, _ = server.accept()
    with accepted:
        assert accepted.getpeername() == connection.getsockname()
        accepted.sendall(b"down")
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(connection, 10) == b"down"
        await loop.sock_sendall(connection, b"up")
        assert accepted.recv(10) == b"up"


async def test_connections_are_made_one_after_the_other_and_at_once(
    network: SandboxNetwork, server: socket.socket
) -> None:
    for _ in range(3):
        with await network.connect(port_of(server)) as connection:
            await exchange(connection, server)
    made = await asyncio.gather(*(network.connect(port_of(server)) for _ in range(20)))
    assert len({connection.getsockname() for connection in made}) == 20
    for connection in made:
        accepted, _ = server.accept()
        accepted.close()
        connection.close()


async def test_strangers_at_the_listener_change_nothing(
    network: SandboxNetwork, listener: socket.socket, server: socket.socket
) -> None:
    """A program inside may connect there, send, and reset."""
    strangers = [socket.create_connection(listener.getsockname()) for _ in range(5)]
    for stranger in strangers:
        stranger.sendall(b"HTTP/1.1 101 X\r\n\r\n")
    strangers[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    strangers[1].close()
    for _ in range(7):
        with await network.connect(port_of(server)) as connection:
            await exchange(connection, server)
    with pytest.raises(ConnectionResetError):  # it was given up
        while strangers[0].recv(10):
            pass
    for stranger in strangers:
        stranger.close()


async def test_a_refused_connection_is_an_error_and_the_next_one_works(
    network: SandboxNetwork, server: socket.socket
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await network.connect(port_of(bound))
    with await network.connect(port_of(server)) as connection:
        await exchange(connection, server)


async def test_a_connection_that_is_given_up_leaves_the_next_one(
    listener: socket.socket, server: socket.socket
) -> None:
    client = socket.socket()
    network = SandboxNetwork(listener, client)
    connecting = asyncio.create_task(network.connect(port_of(server)))
    await asyncio.sleep(0)
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    with await network.connect(port_of(server)) as connection:
        assert connection.getblocking() is False
        assert connection.getpeername() == server.getsockname()
    network.close()
    assert (listener.fileno(), client.fileno()) == (-1, -1)


async def test_closing_drops_what_is_not_sent(
    network: SandboxNetwork, server: socket.socket
) -> None:
    connection = await network.connect(port_of(server))
    accepted, _ = server.accept()
    with accepted:
        connection.send(b"x")
        connection.close()
        with pytest.raises(ConnectionResetError):
            while accepted.recv(10):
                pass
