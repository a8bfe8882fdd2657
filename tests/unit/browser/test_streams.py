"""One end of a connection: bounded buffers, ends of both directions."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from fyke.browser.streams import READ_BYTES, WRITE_BYTES, ByteStream, StreamEnded, TooLong

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pair() -> AsyncIterator[tuple[ByteStream, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    stream = ByteStream()
    await asyncio.get_running_loop().create_connection(lambda: stream, sock=ours)
    with theirs:
        yield stream, theirs
        stream.abort()


async def test_reads_stop_at_the_mark(pair: tuple[ByteStream, socket.socket]) -> None:
    stream, peer = pair
    peer.send(b"head\r\n")
    reading = asyncio.create_task(stream.read_until(b"\r\n\r\n", 100))
    await asyncio.sleep(0)
    peer.send(b"\r\nbody and more")
    assert await reading == b"head\r\n\r\n"
    assert await stream.read_exactly(4) == b"body"
    assert await stream.read() == b" and more"


async def test_a_mark_that_does_not_come(pair: tuple[ByteStream, socket.socket]) -> None:
    stream, peer = pair
    peer.send(b"x" * 200)
    with pytest.raises(TooLong):
        await stream.read_until(b"\r\n\r\n", 100)
    peer.close()
    with pytest.raises(StreamEnded):
        await stream.read_until(b"\r\n\r\n", 1000)
    assert stream.gone.done()


async def test_a_mark_beyond_the_limit_is_too_late(pair: tuple[ByteStream, socket.socket]) -> None:
    stream, peer = pair
    peer.send(b"x" * 97 + b"\r\n\r\n")
    with pytest.raises(TooLong):
        await stream.read_until(b"\r\n\r\n", 100)


async def test_the_end_is_told_while_nobody_reads(pair: tuple[ByteStream, socket.socket]) -> None:
    stream, peer = pair
    peer.send(b"last words")
    peer.shutdown(socket.SHUT_WR)
    await asyncio.wait_for(stream.gone, 10)
    assert await stream.read() == b"last words"
    assert await stream.read() == b""


async def fill(peer: socket.socket) -> int:
    """Send until nothing more is taken; return how many bytes."""
    sent, quiet = 0, 0
    while quiet < 50:
        try:
            sent += peer.send(b"x" * 65536)
            quiet = 0
        except BlockingIOError:
            quiet += 1
            await asyncio.sleep(0.002)
    return sent


async def test_a_peer_that_is_not_read_is_stopped(pair: tuple[ByteStream, socket.socket]) -> None:
    stream, peer = pair
    sent = await fill(peer)
    assert len(stream._buffer) <= READ_BYTES + 256 * 1024
    received = 0
    while received < sent:
        received += len(await stream.read())
    assert await fill(peer) > 0  # it reads again


async def test_more_than_the_buffer_can_be_awaited(pair: tuple[ByteStream, socket.socket]) -> None:
    stream, peer = pair
    data = b"y" * (READ_BYTES * 10)
    sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(peer, data))
    assert await stream.read_exactly(len(data)) == data
    await sending


async def test_drain_waits_for_a_peer_that_does_not_read(
    pair: tuple[ByteStream, socket.socket],
) -> None:
    stream, peer = pair
    while not stream._full:
        stream.write(b"x" * WRITE_BYTES)
    draining = [asyncio.create_task(stream.drain()) for _ in range(2)]
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in draining)
    peer.close()
    await asyncio.wait_for(asyncio.gather(*draining), 10)  # a lost connection needs no draining
    assert stream.is_lost


async def test_finish_sends_what_is_queued_and_ends(
    pair: tuple[ByteStream, socket.socket],
) -> None:
    stream, peer = pair
    data = b"z" * 2_000_000
    stream.write(data)
    finishing = asyncio.create_task(stream.finish(10))
    loop, received = asyncio.get_running_loop(), 0
    while part := await loop.sock_recv(peer, 65536):
        received += len(part)
    assert received == len(data)
    assert not finishing.done()
    peer.close()
    await asyncio.wait_for(finishing, 10)
    assert stream.is_lost


async def test_finish_gives_up_a_peer_that_goes_on(
    pair: tuple[ByteStream, socket.socket],
) -> None:
    stream, peer = pair
    stream.write(b"x" * 2_000_000)
    await stream.finish(0.05)
    await asyncio.wait_for(stream.lost, 10)
    loop, received = asyncio.get_running_loop(), 0
    while part := await loop.sock_recv(peer, 65536):
        received += len(part)
    assert 0 < received < 2_000_000  # what the peer had not taken is dropped
