"""Connections into the network of a sandbox, made by this process.

A process outside cannot create a socket there. It could be given connected ones, but a socket that
a process inside has a copy of is not safe: blocking mode and the wait at its end are common to all
copies. So this process gets a listener and a client of that network once, while only our own
program runs inside, and makes its sockets itself: it connects the client to the listener, accepts,
and disconnects both ends (``tcp_disconnect`` of the kernel). What is left of the accepted one is a
new socket of that network without any other copy.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct
from contextlib import suppress

LOOPBACK = "127.0.0.1"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_UNSPECIFIED = bytes(16)  # an address of the family AF_UNSPEC
_libc = ctypes.CDLL(None, use_errno=True)


class SandboxNetwork:
    """``listener`` listens on loopback; ``client`` is not connected. Both belong to this object,
    and no other process has a copy.
    """

    def __init__(self, listener: socket.socket, client: socket.socket) -> None:
        self._listener, self._client = listener, client
        self._address = listener.getsockname()
        self._making = asyncio.Lock()
        listener.setblocking(False)
        client.setblocking(False)

    async def connect(self, port: int) -> socket.socket:
        """A connection to a port on loopback; closing it drops what is not sent. Raise
        ``OSError``.
        """
        sock = await self._unconnected()
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            await asyncio.get_running_loop().sock_connect(sock, (LOOPBACK, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def close(self) -> None:
        """Close both; only once no ``connect`` waits."""
        self._listener.close()
        self._client.close()

    async def _unconnected(self) -> socket.socket:
        """A socket of that network. Programs inside may connect to the listener too: which of the
        connections is accepted makes no difference, since it is given up.
        """
        async with self._making:
            try:
                with suppress(BlockingIOError):
                    self._client.connect(self._address)
                sock, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            finally:
                _disconnect(self._client)
        try:
            _disconnect(sock)
        except BaseException:
            sock.close()
            raise
        return sock


def _disconnect(sock: socket.socket) -> None:
    """Give a TCP connection up, so that the socket can be connected again. Raise ``OSError``."""
    if _libc.connect(sock.fileno(), _UNSPECIFIED, len(_UNSPECIFIED)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
