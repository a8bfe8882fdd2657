"""Whole messages with their descriptors, even when the other end is slow or gone."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from fyke.egress import channel
from fyke.egress.channel import Channel
from support.egress import until

pytestmark = pytest.mark.anyio


class End:
    """One end of a pair, and what it heard."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.heard: list[bytes] = []
        self.descriptors: list[int] = []
        self.lost = 0
        self.channel = Channel(sock, self._hear, self._lose)

    def _hear(self, message: bytes, descriptors: list[int]) -> None:
        self.heard.append(message)
        self.descriptors += descriptors

    def _lose(self) -> None:
        self.lost += 1


def pair() -> tuple[socket.socket, socket.socket]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    one.setblocking(False)
    other.setblocking(False)
    return one, other


async def test_a_slow_reader_gets_everything_in_order_with_descriptors() -> None:
    one, other = pair()
    sender = End(one)
    pipes = [os.pipe() for _ in range(3)]
    expected = []
    for number in range(2000):
        message = f"{number:06d}".encode() + bytes(500)
        expected.append(message)
        sender.channel.send(message, [pipes[number // 700][0]] if number % 700 == 0 else ())
    for reader, _ in pipes:
        os.close(reader)  # what waits in the queue is a copy
    receiver = End(other)
    await until(lambda: len(receiver.heard) == 2000)
    assert receiver.heard == expected
    assert len(receiver.descriptors) == 3
    for (_, writer), received in zip(pipes, receiver.descriptors, strict=True):
        os.write(writer, b"x")
        assert os.read(received, 1) == b"x"
        assert not os.get_inheritable(received)
        os.close(writer)
        os.close(received)
    sender.channel.close()
    await until(lambda: receiver.lost == 1)
    receiver.channel.close()
    assert (sender.lost, receiver.lost) == (1, 1)


async def test_after_the_loss_nothing_is_sent_and_nothing_breaks() -> None:
    one, other = pair()
    end = End(one)
    other.close()
    end.channel.send(b"into the void")
    await until(lambda: end.lost == 1)
    end.channel.send(b"again")
    assert end.heard == []


async def test_a_reader_that_never_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "_MAX_WAITING", 10)
    one, other = pair()
    end = End(one)
    reader, writer = os.pipe()
    for _ in range(5000):
        end.channel.send(bytes(1000), [reader])
    assert end.lost == 1
    other.close()
    os.close(reader)
    os.close(writer)


async def test_a_message_that_is_too_large_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channel, "MAX_MESSAGE", 10)
    one, other = pair()
    end = End(one)
    reader, writer = os.pipe()
    socket.send_fds(other, [b"x" * 11], [reader])
    await until(lambda: end.lost == 1)
    assert end.heard == []
    for descriptor in (reader, writer):
        os.close(descriptor)
    other.close()


async def test_a_left_over_socket_file_is_replaced_but_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "run" / "x.sock"
    first = channel.listen(path)
    with pytest.raises(OSError, match="already"):
        channel.listen(path)
    first.close()  # as a killed process leaves it
    second = channel.listen(path)
    caller = channel.connect(path)
    accepted, _ = await asyncio.get_running_loop().sock_accept(second)
    channel.check_peer(accepted)
    for sock in (caller, accepted):
        sock.close()
    channel.withdraw(second, path)
    assert not path.exists()
    with pytest.raises(OSError):
        channel.connect(path)


async def test_a_stranger_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listener = channel.listen(tmp_path / "x.sock")
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(channel.PeerRefused, match="uid"):
        channel.connect(tmp_path / "x.sock")
    listener.close()
