"""A client of the browser port: HTTP, WebSockets and the DevTools protocol, with nothing between.

It sends what it is given, also what no library would send.
"""

import base64
import json
import os
import socket
import struct
import time

ADDRESS = os.environ["ChromeWs"]  # noqa: SIM112
TEXT, CLOSE = 0x81, 0x88
SECONDS = 60
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def connect(address=ADDRESS):
    """A connection to the browser port."""
    host, _, port = address.partition(":")
    return socket.create_connection((host, int(port or 80)), SECONDS)


def read_head(connection):
    """The status and the head of an answer."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = connection.recv(1)
        if not part:
            raise ConnectionError(f"no answer but {head!r}")
        head += part
    return int(head.split()[1]), head.decode("latin-1")


def request(method, path, body=None, *, keep=False):
    """Status and text of an answer; with ``keep`` the connection too, which stays open."""
    connection = connect()
    sent = json.dumps(body).encode() if body is not None else b""
    lines = "" if keep else "Connection: close\r\n"
    connection.sendall(
        f"{method} {path} HTTP/1.1\r\nHost: {ADDRESS}\r\nContent-Length: {len(sent)}\r\n"
        f"{lines}\r\n".encode()
        + sent
    )
    status, head = read_head(connection)
    size = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
    text = b""
    while len(text) < size:
        part = connection.recv(size - len(text))
        if not part:
            raise ConnectionError("half an answer")
        text += part
    if keep:
        return status, text.decode(), connection
    connection.close()
    return status, text.decode()


def frame(data, kind=TEXT, *, masked=True):
    """A message; the mask of zeros leaves the data as it is."""
    size = len(data)
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes((kind, bit | size))
    elif size < 65536:
        head = struct.pack("!BBH", kind, bit | 126, size)
    else:
        head = struct.pack("!BBQ", kind, bit | 127, size)
    return head + bytes(4 if masked else 0) + data


class Refused(Exception):
    """The browser port answered with this status and text."""


class CommandFailed(Exception):
    """Chromium answered a command with this error."""


class Devtools:
    """One WebSocket. ``events`` are those that came while an answer was awaited."""

    def __init__(self, path="/", address=ADDRESS):
        self.connection = connect(address)
        word = base64.b64encode(os.environ["PROXY_AUTH"].encode()).decode()
        self.connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
            f"Authorization: Basic {word}\r\n\r\n".encode()
        )
        status, _ = read_head(self.connection)
        if status != 101:
            raise Refused(status, self.connection.recv(65536).decode().strip())
        self.number = 0
        self.events = []

    def send(self, method, session=None, **params):
        """Send a command without waiting for its answer; return its number."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self.connection.sendall(frame(json.dumps(message).encode()))
        return self.number

    def ask(self, method, session=None, **params):
        number = self.send(method, session, **params)
        while True:
            message = self.receive()
            if message.get("id") == number:
                break
            self.events.append(message)
        if "error" in message:
            raise CommandFailed(message["error"]["message"])
        return message["result"]

    def event(self, *methods, seconds=SECONDS):
        """The next event of one of these names."""
        until = time.monotonic() + seconds
        while True:
            while self.events:
                message = self.events.pop(0)
                if message.get("method") in methods:
                    return message
            self.connection.settimeout(max(0.01, until - time.monotonic()))
            try:
                self.events.append(self.receive())
            finally:
                self.connection.settimeout(SECONDS)

    def receive(self):
        kind, size = self._exactly(2)
        if size == 126:
            [size] = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            [size] = struct.unpack("!Q", self._exactly(8))
        data = self._exactly(size)
        if kind == CLOSE:
            raise ConnectionError("Chromium has closed the connection")
        return json.loads(data)

    def _exactly(self, count):
        data = bytearray()
        while len(data) < count:
            part = self.connection.recv(count - len(data))
            if not part:
                raise ConnectionError("the browser has gone")
            data += part
        return bytes(data)

    # --- pages

    def page(self, url="about:blank"):
        """Open a page and wait until it was loaded, or was not; return its session."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        if url != "about:blank":
            self.ask("Page.enable", session)
            self.open(session, url)
        return session

    def open(self, session, url):
        failed = self.ask("Page.navigate", session, url=url).get("errorText")
        if failed:
            raise CommandFailed(failed)
        self.event("Page.loadEventFired")

    def value(self, session, expression, **more):
        result = self.ask(
            "Runtime.evaluate",
            session,
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            **more,
        )
        if "exceptionDetails" in result:
            raise CommandFailed(str(result["exceptionDetails"])[:500])
        return result["result"].get("value")


def works():
    """Whether a new connection gets a browser that runs scripts: this one, or the next if this one
    is ending.
    """
    for tries_left in (2, 1, 0):
        try:
            browser = Devtools()
            return browser.value(browser.page(), "20 + 3") == 23
        except ConnectionError:
            if not tries_left:
                raise
