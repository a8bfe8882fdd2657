"""A receiver of callbacks: a real HTTP server that keeps each request and answers as configured."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request; header names are in lower case, ``at`` is in monotonic seconds."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def data(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


@dataclass(frozen=True)
class Reply:
    """An answer; with ``hang`` none is sent until the receiver is closed."""

    status: int = 200
    location: str = ""
    hang: bool = False
    text: str = ""


class Receiver:
    """Keeps requests by path. ``on_request`` is called with each request before it is answered."""

    def __init__(self) -> None:
        self.port = 0
        self.on_request: Callable[[Received], None] = lambda received: None
        self._received: dict[str, list[Received]] = defaultdict(list)
        self._replies: dict[str, deque[Reply]] = defaultdict(deque)
        self._changed = threading.Condition()
        self.closing = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def reply(self, path: str, *replies: Reply) -> None:
        """Answer the next requests to ``path`` with these, and those after them with 200."""
        self._replies[path].extend(replies)

    def at(self, path: str) -> list[Received]:
        """Return the requests to ``path`` so far."""
        with self._changed:
            return list(self._received[path])

    def wait(self, path: str, count: int = 1, seconds: float = 20) -> list[Received]:
        """Return the requests to ``path``, once there are ``count`` of them."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self._received[path]) >= count, seconds)
            requests = list(self._received[path])
        assert enough, f"{len(requests)} of {count} requests came to {path} within {seconds:g} s"
        return requests

    def take(self, received: Received) -> Reply:
        """Keep a request and return its answer."""
        self.on_request(received)
        with self._changed:
            self._received[received.path].append(received)
            self._changed.notify_all()
            waiting = self._replies[received.path]
            return waiting.popleft() if waiting else Reply()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver = self.server.receiver
        reply = receiver.take(Received(self.path, headers, body, time.monotonic()))
        if reply.hang:
            receiver.closing.wait(120)
            return
        self.send_response(reply.status)
        if reply.location:
            self.send_header("location", reply.location)
        text = reply.text.encode()
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing to the terminal."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, receiver: Receiver) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.receiver = receiver


@contextmanager
def listening() -> Iterator[Receiver]:
    """A receiver on a loopback port for the length of the block."""
    receiver = Receiver()
    server = _Server(receiver)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
