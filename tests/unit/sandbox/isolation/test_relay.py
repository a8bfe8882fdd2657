"""The programs that libraries start instead of a browser, with a browser port of the test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fyke.sandbox.isolation import relay
from support.browser import PROGRAMS

SOURCE = Path(relay.__file__)
TARGET = "/devtools/browser/1234-abcd"
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
SECONDS = 20


def frame(payload: bytes, *, kind: int = relay.TEXT, final: bool = True) -> bytes:
    """A frame of a server."""
    size = len(payload)
    head = bytes([kind | (0x80 if final else 0)])
    if size < 126:
        return head + bytes([size]) + payload
    return head + bytes([127]) + size.to_bytes(8, "big") + payload


class Client:
    """A connection of the relay."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SECONDS)
        self.file = connection.makefile("rwb", buffering=0)
        self.connection = connection

    def request(self) -> tuple[str, bytes]:
        """The first line and the body of a request; "" at the end."""
        line = self.file.readline().decode().strip()
        length = 0
        while (field := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = field.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return line, self.exactly(length)

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (part := self.file.read(size - len(data))):
            data += part
        return data

    def message(self) -> bytes:
        """A frame of a client, whose mask is zero; b"" at the end."""
        head = self.exactly(2)
        if not head:
            return b""
        size = head[1] & 0x7F
        assert head[1] & 0x80
        if size > 125:
            size = int.from_bytes(self.exactly(2 if size == 126 else 8), "big")
        assert self.exactly(4) == b"\0\0\0\0"
        return self.exactly(size)

    def answer(self, body: bytes = b"", status: str = "200 OK") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.connection.sendall(head.encode() + body)

    def launched(self) -> Any:
        """Answer the request to launch; return its body."""
        line, body = self.request()
        assert line == "POST /fyke/launch HTTP/1.1"
        self.answer(f"7 {TARGET}\n".encode())
        return json.loads(body)

    def upgraded(self) -> None:
        assert self.request()[0] == f"GET /fyke/instance/7{TARGET} HTTP/1.1"
        self.connection.sendall(ACCEPTED)

    def ended(self) -> bool:
        try:
            return self.exactly(1) == b""
        except ConnectionResetError:
            return True


class Gateway:
    """A browser port; ``accept`` returns the next connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(SECONDS)
        self.address = self._listener.getsockname()

    def accept(self) -> Client:
        return Client(self._listener.accept()[0])

    def command(self, name: str, *arguments: str) -> list[str]:
        """Run the relay with this port as the browser port."""
        script = (
            f"import sys; sys.path.insert(0, {str(SOURCE.parent)!r}); import relay; "
            f"relay.GATEWAY = {self.address!r}; relay.main()"
        )
        return [sys.executable, "-I", "-B", "-S", "-c", script, f"/run/fyke/bin/{name}", *arguments]

    @contextmanager
    def running(self, name: str, *arguments: str, **options: Any) -> Iterator[subprocess.Popen]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        process = subprocess.Popen(self.command(name, *arguments), **options)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made._listener.close()


@contextmanager
def piped(gateway: Gateway, *arguments: str) -> Iterator[tuple[subprocess.Popen, int, int]]:
    """A relay of a debugging pipe, the end to write to it and the end to read from it."""
    to_relay, from_relay = os.pipe(), os.pipe()

    def attach() -> None:
        os.dup2(os.dup(to_relay[0]), 3)
        os.dup2(os.dup(from_relay[1]), 4)

    descriptors = (to_relay[0], from_relay[1])
    # the numbers 3 and 4 are inherited whatever they were here
    with gateway.running(
        "chromium", "--remote-debugging-pipe", *arguments, preexec_fn=attach, close_fds=False
    ) as process:
        for number in descriptors:
            os.close(number)
        os.set_inheritable(to_relay[1], False)
        try:
            yield process, to_relay[1], from_relay[0]
        finally:
            for number in (to_relay[1], from_relay[0]):
                with suppress(OSError):
                    os.close(number)


def read_message(number: int) -> bytes:
    data = b""
    while not data.endswith(b"\0"):
        part = os.read(number, 1 << 16)
        assert part
        data += part
    return data[:-1]


def in_thread(function: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def test_a_version_needs_no_browser(gateway: Gateway) -> None:
    environment = {relay.VERSION: "156.0.8078.108"}
    for name, option, text in (
        ("chrome", "--version", b"Chromium 156.0.8078.108\n"),
        ("chrome", "--product-version", b"156.0.8078.108\n"),
        ("chromedriver", "--version", b"ChromeDriver 156.0.8078.108\n"),
    ):
        command = gateway.command(name, option)
        result = subprocess.run(command, env=environment, capture_output=True, timeout=SECONDS)
        assert (result.returncode, result.stdout, result.stderr) == (0, text, b"")


def test_a_pipe_carries_messages_both_ways(gateway: Gateway) -> None:
    with piped(gateway, "--headless", '--user-data-dir=/tmp/a "b"') as (process, to, back):
        owner = gateway.accept()
        launch = owner.launched()
        assert launch["arguments"][1:] == ["--headless", '--user-data-dir=/tmp/a "b"']
        assert launch["display"] is False
        browser = gateway.accept()
        browser.upgraded()
        large = b"x" * 300_000
        writer = in_thread(lambda: [os.write(to, b'{"id":1}\0{"id":2}\0' + large + b"\0")][:0])
        assert [browser.message() for _ in range(3)] == [b'{"id":1}', b'{"id":2}', large]
        writer.join(SECONDS)
        browser.connection.sendall(frame(b"one", final=False) + frame(b"two", kind=0))
        assert read_message(back) == b"onetwo"
        sender = in_thread(lambda: browser.connection.sendall(frame(large)))
        assert read_message(back) == large
        sender.join(SECONDS)
        browser.connection.sendall(frame(b"hi", kind=relay.PING))
        assert browser.message() == b"hi"
        os.close(to)  # the library is gone
        assert process.wait(SECONDS) == 0
        assert owner.ended()


def test_a_pipe_ends_with_its_browser(gateway: Gateway) -> None:
    with piped(gateway, "--headless") as (process, to, _):
        owner = gateway.accept()
        owner.launched()
        browser = gateway.accept()
        browser.upgraded()
        os.write(to, b'{"id":9,"method":"Browser.close"}\0')
        assert b"Browser.close" in browser.message()
        browser.connection.sendall(frame(b"", kind=relay.CLOSE))
        assert process.wait(SECONDS) == 0


def test_what_the_port_refuses_is_said(gateway: Gateway) -> None:
    with gateway.running("chrome", "--remote-debugging-port=0") as process:
        gateway.accept().answer(b"this Fyke has no browser\n", "503 Service Unavailable")
        assert process.communicate(timeout=SECONDS)[1] == b"chrome: this Fyke has no browser\n"
        assert process.returncode == 1


def test_another_encoding_of_the_pipe_is_refused(gateway: Gateway) -> None:
    result = subprocess.run(
        gateway.command("chrome", "--remote-debugging-pipe=cbor"), capture_output=True
    )
    assert result.returncode == 1
    assert b"cbor is not available" in result.stderr


def port_of(process: subprocess.Popen) -> int:
    """The port in the line that libraries look for."""
    for line in process.stderr:
        if line.startswith(b"DevTools listening on ws://127.0.0.1:"):
            assert line.strip().endswith(TARGET.encode())
            return int(line.split(b":")[2].split(b"/")[0])
    raise AssertionError("no line with the port")


def test_a_port_relays_requests_and_websockets(gateway: Gateway, tmp_path: Path) -> None:
    folder = tmp_path / "profile"
    with gateway.running(
        "google-chrome", "--remote-debugging-port=0", f"--user-data-dir={folder}"
    ) as process:
        owner = gateway.accept()
        assert owner.launched()["display"] is True  # --headless was not given
        port = port_of(process)
        assert (folder / "DevToolsActivePort").read_text() == f"{port}\n{TARGET}"
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            client.sendall(b"GET /json/version HTTP/1.1\r\nHost: a\r\n\r\nPUT /json/new?u HTTP/1.1")
            browser = gateway.accept()
            assert browser.request() == ("GET /fyke/instance/7/json/version HTTP/1.1", b"")
            browser.answer(b"{}")
            assert client.recv(1000).endswith(b"{}")
            client.sendall(b"\r\nContent-Length: 2\r\n\r\nab")
            assert browser.request() == ("PUT /fyke/instance/7/json/new?u HTTP/1.1", b"ab")
            browser.answer(b"{}")
            assert client.recv(1000).endswith(b"{}")
        assert browser.ended()
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            client.sendall(b"GET /devtools/page/A HTTP/1.1\r\nUpgrade: websocket\r\n\r\nframes")
            browser = gateway.accept()
            assert browser.request()[0] == "GET /fyke/instance/7/devtools/page/A HTTP/1.1"
            assert browser.exactly(6) == b"frames"
            browser.connection.sendall(ACCEPTED)
            browser.connection.close()
            browser.file.close()
            assert client.recv(1000) == ACCEPTED
            assert client.recv(1000) == b""
        owner.connection.shutdown(socket.SHUT_RDWR)  # the browser has ended
        assert process.wait(SECONDS) == 0


def test_a_port_can_be_connected_to_before_its_browser_is_there(gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    with gateway.running("chrome", f"--remote-debugging-port={number}") as process:
        owner = gateway.accept()
        with socket.create_connection(("127.0.0.1", number), SECONDS) as client:
            client.sendall(b"GET /json/version HTTP/1.1\r\n\r\n")
            owner.launched()
            browser = gateway.accept()
            assert browser.request()[0] == "GET /fyke/instance/7/json/version HTTP/1.1"
        assert port_of(process) == number


def test_the_port_of_the_gateway_is_the_shared_browser(gateway: Gateway, tmp_path: Path) -> None:
    number = gateway.address[1]
    with gateway.running(
        "chrome", f"--remote-debugging-port={number}", f"--user-data-dir={tmp_path}"
    ) as process:
        client = gateway.accept()
        assert client.request()[0] == "GET /json/version HTTP/1.1"
        address = f"ws://127.0.0.1:{number}{TARGET}"
        client.answer(json.dumps({"webSocketDebuggerUrl": address}).encode())
        browser = gateway.accept()
        assert browser.request()[0] == f"GET {TARGET} HTTP/1.1"
        browser.connection.sendall(ACCEPTED)
        assert port_of(process) == number
        assert (tmp_path / "DevToolsActivePort").read_text() == f"{number}\n{TARGET}"
        browser.connection.shutdown(socket.SHUT_RDWR)
        assert process.wait(SECONDS) == 0


def test_a_port_that_is_taken_is_an_error(gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        option = f"--remote-debugging-port={other.getsockname()[1]}"
        result = subprocess.run(gateway.command("chrome", option), capture_output=True)
    assert result.returncode == 1
    assert b"Address already in use" in result.stderr


def test_a_killed_relay_lets_its_browser_go(gateway: Gateway) -> None:
    with gateway.running("chrome", "--remote-debugging-port=0") as process:
        owner = gateway.accept()
        owner.launched()
        port_of(process)
        process.send_signal(signal.SIGKILL)
        assert owner.ended()


def test_a_port_holds_back_a_client_that_does_not_read(gateway: Gateway) -> None:
    with gateway.running("chrome", "--remote-debugging-port=0") as process:
        owner = gateway.accept()
        owner.launched()
        with socket.create_connection(("127.0.0.1", port_of(process)), SECONDS) as client:
            client.sendall(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
            browser = gateway.accept()
            browser.request()
            browser.connection.setblocking(False)
            sent, quiet_since = 0, time.monotonic()
            while time.monotonic() - quiet_since < 0.5:
                try:
                    sent += browser.connection.send(b"x" * 65536)
                    quiet_since = time.monotonic()
                except BlockingIOError:
                    pass
            assert sent < 64 * 2**20
            received = 0
            while received < sent:
                received += len(client.recv(1 << 20))
            assert received == sent
        owner.connection.close()


def test_a_driver_relays_its_sessions(gateway: Gateway) -> None:
    with gateway.running("chromedriver", "--port=0", "--url-base=/wd/hub") as process:
        owner = gateway.accept()
        assert owner.request()[0] == "POST /fyke/driver/ HTTP/1.1"
        owner.answer(b"/fyke/driver/4\n")
        started = [process.stdout.readline(), process.stdout.readline()]
        port = int(started[1].rstrip(b".\n").rpartition(b" ")[2])
        assert started[1] == f"ChromeDriver was started successfully on port {port}.\n".encode()
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            client.sendall(b"POST /wd/hub/session HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            driver = gateway.accept()
            assert driver.request() == ("POST /fyke/driver/4/session HTTP/1.1", b"{}")
            driver.answer(b"{}")
            assert client.recv(1000).endswith(b"{}")
            client.sendall(b"GET /wd/hub/shutdown HTTP/1.1\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        assert process.wait(SECONDS) == 0
        assert owner.ended()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"hello\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"x" * (relay.MAX_HEAD + 1),
    ],
)
def test_what_is_no_request_ends_the_connection(request_bytes: bytes) -> None:
    with pytest.raises(ValueError):
        relay.Requests(str.upper).feed(request_bytes)


def test_requests_in_any_pieces_are_the_same() -> None:
    whole = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /b HTTP/1.1\r\n\r\n"
    expected = whole.replace(b"/a", b"/A").replace(b"/b", b"/B")
    for size in (1, 2, 7, len(whole)):
        requests = relay.Requests(str.upper)
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert b"".join(requests.feed(piece) for piece in pieces) == expected


@contextmanager
def real_browser(gateway: Gateway, folder: Path) -> Iterator[None]:
    """Serve one launch, and its WebSocket, with the machine's Chromium."""
    program = next(filter(None, map(shutil.which, PROGRAMS)))
    options = ("--no-sandbox", "--headless", "--remote-debugging-port=0", "--disable-gpu")
    browser = subprocess.Popen(
        [program, *options, f"--user-data-dir={folder}"],
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    line = next(line for line in browser.stderr if line.startswith(b"DevTools listening"))
    port, _, path = line.decode().strip().rpartition("127.0.0.1:")[2].partition("/")

    def serve() -> None:
        owner = gateway.accept()
        owner.request()
        owner.answer(f"7 /{path}\n".encode())
        client = gateway.accept()
        client.request()
        with socket.create_connection(("127.0.0.1", int(port)), SECONDS) as inside:
            inside.sendall(
                f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==\r\n\r\n".encode()
            )
            up = in_thread(lambda: copy(client.connection, inside))
            copy(inside, client.connection)
            up.join(SECONDS)
        owner.connection.close()

    serving = in_thread(serve)
    try:
        yield
        serving.join(SECONDS)
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
        browser.stderr.close()


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.mark.needs("chromium")
@pytest.mark.parametrize("budget", [(), ("--virtual-time-budget=5000",)])
def test_one_page_of_a_real_browser(
    gateway: Gateway, tmp_path: Path, budget: tuple[str, ...]
) -> None:
    page = "data:text/html,<!doctype html><p>plain</p><script>document.title='made'</script>"
    picture, paper = tmp_path / "page.png", tmp_path / "page.pdf"
    options = ("--headless", "--dump-dom", f"--screenshot={picture}", f"--print-to-pdf={paper}")
    with (
        real_browser(gateway, tmp_path / "profile"),
        gateway.running("chrome", *options, *budget, page) as process,
    ):
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith(b"<!DOCTYPE html>\n<html><head><title>made</title>")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert paper.read_bytes().startswith(b"%PDF")


@pytest.mark.needs("chromium")
def test_a_page_that_cannot_be_opened_is_an_error(gateway: Gateway, tmp_path: Path) -> None:
    with (
        real_browser(gateway, tmp_path / "profile"),
        gateway.running("chrome", "--headless", "--dump-dom", "http://127.0.0.1:1/") as process,
    ):
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, b"")
    assert err == b"chrome: http://127.0.0.1:1/: net::ERR_UNSAFE_PORT\n"
