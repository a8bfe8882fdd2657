"""A packet socket between two of our processes, for messages with descriptors.

SOCK_SEQPACKET preserves message boundaries, so descriptors always arrive with their message. The
peer must have our uid, because a process that can open attempts here decides what they may reach.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

MAX_MESSAGE = 64 * 1024
MAX_DESCRIPTORS = 16
_MAX_WAITING = 10_000
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class PeerRefused(Exception):
    """The peer has another uid."""


def listen(path: Path) -> socket.socket:
    """Listen at a path that only our uid can open.

    A socket file that no process serves is replaced; a killed process leaves one behind. Raise
    ``OSError`` when a process serves it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_socket():
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe,
            suppress(ConnectionRefusedError),
        ):
            probe.connect(str(path))
            raise OSError(f"another process already serves {path.name}")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(16)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def withdraw(listener: socket.socket, path: Path) -> None:
    """Stop listening and remove the path."""
    path.unlink(missing_ok=True)
    listener.close()


def connect(path: Path) -> socket.socket:
    """Connect to a path. Raise ``OSError`` or ``PeerRefused``."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.setblocking(False)
        sock.connect(str(path))  # on a Unix socket this never waits
        check_peer(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def check_peer(sock: socket.socket) -> None:
    """Raise ``PeerRefused`` unless the peer has our uid, according to the kernel."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(raw)
    if uid != os.geteuid():
        raise PeerRefused(f"the other end of the control socket has uid {uid}")


class Channel:
    """One connection. ``on_message`` gets a message and its descriptors, which it must close;
    ``on_lost`` is called once, when either side has ended the connection.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_message: Callable[[bytes, list[int]], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._sock = sock
        self._on_message = on_message
        self._on_lost: Callable[[], None] | None = on_lost
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._read)

    def send(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send or queue a message. The caller still owns the descriptors. A lost connection is
        ignored.
        """
        if self._on_lost is None:
            return
        if len(self._waiting) >= _MAX_WAITING:
            self.close()  # the peer has stopped reading
            return
        if self._waiting or not self._try(message, descriptors):
            self._waiting.append((message, [os.dup(descriptor) for descriptor in descriptors]))
            if len(self._waiting) == 1:
                self._loop.add_writer(self._sock.fileno(), self._flush)

    def close(self) -> None:
        """End the connection; ``on_lost`` is called."""
        if self._on_lost is None:
            return
        on_lost, self._on_lost = self._on_lost, None
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        for _, descriptors in self._waiting:
            _close_all(descriptors)
        self._waiting.clear()
        on_lost()

    def _try(self, message: bytes, descriptors: Sequence[int]) -> bool:
        try:
            if descriptors:
                socket.send_fds(self._sock, [message], list(descriptors))
            else:
                self._sock.send(message)
        except BlockingIOError:
            return False
        except OSError:
            self._loop.call_soon(self.close)
        return True

    def _flush(self) -> None:
        while self._waiting and self._on_lost is not None:
            message, descriptors = self._waiting[0]
            if not self._try(message, descriptors):
                return
            self._waiting.popleft()
            _close_all(descriptors)
        if self._on_lost is not None:
            self._loop.remove_writer(self._sock.fileno())

    def _read(self) -> None:
        try:
            message, descriptors, flags = _receive(self._sock)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        if not message or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            _close_all(descriptors)
            self.close()
            return
        self._on_message(message, descriptors)


def _receive(sock: socket.socket) -> tuple[bytes, list[int], int]:
    """Like ``socket.recv_fds``, but close-on-exec, so that children inherit no descriptor."""
    numbers = array.array("i")
    space = socket.CMSG_LEN(MAX_DESCRIPTORS * numbers.itemsize)
    message, ancillary, flags, _ = sock.recvmsg(MAX_MESSAGE, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return message, list(numbers), flags


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
