"""The contract of every notifier, against real sockets, with and without TLS."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from fyke.contracts.delivery import Notifier, ReceiverResponse
from fyke.kit.addresses import AddressRules
from fyke.kit.resolver import Resolver
from fyke.notify import http
from fyke.notify.host_limiter import HostRateLimiter
from fyke.notify.http import HttpNotifier
from support.authority import make_authority

pytestmark = pytest.mark.anyio

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver:
    """The server of a receiver: it records the requests and responds with a handler."""

    def __init__(self, answer: bytes | Handler, context: ssl.SSLContext | None = None) -> None:
        self._answer = answer
        self._context = context
        self.requests: list[bytes] = []
        self.connections = 0
        self.times: list[float] = []
        self.now = self.most = 0

    async def __aenter__(self) -> Receiver:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()

    def url(self, scheme: str = "http", host: str = "127.0.0.1", path: str = "/hook?x=1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.now += 1
        self.most = max(self.most, self.now)
        self.times.append(time.monotonic())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            self.requests.append(head + await reader.readexactly(length))
            if isinstance(self._answer, bytes):
                writer.write(self._answer)
                await writer.drain()
            else:
                await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, IndexError):
            pass
        finally:
            self.now -= 1
            writer.close()


@pytest.fixture
async def notifier() -> AsyncIterator[Notifier]:
    http_notifier = HttpNotifier(AddressRules(["127.0.0.0/8"]))
    yield http_notifier
    http_notifier.close()


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time limits, so that their tests are fast."""
    monkeypatch.setattr(http, "TOTAL_SECONDS", 0.6)
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.4)
    monkeypatch.setattr(http, "QUEUE_SECONDS", 0.3)
    monkeypatch.setattr(http, "DRAIN_SECONDS", 0.2)


async def test_the_request_is_complete(notifier: Notifier) -> None:
    async with Receiver(OK) as receiver:
        answer = await notifier.post(receiver.url(), b'{"a":1}', {"webhook-id": "msg_1"})
    assert answer == ReceiverResponse(200, reply="ok")
    (request,) = receiver.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?x=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{receiver.port}" in lines
    assert "Content-Type: application/json" in lines
    assert "webhook-id: msg_1" in lines
    assert body == b'{"a":1}'


@pytest.mark.parametrize("status", [200, 201, 204, 400, 404, 410, 429, 500, 503])
async def test_the_status_is_reported(notifier: Notifier, status: int) -> None:
    async with Receiver(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()) as receiver:
        assert await notifier.post(receiver.url(), b"{}", {}) == ReceiverResponse(status)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(notifier: Notifier, status: int) -> None:
    async with Receiver(OK) as trap:
        reply = f"HTTP/1.1 {status} X\r\nLocation: {trap.url()}\r\nRefresh: 0; url={trap.url()}\r\n"
        reply += f'\r\n<meta http-equiv="refresh" content="0; url={trap.url()}">'
        async with Receiver(reply.encode()) as receiver:
            answer = await notifier.post(receiver.url(), b"{}", {})
            assert answer == ReceiverResponse(status, reply=reply.partition("\r\n\r\n")[2])
        assert trap.connections == 0


async def test_early_hints_are_skipped(notifier: Notifier) -> None:
    async with Receiver(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK) as r:
        assert await notifier.post(r.url(), b"{}", {}) == ReceiverResponse(200, reply="ok")


@pytest.mark.parametrize(
    "reply",
    [b"", b"HTTP/1.1 20", b"SSH-2.0-x\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 999 X\r\n\r\n",
     b"HTTP/1.1 101 Switching\r\n\r\n",
     b"HTTP/1.1 2000 X\r\n\r\n", b"\x15\x03\x01\x00\x02\r\n\r\n"],
)  # fmt: skip
async def test_an_invalid_response_is_described(notifier: Notifier, reply: bytes) -> None:
    async with Receiver(reply) as receiver:
        answer = await notifier.post(receiver.url(), b"{}", {})
    assert answer.status == 0 and answer.error and answer.sent


async def test_a_refused_connection_is_described(notifier: Notifier) -> None:
    async with Receiver(OK) as receiver:
        url = receiver.url()
    answer = await notifier.post(url, b"{}", {})
    assert answer.status == 0 and "connect" in answer.error


async def forever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the client gives up


async def endless_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Filler: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


async def endless_hints(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await writer.drain()


async def dripping_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
    while True:
        writer.write(bytes(65536))
        await writer.drain()


async def dripping_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("handler", "status"),
    [
        (forever, 0),
        (endless_head, 0),
        (endless_hints, 0),
        (dripping_head, 0),
        (endless_body, 200),
        (dripping_body, 200),
    ],
)
async def test_slow_receivers_are_ended_in_time(
    notifier: Notifier, monkeypatch: pytest.MonkeyPatch, handler: Handler, status: int
) -> None:
    quick(monkeypatch)
    async with Receiver(handler) as receiver:
        start = time.monotonic()
        answer = await notifier.post(receiver.url(), b"{}", {})
        assert time.monotonic() - start < 10  # a reply without limits would never end
    assert answer.status == status
    assert bool(answer.error) == (status == 0)


def test_the_bounds_are_those_of_the_contract() -> None:
    assert (http.CONNECT_SECONDS, http.TOTAL_SECONDS, http.MAX_READ) == (5.0, 15.0, 65536)


@pytest.mark.slow
async def test_a_host_gets_two_requests_at_once_and_ten_a_second() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(OK)

    notifier = HttpNotifier(AddressRules(["127.0.0.0/8"]))
    async with Receiver(slow) as receiver:
        start = time.monotonic()
        answers = await asyncio.gather(
            *(notifier.post(receiver.url(), b"{}", {}) for _ in range(25))
        )
    assert all(answer == ReceiverResponse(200, reply="ok") for answer in answers)
    assert receiver.most <= 2
    # measured from the start, because a busy machine may accept the first requests late
    for number, at in enumerate(sorted(receiver.times)):
        assert at - start >= number // 10 * 0.95
    notifier.close()


@pytest.mark.slow
async def test_waiting_for_a_host_uses_no_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    notifier = HttpNotifier(AddressRules(["127.0.0.0/8"]))
    async with Receiver(forever) as hanging, Receiver(OK) as healthy:
        stuck = [asyncio.create_task(notifier.post(hanging.url(), b"{}", {})) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert await notifier.post(healthy.url(), b"{}", {}) == ReceiverResponse(200, reply="ok")
        answers = await asyncio.gather(*stuck)
    assert hanging.connections <= 4
    assert sum(answer.sent for answer in answers) == hanging.connections
    assert all("waiting" in answer.error for answer in answers if not answer.sent)
    notifier.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433"])
async def test_internal_addresses_are_refused(host: str) -> None:
    notifier = HttpNotifier(AddressRules())
    async with Receiver(OK) as receiver:
        answer = await notifier.post(receiver.url(host=host), b"{}", {})
        assert answer.status == 0 and answer.error
        assert receiver.connections == 0
    notifier.close()


async def test_names_of_internal_addresses_are_refused_at_delivery() -> None:
    notifier = HttpNotifier(AddressRules(), resolver=Resolver(lambda name: ("127.0.0.1",)))
    async with Receiver(OK) as receiver:
        answer = await notifier.post(receiver.url(host="evil.example"), b"{}", {})
        assert receiver.connections == 0
        unresolved = HttpNotifier(AddressRules(), resolver=Resolver(lambda name: ()))
        absent = await unresolved.post(receiver.url(host="evil.example"), b"{}", {})
        unresolved.close()
    assert "FYKE_CALLBACK_ALLOW" in answer.error and "127.0.0.1" not in answer.error
    assert absent == answer  # else a caller could find out which internal names exist
    notifier.close()


@pytest.mark.parametrize("rounds", [100, pytest.param(1000, marks=pytest.mark.long)])
async def test_a_rebinding_name_is_connected_at_the_checked_address(rounds: int) -> None:
    """The resolver alternates between two addresses; only the checked address is used."""
    answers = [("127.0.0.2",), ("127.0.0.1",)]  # allowed; not allowed, the canary's address
    lookups: list[str] = []

    def flipping(name: str) -> tuple[str, ...]:
        lookups.append(name)
        return answers[len(lookups) % 2]

    async with Receiver(OK) as canary:
        rules = AddressRules([f"127.0.0.2:{canary.port}"])
        resolver = Resolver(flipping, keep=0, keep_failure=0)
        notifier = HttpNotifier(rules, resolver=resolver, limiter=HostRateLimiter(100, 10_000))
        outcomes = [
            await notifier.post(canary.url(host="flip.example"), b"{}", {}) for _ in range(rounds)
        ]
        assert canary.connections == 0
    assert len(lookups) == rounds
    assert sum("public internet" in answer.error for answer in outcomes) == rounds // 2
    assert sum("connect" in answer.error for answer in outcomes) == rounds - rounds // 2
    notifier.close()


@pytest.mark.parametrize("name", ["x: y\r\nHost", "a b", ""])
async def test_header_values_cannot_add_headers(notifier: Notifier, name: str) -> None:
    with pytest.raises(ValueError, match="header"):
        await notifier.post("http://127.0.0.1:9999/", b"", {name: "v"})
    with pytest.raises(ValueError, match="header"):
        await notifier.post("http://127.0.0.1:9999/", b"", {"a": "v\r\nx: y"})


# --- TLS -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary authority and a certificate for ``hooks.example``."""
    folder = tmp_path_factory.mktemp("tls")
    make_authority(folder, ["hooks.example"])
    return folder


def server_context(authority: Path, names: list[str | None]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "site.pem", authority / "site.key")
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    return context


def tls_notifier(trust: Path | None) -> HttpNotifier:
    context = ssl.create_default_context(cafile=str(trust) if trust else None)
    return HttpNotifier(
        AddressRules(["127.0.0.1/32"]),
        resolver=Resolver(lambda name: ("127.0.0.1",)),
        context=context,
    )


async def test_authorities_are_read_for_the_first_receiver_with_tls(
    authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    make = ssl.create_default_context

    def trusting() -> ssl.SSLContext:
        read.append(authority)
        return make(cafile=str(authority / "ca.pem"))

    monkeypatch.setattr(ssl, "create_default_context", trusting)
    notifier = HttpNotifier(
        AddressRules(["127.0.0.1/32"]), resolver=Resolver(lambda name: ("127.0.0.1",))
    )
    async with Receiver(OK) as plain, Receiver(OK, server_context(authority, [])) as secure:
        assert (await notifier.post(plain.url(), b"{}", {})).status == 200
        assert read == []
        for _ in range(2):
            url = secure.url("https", "hooks.example")
            assert (await notifier.post(url, b"{}", {})).status == 200
    assert read == [authority]
    notifier.close()


async def test_tls_uses_the_host_name(authority: Path) -> None:
    names: list[str | None] = []
    notifier = tls_notifier(authority / "ca.pem")
    async with Receiver(OK, server_context(authority, names)) as receiver:
        url = receiver.url("https", "hooks.example")
        assert await notifier.post(url, b"{}", {}) == ReceiverResponse(200, reply="ok")
        assert names == ["hooks.example"]
        assert f"Host: hooks.example:{receiver.port}\r\n".encode() in receiver.requests[0]
    notifier.close()


@pytest.mark.parametrize(("host", "trusted"), [("other.example", True), ("hooks.example", False)])
async def test_tls_certificates_are_verified(authority: Path, host: str, trusted: bool) -> None:
    notifier = tls_notifier(authority / "ca.pem" if trusted else None)
    async with Receiver(OK, server_context(authority, [])) as receiver:
        answer = await notifier.post(receiver.url("https", host), b"{}", {})
        assert answer.status == 0 and answer.error.startswith("TLS: ")
        assert receiver.requests == []
    notifier.close()


async def test_tls_to_a_plain_server_is_described() -> None:
    notifier = tls_notifier(None)
    server = await asyncio.start_server(
        lambda _reader, writer: writer.write(b"HTTP/1.1 400 plain\r\n\r\n"), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    answer = await notifier.post(f"https://hooks.example:{port}/", b"{}", {})
    server.close()
    assert answer.status == 0 and answer.error
    notifier.close()
