"""The programs ``chromium`` and ``chromedriver`` of a Worker's sandbox.

Libraries that start a browser themselves start this one. It starts no browser: it asks the browser
port for a Chromium in the attempt's browser sandbox and relays to it what the library expects of
its child process, a debugging pipe, a debugging port or the port of a driver. That Chromium ends
with the connection that asked for it, so it ends however this process does.

Runs as ``/usr/bin/python3 -I -B -S relay.pyc PROGRAM ARGUMENTS...`` on any version of Python that
the machine has. So it is one file, and imports only modules that load in a few milliseconds.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import posix
import select
import sys
from _json import encode_basestring_ascii as json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

    Json = dict[str, Any]

GATEWAY = ("127.0.0.1", 9222)
LOCAL = "127.0.0.1"
LAUNCH, INSTANCE, DRIVER = "/fyke/launch", "/fyke/instance/", "/fyke/driver/"
VERSION = "FYKE_BROWSER_VERSION"  # in the environment of the Worker
UNKNOWN_VERSION = "0.0.0.0"  # noqa: S104 - not an address
OTHERS = ("firefox", "pw_run.sh")  # browsers of Playwright that are not there
SHELLS = ("headless_shell", "chrome-headless-shell", "chromium-headless-shell")
PIPE_IN, PIPE_OUT = 3, 4
MAX_HEAD = 16 * 1024
MAX_WAITING = 1 << 18  # bytes that one side has not read yet; then the other is not read either
CHUNK = 1 << 16
DEFAULT_DRIVER_PORT = 9515
PAGE_MILLISECONDS = 60_000
ONE_SHOT = ("--dump-dom", "--screenshot", "--print-to-pdf")
OWN_PAGE_OPTIONS = (*ONE_SHOT, "--timeout", "--virtual-time-budget", "--no-pdf-header-footer")

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


SHUT_DOWN = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{"value":null}'


class PortRefused(Exception):
    """The browser port refused; the text says why."""


class ShutDown(Exception):
    """A client has asked the driver to end."""


def option(arguments: list[str], name: str) -> str | None:
    """The last value of an option; "" without a value, None when it is absent."""
    found = None
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key == name:
            found = value
    return found


def write_all(number: int, content: bytes | memoryview) -> None:
    view = memoryview(content)
    while view:
        view = view[posix.write(number, view) :]


def say(text: str) -> None:
    write_all(2, text.encode(errors="replace") + b"\n")


def print_line(text: str) -> None:
    write_all(1, f"{text}\n".encode())


def end(status: int, text: str = "") -> NoReturn:
    """End without waiting for anything; the connection that asked for the browser ends with us."""
    if text:
        say(text)
    posix._exit(status)


def version() -> str:
    """The version of the browser that will be used."""
    return posix.environ.get(VERSION.encode(), UNKNOWN_VERSION.encode()).decode()


# -- the browser port ----------------------------------------------------------------------------


def connect() -> _socket.socket:
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, _socket.IPPROTO_TCP)
    connection.connect(GATEWAY)
    connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    return connection


def read_head(connection: _socket.socket) -> tuple[bytes, bytes]:
    """The head of an answer with its blank line, and the bytes after it. Raise ``PortRefused``."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(CHUNK)
        if not part or len(data) > MAX_HEAD:
            raise PortRefused("the browser port closed the connection")
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def header(head: bytes, name: bytes) -> bytes:
    """The value of a header; b"" when it is absent."""
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return b""


def read_answer(connection: _socket.socket) -> str:
    """The text of an answer with status 200. Raise ``PortRefused`` with the text of others."""
    head, body = read_head(connection)
    length = int(header(head, b"content-length") or 0)
    while len(body) < length:
        part = connection.recv(CHUNK)
        if not part:
            break
        body += part
    text = body.decode(errors="replace").strip()
    if head.split(b" ", 2)[1] != b"200":
        raise PortRefused(text or head.split(b"\r\n")[0].decode())
    return text


class Launched:
    """A Chromium of ours. ``path`` is that of its browser target; it ends when ``owner`` closes."""

    def __init__(self, owner: _socket.socket, prefix: str, path: str) -> None:
        self.owner, self.prefix, self.path = owner, prefix, path


def launch(arguments: list[str], *, display: bool) -> Launched:
    """Start a Chromium. Raise ``PortRefused``, ``OSError``."""
    items = ", ".join(json_text(argument) for argument in arguments)
    body = f'{{"arguments": [{items}], "display": {str(display).lower()}}}'.encode()
    owner = connect()
    owner.sendall(
        f"POST {LAUNCH} HTTP/1.1\r\nHost: {GATEWAY[0]}:{GATEWAY[1]}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    instance, path = read_answer(owner).split()
    return Launched(owner, f"{INSTANCE}{instance}", path)


# -- WebSocket -----------------------------------------------------------------------------------


def encode_frame(kind: int, payload: bytes) -> bytes:
    """A whole message. The mask is zero, which leaves the payload as it is."""
    length = len(payload)
    if length < 126:
        size = bytes([0x80 | length])
    elif length < 1 << 16:
        size = bytes([0x80 | 126]) + length.to_bytes(2, "big")
    else:
        size = bytes([0x80 | 127]) + length.to_bytes(8, "big")
    return bytes([0x80 | kind]) + size + b"\0\0\0\0" + payload


class WebSocket:
    """A connection to a target of a Chromium. Blocking; one thread reads, and one may send."""

    def __init__(self, path: str) -> None:
        """Raise ``PortRefused``, ``OSError``."""
        self._connection = connect()
        self._connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {GATEWAY[0]}:{GATEWAY[1]}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: ZnlrZSByZWxheSBrZXkgMQ==\r\n\r\n".encode()
        )
        head, self._data = read_head(self._connection)
        if head.split(b" ", 2)[1] != b"101":
            raise PortRefused(head.split(b"\r\n")[0].decode(errors="replace"))

    def send(self, payload: bytes, kind: int = TEXT) -> None:
        """One call sends one frame, also when both threads send."""
        self._connection.sendall(encode_frame(kind, payload))

    def messages(self) -> Iterator[tuple[bytes, bool]]:
        """Parts of text messages, and whether each is the last of its message."""
        while True:
            first, second = self._read(2)
            length = second & 0x7F
            if length > 125:
                length = int.from_bytes(self._read(2 if length == 126 else 8), "big")
            kind, is_final = first & 0x0F, bool(first & 0x80)
            if kind == CLOSE:
                return
            if kind in (PING, PONG):
                payload = self._read(length)
                if kind == PING:
                    self.send(payload, PONG)
                continue
            while length > CHUNK:
                yield self._read(CHUNK), False
                length -= CHUNK
            yield self._read(length), is_final

    def _read(self, size: int) -> bytes:
        """Raise ``EOFError`` at the end."""
        while len(self._data) < size:
            part = self._connection.recv(max(CHUNK, size - len(self._data)))
            if not part:
                raise EOFError
            self._data += part
        taken, self._data = self._data[:size], self._data[size:]
        return taken


# -- the debugging pipe --------------------------------------------------------------------------


def serve_pipe(arguments: list[str], *, display: bool) -> None:
    """Relay messages that end with a NUL between the descriptors 3 and 4 and the Chromium."""
    import _thread

    launched = launch(arguments, display=display)
    socket = WebSocket(launched.prefix + launched.path)
    _thread.start_new_thread(_send_messages, (socket,))
    for payload, is_last in socket.messages():
        write_all(PIPE_OUT, payload)
        if is_last:
            write_all(PIPE_OUT, b"\0")


def _send_messages(socket: WebSocket) -> None:
    """Send what comes through the pipe; end with the pipe, as Chromium does."""
    pending = bytearray()
    try:
        while part := posix.read(PIPE_IN, CHUNK):
            seen = len(pending)
            pending += part
            while (at := pending.find(0, seen)) >= 0:
                socket.send(bytes(pending[:at]))
                del pending[: at + 1]
                seen = 0
    except OSError:
        pass
    end(0)


# -- ports ---------------------------------------------------------------------------------------


class Requests:
    """The requests of one connection with other paths; ``path`` maps them. What follows a request
    to upgrade passes unchanged, and so do bodies.
    """

    def __init__(self, path: Callable[[str], str]) -> None:
        self._path = path
        self._head = b""
        self._body = 0  # bytes of the current body that have not passed
        self._upgraded = False

    def feed(self, data: bytes) -> bytes:
        """Return what to send instead. Raise ``ValueError`` for what is no request."""
        if self._upgraded:
            return data
        out = b""
        while data:
            if self._body:
                part, data = data[: self._body], data[self._body :]
                self._body -= len(part)
                out += part
                continue
            head, found, data = (self._head + data).partition(b"\r\n\r\n")
            self._head = b""
            if not found:
                self._head = head
                if len(head) > MAX_HEAD:
                    raise ValueError
                break
            out += self._rewrite(head) + b"\r\n\r\n"
            if self._upgraded:
                return out + data
        return out

    def _rewrite(self, head: bytes) -> bytes:
        line, break_, fields = head.partition(b"\r\n")
        method, path, protocol = line.decode("latin-1").split(" ")
        self._upgraded = bool(header(head, b"upgrade"))
        if header(head, b"transfer-encoding"):
            raise ValueError
        self._body = int(header(head, b"content-length") or 0)
        return f"{method} {self._path(path)} {protocol}".encode("latin-1") + break_ + fields


class Pair:
    """A connection of a client, and one to the browser port; with the bytes that wait for each."""

    def __init__(self, client: _socket.socket, gateway: _socket.socket, requests: Requests) -> None:
        self.sockets = (client, gateway)
        self.waiting = (bytearray(), bytearray())
        self.ended = [False, False]
        self.requests = requests
        for item in self.sockets:
            item.setblocking(False)

    def events(self, side: int) -> int:
        """What to wait for on one of the two sockets."""
        wanted = select.POLLOUT if self.waiting[side] else 0
        if not self.ended[side] and len(self.waiting[1 - side]) < MAX_WAITING:
            wanted |= select.POLLIN
        return wanted

    def move(self, side: int, events: int) -> bool:
        """Read and write on one side. Return whether the pair goes on."""
        try:
            if events & select.POLLOUT:
                sent = self.sockets[side].send(self.waiting[side])
                del self.waiting[side][:sent]
            if events & (select.POLLIN | select.POLLHUP | select.POLLERR) and not self.ended[side]:
                self._read(side)
        except BlockingIOError:
            return True
        except (OSError, ValueError):
            return False
        except ShutDown:
            self.sockets[0].send(SHUT_DOWN)
            end(0)
        if self.ended[1]:
            return bool(self.waiting[0])
        return not (self.ended[0] and not self.waiting[1])

    def _read(self, side: int) -> None:
        part = self.sockets[side].recv(CHUNK)
        if not part:
            self.ended[side] = True
        elif side:
            self.waiting[0].extend(part)
        else:
            self.waiting[1].extend(self.requests.feed(part))

    def close(self) -> None:
        for item in self.sockets:
            item.close()


class Port:
    """A listening port whose connections are relayed to the browser port."""

    def __init__(self, port: int, path: Callable[[str], str]) -> None:
        """Raise ``OSError`` when the port is taken."""
        self._path = path
        self._listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, _socket.IPPROTO_TCP)
        self._listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        self._listener.bind((LOCAL, port))
        self._listener.listen(64)
        self._listener.setblocking(False)
        self.number: int = self._listener.getsockname()[1]
        self._pairs: dict[int, tuple[Pair, int]] = {}  # by descriptor, with the side

    def serve(self, owner: _socket.socket) -> None:
        """Relay until ``owner`` is closed at the other end."""
        while True:
            poll = select.poll()
            poll.register(self._listener.fileno(), select.POLLIN)
            poll.register(owner.fileno(), select.POLLIN)
            for number, (pair, side) in self._pairs.items():
                poll.register(number, pair.events(side))
            for number, events in poll.poll():
                if number == owner.fileno():
                    if not owner.recv(CHUNK):
                        return
                elif number == self._listener.fileno():
                    self._accept()
                elif number in self._pairs:
                    self._move(number, events)

    def _accept(self) -> None:
        number, _ = self._listener._accept()  # type: ignore[attr-defined]
        client = _socket.socket(fileno=number)
        try:
            pair = Pair(client, connect(), Requests(self._path))
        except OSError:
            client.close()
            return
        for side, item in enumerate(pair.sockets):
            self._pairs[item.fileno()] = (pair, side)

    def _move(self, number: int, events: int) -> None:
        pair, side = self._pairs[number]
        if not pair.move(side, events):
            for item in pair.sockets:
                del self._pairs[item.fileno()]
            pair.close()


def announce(arguments: list[str], number: int, path: str) -> None:
    """Name a debugging port in the two ways that libraries look for."""
    folder = option(arguments, "--user-data-dir")
    if folder:
        write_active_port(folder, f"{number}\n{path}")
    say(f"\nDevTools listening on ws://{LOCAL}:{number}{path}")


def serve_shared(arguments: list[str]) -> None:
    """Name the browser port itself, at which all connections share one browser; end with it."""
    import json

    connection = connect()
    connection.sendall(
        f"GET /json/version HTTP/1.1\r\nHost: {GATEWAY[0]}:{GATEWAY[1]}\r\n\r\n".encode()
    )
    address: str = json.loads(read_answer(connection))["webSocketDebuggerUrl"]
    path = "/" + address.split("/", 3)[3]
    socket = WebSocket(path)
    announce(arguments, GATEWAY[1], path)
    for _ in socket.messages():
        pass


def serve_port(arguments: list[str], number: int, *, display: bool) -> None:
    """Relay a debugging port, and name it where Chromium does. Clients can connect at once, and
    wait for Chromium then: some try only for seconds.
    """
    prefix = ""
    port = Port(number, lambda path: prefix + path)
    launched = launch(arguments, display=display)
    prefix = launched.prefix
    announce(arguments, port.number, launched.path)
    port.serve(launched.owner)


def write_active_port(folder: str, text: str) -> None:
    """Write the file from which libraries read the port. It appears whole."""
    import os  # only libraries that name a folder need it

    os.makedirs(folder, 0o700, exist_ok=True)  # noqa: PTH103
    path = f"{folder}/DevToolsActivePort"
    number = posix.open(f"{path}.new", posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC, 0o600)
    write_all(number, text.encode())
    posix.close(number)
    posix.rename(f"{path}.new", path)


# -- the driver ----------------------------------------------------------------------------------


def serve_driver(arguments: list[str]) -> None:
    """Be a chromedriver: its sessions end with this process."""
    base = "/" + (option(arguments, "--url-base") or "").strip("/")
    owner = connect()
    owner.sendall(
        f"POST {DRIVER} HTTP/1.1\r\nHost: {GATEWAY[0]}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    prefix = read_answer(owner)

    def path(asked: str) -> str:
        inner = asked.removeprefix(base) if base != "/" else asked
        if inner.partition("?")[0] == "/shutdown":
            raise ShutDown
        return prefix + inner

    port = Port(int(option(arguments, "--port") or DEFAULT_DRIVER_PORT), path)
    print_line(f"Starting ChromeDriver {version()} on port {port.number}")
    print_line(f"ChromeDriver was started successfully on port {port.number}.")
    port.serve(owner)


# -- one page ------------------------------------------------------------------------------------


class RelayedPage:
    """A page of a Chromium, over its WebSocket."""

    def __init__(self, socket: WebSocket) -> None:
        import json

        self._json = json
        self._socket = socket
        self._messages = self._decoded()
        self._number = 0
        self._seen: set[str] = set()
        self._session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        self.call("Page.enable")

    def _decoded(self) -> Iterator[Json]:
        parts = []
        for payload, is_last in self._socket.messages():
            parts.append(payload)
            if is_last:
                yield self._json.loads(b"".join(parts))
                parts = []
        raise EOFError

    def call(self, method: str, **params: object) -> Json:
        """The result of a command. Raise ``PortRefused`` for an error, ``EOFError``."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": params} | session
        self._socket.send(self._json.dumps(message).encode())
        for answer in self._messages:
            self._seen.add(answer.get("method", ""))
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise PortRefused(f"{method}: {answer['error'].get('message')}")
                result: Json = answer["result"]
                return result
        raise EOFError

    def wait_for(self, event: str) -> None:
        """Wait for an event since the last call of this method."""
        while event not in self._seen:
            self._seen.add(next(self._messages).get("method", ""))
        self._seen.clear()

    def open(self, url: str, budget: str) -> None:
        """Load a page; ``budget`` are milliseconds of its time that may pass as fast as it can."""
        self._seen.clear()
        failure = self.call("Page.navigate", url=url).get("errorText")
        if failure:
            raise PortRefused(f"{url}: {failure}")
        if budget:
            self.call(
                "Emulation.setVirtualTimePolicy",
                policy="pauseIfNetworkFetchesPending",
                budget=int(budget),
                maxVirtualTimeTaskStarvationCount=9999,
            )
            self.wait_for("Emulation.virtualTimeBudgetExpired")
        else:
            self.wait_for("Page.loadEventFired")

    def dom(self) -> str:
        """The document as HTML, with its document type."""
        script = (
            "(document.doctype ? new XMLSerializer().serializeToString(document.doctype) + '\\n'"
            " : '') + document.documentElement.outerHTML"
        )
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return str(answer["result"].get("value", ""))


def run_page(arguments: list[str], *, display: bool) -> None:
    """Open one page, write what was asked for, and end."""
    url = next((item for item in reversed(arguments) if not item.startswith("-")), "about:blank")
    passed = [
        item
        for item in arguments
        if item.startswith("-") and item.partition("=")[0] not in OWN_PAGE_OPTIONS
    ]
    limit = int(option(arguments, "--timeout") or PAGE_MILLISECONDS)
    launched = launch(passed, display=display)
    page = RelayedPage(WebSocket(launched.prefix + launched.path))
    _signal.signal(_signal.SIGALRM, lambda *_: end(1, f"{url} took more than {limit} ms"))
    _signal.setitimer(_signal.ITIMER_REAL, limit / 1000)
    page.open(url, option(arguments, "--virtual-time-budget") or "")
    _signal.setitimer(_signal.ITIMER_REAL, 0)
    if option(arguments, "--dump-dom") is not None:
        write_all(1, page.dom().encode(errors="replace") + b"\n")
    if (path := option(arguments, "--screenshot")) is not None:
        save(path or "screenshot.png", page.call("Page.captureScreenshot"))
    if (path := option(arguments, "--print-to-pdf")) is not None:
        has_edges = option(arguments, "--no-pdf-header-footer") is None
        pdf = page.call("Page.printToPDF", displayHeaderFooter=has_edges, printBackground=True)
        save(path or "output.pdf", pdf)


def save(path: str, result: Json) -> None:
    from binascii import a2b_base64

    content = a2b_base64(result["data"])
    number = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC, 0o644)
    write_all(number, content)
    posix.close(number)
    say(f"{len(content)} bytes written to file {path}")


# -- the programs --------------------------------------------------------------------------------


def run_browser(name: str, arguments: list[str]) -> None:
    """Be a Chromium."""
    display = name not in SHELLS and option(arguments, "--headless") is None
    pipe = option(arguments, "--remote-debugging-pipe")
    port = option(arguments, "--remote-debugging-port")
    if option(arguments, "--version") is not None:
        print_line(f"Chromium {version()}")
    elif option(arguments, "--product-version") is not None:
        print_line(version())
    elif pipe is not None:
        if pipe.lower() == "cbor":
            raise PortRefused("--remote-debugging-pipe=cbor is not available here; use JSON")
        serve_pipe(arguments, display=display)
    elif any(option(arguments, name) is not None for name in ONE_SHOT):
        run_page(arguments, display=display)
    elif port is not None and int(port or 0) == GATEWAY[1]:
        serve_shared(arguments)
    elif port is not None:
        serve_port(arguments, int(port or 0), display=display)
    else:
        owner = launch(arguments, display=display).owner
        while owner.recv(CHUNK):
            pass


def run_driver(arguments: list[str]) -> None:
    """Be a chromedriver."""
    if "--version" in arguments:
        print_line(f"ChromeDriver {version()}")
    else:
        serve_driver(arguments)


def main() -> None:
    """Run the program whose name and arguments are given."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    name, arguments = sys.argv[1].rpartition("/")[2], sys.argv[2:]
    try:
        if name in OTHERS:
            end(1, "this Fyke has only Chromium: start chromium instead")
        elif name == "chromedriver":
            run_driver(arguments)
        else:
            run_browser(name, arguments)
    except EOFError:
        end(0)
    except (PortRefused, OSError, ValueError) as error:
        end(1, f"{name}: {error}")


if __name__ == "__main__":
    main()
