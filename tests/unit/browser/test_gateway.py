"""The gateway with real sockets: waiting, refusing, and clients that behave badly."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from fyke.browser.messages import Noted, Started, Wanted
from fyke.browser.streams import ByteStream
from support.browser_hosts import GUID, until
from support.browser_place import (
    ATTEMPT,
    UPGRADE,
    WANTED,
    Chromium,
    Place,
    place,
)

pytestmark = pytest.mark.anyio


async def test_a_connection_waits_for_a_browser_and_is_relayed() -> None:
    async with place() as gateway:
        chromium = Chromium()
        connecting = asyncio.create_task(gateway.websocket("/ws?apiKey=01ATTEMPT:s3cret"))
        await until(lambda: gateway.notices == [WANTED])
        host = await gateway.host(chromium)
        gateway.attach(host)
        client = await connecting
        await client.say({"id": 1, "method": "Browser.getVersion"})
        assert await client.hear() == {"id": 1, "method": "Browser.getVersion"}
        assert gateway.notices == [WANTED, Started(ATTEMPT, 1)]
        assert chromium.heads[0].startswith(f"GET {GUID} HTTP/1.1\r\nHost: 127.0.0.1:")
        assert host.requests[0] == {
            "type": "start",
            "id": 1,
            "instance": 0,
            "program": "headless-shell",
            "arguments": [],
            "own_sandbox": True,
        }


async def test_all_connections_of_an_attempt_have_one_browser() -> None:
    async with place() as gateway:
        chromium = Chromium()
        host = await gateway.attached(chromium)
        clients = await asyncio.gather(*(gateway.websocket() for _ in range(10)))
        await gateway.websocket("/devtools/browser/of-an-earlier-one")
        await gateway.websocket("/devtools/page/ABC")
        assert "GET /devtools/page/ABC " in chromium.heads[-1]
        assert host.kinds().count("start") == 1
        for number, client in enumerate(clients):
            await client.say({"id": number})
            assert await client.hear() == {"id": number}
        assert gateway.notices == [WANTED, Started(ATTEMPT, 1)]


async def test_endpoints_on_one_connection() -> None:
    async with place() as gateway:
        chromium = Chromium()
        url = b'{"webSocketDebuggerUrl": "ws://127.0.0.1:3/devtools/browser/a"}'
        chromium.bodies = {"/json/version": url, "/json/new?about:blank": b"{}"}
        await gateway.attached(chromium)
        client = await gateway.connect()
        await client.ask("GET", "/json/version/")
        assert json.loads((await client.answer())[2]) == {
            "webSocketDebuggerUrl": "ws://browser.test:80/devtools/browser/a"
        }
        await client.ask("GET", "/json/new?about:blank")
        assert (await client.answer())[0] == 200
        assert chromium.heads[-1].startswith("PUT /json/new?about:blank ")
        await client.ask("GET", "/json/close/ABC", "Connection: close\r\n")
        assert (await client.answer())[::2] == (404, b"no such thing")
        assert await client.reader.read() == b""


async def test_an_unknown_page_gets_chromiums_answer() -> None:
    async with place() as gateway:

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nNo page")
            writer.close()

        chromium = Chromium()
        chromium.serve = refuse  # type: ignore[method-assign]
        await gateway.attached(chromium)
        assert (await gateway.get("/devtools/page/ABC", UPGRADE))[::2] == (404, b"No page")


@pytest.mark.parametrize(
    ("method", "target", "lines", "status"),
    [
        ("GET", "/", UPGRADE + "Authorization: Basic YTpi\r\n", 401),
        ("GET", "/ws?apiKey=01ATTEMPT:wrong", UPGRADE, 401),
        ("GET", "/", "", 404),
        ("GET", "/elsewhere", UPGRADE, 404),
        ("GET", "/json/new?file:///", "", 403),
        ("POST", "/json", "", 405),
        ("POST", "/example", "Content-Length: 5000000\r\n", 413),
        ("POST", "/example", "Transfer-Encoding: chunked\r\n", 400),
        ("POST", "/camoufox", "", 501),
        ("GET", "/ noise", "", 400),
        ("GET", "/", "X: " + "x" * 20_000 + "\r\n", 400),
    ],
)
async def test_what_needs_no_browser_wants_none(
    method: str, target: str, lines: str, status: int
) -> None:
    async with place() as gateway:
        client = await gateway.connect()
        await client.ask(method, target, lines)
        assert (await client.answer())[0] == status
        assert not any(isinstance(notice, Wanted) for notice in gateway.notices)


async def test_other_modules_can_serve_requests() -> None:
    async with place() as gateway:
        client = await gateway.connect()
        for body in (b"", b"text", b"x" * 200_000):
            await client.ask("POST", "/example", f"Content-Length: {len(body)}\r\n", body)
            assert (await client.answer())[::2] == (200, body)


async def test_a_refusal_is_the_answer_for_a_while() -> None:
    async with place() as gateway:
        waiting = [asyncio.create_task(gateway.get("/", UPGRADE)) for _ in range(3)]
        await until(lambda: len(gateway.gateway._attempts[ATTEMPT]._waiting) == 3)
        gateway.gateway.refuse(ATTEMPT, 503, "no room", 1)
        for status, head, body in await asyncio.gather(*waiting, gateway.get("/json")):
            assert (status, body) == (503, b"no room\n")
            assert "Retry-After: 1\r\n" in head
        assert gateway.notices == [WANTED]
        loop = asyncio.get_running_loop()
        attempt = gateway.gateway._attempts[ATTEMPT]
        assert attempt._refusal is not None
        assert attempt._refusal.until is not None
        await until(lambda: loop.time() > attempt._refusal.until)  # type: ignore[union-attr]
        await gateway.attached(Chromium())
        await gateway.websocket()
        assert gateway.notices == [WANTED, WANTED, Started(ATTEMPT, 1)]


async def test_a_final_refusal_stands() -> None:
    async with place() as gateway:
        gateway.gateway.refuse(ATTEMPT, 403, "declared none", 0)
        for _ in range(3):
            status, head, body = await gateway.get("/", UPGRADE)
            assert (status, body) == (403, b"declared none\n")
            assert "Retry-After" not in head
        assert gateway.notices == []


async def test_a_browser_that_does_not_come_in_time() -> None:
    async with place(wait_seconds=0.05) as gateway:
        status, _, body = await gateway.get("/", UPGRADE)
        assert (status, body) == (503, b"the browser did not start in time; try again\n")


async def test_closing_an_attempt_ends_everything() -> None:
    async with place() as gateway:
        host = await gateway.attached(Chromium())
        clients = [await gateway.websocket() for _ in range(3)]
        gateway.gateway.close(ATTEMPT, final=True)
        for client in clients:
            with pytest.raises(ConnectionError):
                assert await client.reader.read() == b""
                raise ConnectionResetError
        await until(lambda: host.ended)
        with pytest.raises(ConnectionRefusedError):
            await gateway.connect()
        assert gateway.notices == [WANTED, Started(ATTEMPT, 1)]


async def test_connections_beyond_the_limit_are_closed() -> None:
    async with place(connections=3) as gateway:
        held = [await gateway.connect() for _ in range(3)]
        await until(lambda: len(gateway.gateway._attempts[ATTEMPT]._connections) == 3)
        further = await gateway.connect()
        with pytest.raises(ConnectionError):
            assert await further.reader.read() == b""
            raise ConnectionResetError
        assert [n.code for n in gateway.notices if isinstance(n, Noted)] == ["browser_connections"]
        held[0].writer.close()
        await until(lambda: len(gateway.gateway._attempts[ATTEMPT]._connections) == 2)
        assert (await gateway.get("/"))[0] == 404


async def test_half_a_head_is_not_awaited_for_ever() -> None:
    async with place(head_seconds=0.05, close_seconds=0.05) as gateway:
        client = await gateway.connect()
        client.writer.write(b"GET / HTT")
        assert await client.reader.read() == b""


async def test_what_cannot_become_a_request_is_answered_at_once() -> None:
    async with place(head_seconds=1000) as gateway:
        client = await gateway.connect()
        client.writer.write(b"\x16\x03\x01\x02\x00\x01")  # TLS, which waits for an answer now
        status, _, body = await client.answer()
        assert (status, b"without TLS" in body) == (400, True)
        assert await client.reader.read() == b""


async def test_nothing_is_left_of_many_connections() -> None:
    async with place() as gateway:
        chromium = Chromium(bodies={"/json/list": b"[]"})
        await gateway.attached(chromium)
        await gateway.get("/json/list")
        before = None
        for _ in range(5):
            clients = [await gateway.websocket() for _ in range(20)]
            await asyncio.gather(*(gateway.get("/json/list") for _ in range(20)))
            for client in clients:
                client.writer.close()
            await until(lambda: not gateway.gateway._attempts[ATTEMPT]._connections)
            count = len(os.listdir("/proc/self/fd"))
            before = before or count
        assert count <= before + 5


async def test_requests_whose_answers_are_not_read_are_not_served() -> None:
    """Many small requests at once: each would leave an answer in memory."""
    async with place() as gateway:
        client = await gateway.connect()
        client.writer.transport.pause_reading()
        request = b"GET /example HTTP/1.1\r\n\r\n"
        client.writer.write(request * 400_000)
        [stream] = await connections(gateway)
        sizes = []
        while len(sizes) < 200:
            await asyncio.sleep(0.002)
            sizes.append(stream._transport.get_write_buffer_size())  # type: ignore[union-attr]
        assert max(sizes) < 2**20
        other = await gateway.connect()
        await other.ask("GET", "/example", "Connection: close\r\n")
        assert (await other.answer())[0] == 200


async def connections(gateway: Place) -> list[ByteStream]:
    attempt = gateway.gateway._attempts[ATTEMPT]
    await until(lambda: attempt._connections)
    return list(attempt._connections.values())


async def test_a_refused_request_ends_its_connection() -> None:
    async with place() as gateway:
        client = await gateway.connect()
        client.writer.write(b"GET /nothing HTTP/1.1\r\n\r\n" * 10)
        assert (await client.answer())[0] == 404
        assert await client.reader.read() == b""


async def test_a_fault_of_a_route_is_answered_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with place() as gateway:
        for _ in range(3):
            client = await gateway.connect()
            await client.ask("POST", "/example", "Content-Length: 5\r\n", b"raise")
            assert (await client.answer())[0] == 500
        assert [record.message for record in caplog.records] == [
            f"a connection of attempt {ATTEMPT} failed"
        ]


async def test_a_large_answer_is_not_parsed() -> None:
    async with place() as gateway:
        large = b"[" + b"{}," * 250_000 + b"{}]"
        await gateway.attached(Chromium(bodies={"/json": large, "/json/protocol": large}))
        assert (await gateway.get("/json"))[0] == 503
        assert (await gateway.get("/json/protocol"))[::2] == (200, large)
