"""Messages with descriptors, to peers that are slow or closed."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from fyke.kit import channel
from fyke.kit.channel import Channel
from support.egress import until

pytestmark = pytest.mark.anyio


class End:
    """One end of a pair, and the messages that it received."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.messages: list[bytes] = []
        self.descriptors: list[int] = []
        self.losses = 0
        self.channel = Channel(sock, self._on_message, self._on_lost)

    def _on_message(self, message: bytes, descriptors: list[int]) -> None:
        self.messages.append(message)
        self.descriptors += descriptors

    def _on_lost(self) -> None:
        self.losses += 1


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
        os.close(reader)  # the queue has duplicates
    receiver = End(other)
    await until(lambda: len(receiver.messages) == 2000)
    assert receiver.messages == expected
    assert len(receiver.descriptors) == 3
    for (_, writer), received in zip(pipes, receiver.descriptors, strict=True):
        os.write(writer, b"x")
        assert os.read(received, 1) == b"x"
        assert not os.get_inheritable(received)
        os.close(writer)
        os.close(received)
    sender.channel.close()
    await until(lambda: receiver.losses == 1)
    receiver.channel.close()
    assert (sender.losses, receiver.losses) == (1, 1)


async def test_sending_on_a_lost_connection_is_ignored() -> None:
    one, other = pair()
    end = End(one)
    other.close()
    end.channel.send(b"first")
    await until(lambda: end.losses == 1)
    end.channel.send(b"second")
    assert end.messages == []


async def test_the_connection_to_a_peer_that_never_reads_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channel, "_MAX_WAITING", 10)
    one, other = pair()
    end = End(one)
    reader, writer = os.pipe()
    for _ in range(5000):
        end.channel.send(bytes(1000), [reader])
    assert end.losses == 1
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
    await until(lambda: end.losses == 1)
    assert end.messages == []
    for descriptor in (reader, writer):
        os.close(descriptor)
    other.close()


async def test_only_a_socket_file_that_no_process_serves_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run" / "x.sock"
    first = channel.listen(path)
    with pytest.raises(OSError, match="already"):
        channel.listen(path)
    first.close()  # as a killed process leaves it
    second = channel.listen(path)
    client = channel.connect(path)
    accepted, _ = await asyncio.get_running_loop().sock_accept(second)
    channel.check_peer(accepted)
    for sock in (client, accepted):
        sock.close()
    channel.withdraw(second, path)
    assert not path.exists()
    with pytest.raises(OSError):
        channel.connect(path)


async def test_a_peer_with_another_uid_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listener = channel.listen(tmp_path / "x.sock")
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(channel.PeerRefused, match="uid"):
        channel.connect(tmp_path / "x.sock")
    listener.close()
