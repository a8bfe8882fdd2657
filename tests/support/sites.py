"""Servers for the traffic of runs: a site that counts its bytes, and a SOCKS5 proxy of a region."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Loopback:
    """Accepts on a loopback port and serves each connection in a thread of its own."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self.lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self.lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError, EOFError):
                self.serve(connection)
        finally:
            with self.lock:
                self._open.discard(connection)


class CountingSite(_Loopback):
    """Speaks a part of HTTP/1.1 and counts every byte that its sockets received and sent.

    ``/bytes/N`` answers with N bytes; a body is read by its Content-Length. Each connection has one
    request.
    """

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.requests: list[str] = []
        super().__init__()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"http://{self.target}{path}"

    @property
    def passed(self) -> int:
        """Bytes in both directions so far."""
        with self.lock:
            return self.received + self.sent

    def serve(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._read(connection)
        head, _, rest = data.partition(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
        left = int(length[1]) - len(rest) if length else 0
        while left > 0:
            left -= len(self._read(connection))
        with self.lock:
            self.requests.append(path)
        match = re.fullmatch(r"/bytes/(\d+)", path)
        size = int(match[1]) if match else 0
        self._write(connection, b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
        self._write(connection, f"Content-Length: {size}\r\n\r\n".encode())
        block = b"x" * 65536
        while size > 0:
            self._write(connection, block[:size])
            size -= len(block)

    def _read(self, connection: socket.socket) -> bytes:
        data = connection.recv(65536)
        if not data:
            raise EOFError
        with self.lock:
            self.received += len(data)
        return data

    def _write(self, connection: socket.socket, data: bytes) -> None:
        connection.sendall(data)
        with self.lock:
            self.sent += len(data)


class SocksProxy(_Loopback):
    """A region's proxy. ``names`` are the loopback ports of its targets; other targets are refused.
    ``targets`` keeps every requested target, ``users`` the login of each request ("" for none).
    """

    def __init__(self) -> None:
        self.names: dict[tuple[str, int], int] = {}
        self.targets: list[tuple[str, int]] = []
        self.users: list[str] = []
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        _, count = _exactly(connection, 2)
        methods = _exactly(connection, count)
        user = ""
        if 2 in methods:
            connection.sendall(b"\x05\x02")
            _exactly(connection, 1)
            name = _exactly(connection, _exactly(connection, 1)[0])
            password = _exactly(connection, _exactly(connection, 1)[0])
            user = f"{name.decode()}:{password.decode()}"
            connection.sendall(b"\x01\x00")
        else:
            connection.sendall(b"\x05\x00")
        target = _target(connection)
        with self.lock:
            self.targets.append(target)
            self.users.append(user)
        port = self.names.get(target)
        connection.sendall(bytes((5, 5 if port is None else 0, 0, 1)) + bytes(6))
        if port is None:
            return
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            downloading = threading.Thread(target=_copy, args=(upstream, connection), daemon=True)
            downloading.start()
            _copy(connection, upstream)
            downloading.join(30)


def _target(connection: socket.socket) -> tuple[str, int]:
    _, _, _, kind = _exactly(connection, 4)
    if kind == 3:
        host = _exactly(connection, _exactly(connection, 1)[0]).decode()
    else:
        family = socket.AF_INET if kind == 1 else socket.AF_INET6
        host = socket.inet_ntop(family, _exactly(connection, 4 if kind == 1 else 16))
    (port,) = struct.unpack(">H", _exactly(connection, 2))
    return host, port


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def counting_site() -> Iterator[CountingSite]:
    site = CountingSite()
    try:
        yield site
    finally:
        site.close()


@contextmanager
def socks_proxy() -> Iterator[SocksProxy]:
    proxy = SocksProxy()
    try:
        yield proxy
    finally:
        proxy.close()
