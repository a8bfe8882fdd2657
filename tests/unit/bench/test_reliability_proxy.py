"""The proxy of ``bench/torture.py`` makes connections silent without closing them."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))

from reliability.proxy import Proxy, proxying


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """A proxy in front of an echo server."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                threading.Thread(target=echo, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with proxying(path) as proxy:
            yield proxy
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def echo(connection: socket.socket) -> None:
    with connection:
        while data := connection.recv(100):
            connection.sendall(data)


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), 10)


def answers(connection: socket.socket, seconds: float) -> bytes | None:
    """The answer; None when there is none, which is no end of the connection."""
    connection.sendall(b"ping")
    connection.settimeout(seconds)
    try:
        return connection.recv(100)
    except TimeoutError:
        return None


def test_open_connections_go_silent_and_new_ones_work(proxy: Proxy) -> None:
    with connected(proxy) as before:
        assert answers(before, 10) == b"ping"
        proxy.silence()
        assert answers(before, 0.2) is None
        with connected(proxy) as after:
            assert answers(after, 10) == b"ping"
        assert answers(before, 0.2) is None


def test_new_connections_are_silent_too_until_it_is_over(proxy: Proxy) -> None:
    proxy.silence(new_ones=True)
    with connected(proxy) as during:
        assert answers(during, 0.2) is None
        proxy.silence()
        assert answers(during, 0.2) is None
        with connected(proxy) as after:
            assert answers(after, 10) == b"ping"


def test_silent_connections_end_on_request(proxy: Proxy) -> None:
    with connected(proxy) as silent:
        assert answers(silent, 10) == b"ping"
        proxy.silence()
        proxy.end_silent()
        silent.settimeout(10)
        assert silent.recv(100) == b""


def test_connections_are_closed_while_they_are_refused(proxy: Proxy) -> None:
    with connected(proxy) as before:
        assert answers(before, 10) == b"ping"
        proxy.refuse(True)
        for refused in (before, connected(proxy)):
            with refused, suppress(ConnectionError):
                refused.settimeout(10)
                assert refused.recv(100) == b""
        proxy.refuse(False)
        with connected(proxy) as after:
            assert answers(after, 10) == b"ping"
