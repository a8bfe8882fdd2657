"""The gateway of browsers in a process of its own, with a real Chromium: the runner's client, and
the death of either side.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from fyke.browser.client import GatewayClient
from fyke.contracts.browser import (
    BrowserEndCause,
    BrowserEnded,
    BrowserForm,
    BrowserNote,
    BrowserProgram,
    BrowserWanted,
    GatewayGrant,
)
from fyke.errors import Unavailable
from fyke.model.browser import BrowserActivity
from support.browser_gateways import GatewayProcess, gateway_and_client
from support.browser_hosts import PlainHost, plain_host, until
from support.egress import listener, port_of

pytestmark = [pytest.mark.anyio, pytest.mark.needs("chromium"), pytest.mark.timeout(300)]
ATTEMPT, SECRET = "01ATTEMPT", "s3cret"
WANTED = BrowserWanted(ATTEMPT, BrowserForm.CDP)
PAGE = "data:text/html,<title>x</title><script>document.title = 6 * 7</script>"


class GatewayUser:
    """A runner with one attempt: it attaches a plain Chromium whenever a browser is wanted."""

    def __init__(self, client: GatewayClient, process: GatewayProcess, folder: Path) -> None:
        self.client = client
        self.process = process
        self.folder = folder
        self.listener = listener()
        self.url = f"{ATTEMPT}:{SECRET}@127.0.0.1:{port_of(self.listener)}"
        self.heard: list[object] = []
        self.hosts: list[PlainHost] = []
        self.stack = AsyncExitStack()
        self.attaches = True
        self._tasks: set[asyncio.Task[None]] = set()
        client.on_wanted = self._wanted
        client.on_started = lambda attempt, generation: self.heard.append((attempt, generation))
        client.on_ended = self.heard.append
        client.on_note = self.heard.append
        self.activities: list[BrowserActivity] = []
        client.on_activity = lambda attempt, generation, did: self.activities.append(did)

    def _wanted(self, wanted: BrowserWanted) -> None:
        self.heard.append(wanted)
        if self.attaches:
            task = asyncio.create_task(self.attach(wanted.attempt_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def attach(self, attempt_id: str = ATTEMPT) -> None:
        number = len(self.hosts) + 1
        host, control = await self.stack.enter_async_context(plain_host(self.folder / str(number)))
        self.hosts.append(host)
        with control:
            program = BrowserProgram.HEADLESS_SHELL
            await self.client.attach(attempt_id, number, control, program, own_sandbox=False)

    def ended(self) -> list[BrowserEnded]:
        return [one for one in self.heard if isinstance(one, BrowserEnded)]


@pytest.fixture
async def user(tmp_path: Path) -> AsyncIterator[GatewayUser]:
    async with gateway_and_client(tmp_path) as (client, process):
        made = GatewayUser(client, process, tmp_path)
        await client.open([made.listener], GatewayGrant(ATTEMPT, SECRET))
        made.listener.close()
        async with made.stack:
            yield made


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        yield await playwright.chromium.connect_over_cdp(url, timeout=120_000)


async def title(browser: Browser) -> str:
    page = await browser.new_page()
    await page.goto(PAGE)
    found = await page.title()
    await page.close()
    return found


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_a_library_gets_a_page(user: GatewayUser, scheme: str) -> None:
    async with connected(f"{scheme}://{user.url}") as browser:
        assert await title(browser) == "42"
        session = await browser.new_browser_cdp_session()
        answer = await session.send("Captchas.automaticSolver", {"timeout": 1})  # type: ignore[arg-type]
        assert answer["status"] is False
        await browser.close()  # only disconnects
    async with connected(f"{scheme}://{user.url}") as browser:
        assert await title(browser) == "42"
    assert len(user.hosts) == 1
    started, note = user.heard[1:]
    assert user.heard[0] == WANTED
    assert started == (ATTEMPT, 1)
    assert isinstance(note, BrowserNote)
    assert note.code == "captchas"


@pytest.mark.long
async def test_a_large_page_passes(user: GatewayUser) -> None:
    async with connected(f"ws://{user.url}") as browser:
        page = await browser.new_page()
        await page.set_content("<p>" + "x" * 3_000_000 + "</p>")
        assert len(await page.content()) > 3_000_000


async def test_a_closed_browser_ends_and_the_next_connection_gets_another(
    user: GatewayUser,
) -> None:
    async with connected(f"ws://{user.url}") as browser:
        session = await browser.new_browser_cdp_session()
        with contextlib.suppress(Exception):
            await session.send("Browser.close")
    await until(lambda: user.ended(), 120)
    assert user.ended() == [BrowserEnded(ATTEMPT, 1, BrowserEndCause.CLOSED)]
    async with connected(f"ws://{user.url}") as browser:
        assert await title(browser) == "42"
    assert len(user.hosts) == 2


async def test_a_killed_chromium_is_replaced(user: GatewayUser) -> None:
    async with connected(f"ws://{user.url}") as browser:
        gone = asyncio.Event()
        browser.on("disconnected", lambda _: gone.set())
        user.hosts[0].kill(0)
        await asyncio.wait_for(gone.wait(), 120)
    await until(lambda: user.ended(), 120)
    assert user.ended() == [BrowserEnded(ATTEMPT, 1, BrowserEndCause.CRASHED, "signal 9 (SIGKILL)")]
    async with connected(f"ws://{user.url}") as browser:
        assert await title(browser) == "42"


async def test_a_killed_gateway_is_replaced_with_the_same_sockets(user: GatewayUser) -> None:
    async with connected(f"ws://{user.url}"):
        user.process.kill()
        await until(lambda: user.ended(), 120)
        [ended] = user.ended()
        assert (ended.generation, ended.cause) == (1, BrowserEndCause.GATEWAY_ENDED)
        process = user.hosts[0].processes[0]
        await asyncio.wait_for(process.wait(), 120)  # the control socket is closed: it ends
    connecting = asyncio.create_task(_title_at(f"ws://{user.url}"))  # waits in the listener
    user.process.start()
    assert await connecting == "42"
    await user.client.check()


async def _title_at(url: str) -> str:
    async with connected(url) as browser:
        return await title(browser)


async def test_a_final_refusal_survives_a_killed_gateway(user: GatewayUser) -> None:
    await user.client.refuse(ATTEMPT, 403, "declared none")
    for _ in range(2):
        assert await get(user) == (403, "declared none\n")
        user.process.kill()
        user.process.start()
    assert await get(user) == (403, "declared none\n")
    assert user.heard == []


async def test_a_wanted_browser_is_reported_once_until_it_is_answered(user: GatewayUser) -> None:
    user.attaches = False
    first = asyncio.create_task(get(user))
    await until(lambda: user.heard == [WANTED], 60)
    user.process.kill()
    user.process.start()
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await first
    second = asyncio.create_task(get(user))
    await user.client.check()
    await user.client.refuse(ATTEMPT, 503, "no room", retry_after=5)
    status, _ = await second
    assert status == 503
    wanted, lost = user.heard  # the connection that waited in the first gateway
    assert wanted == WANTED and isinstance(lost, BrowserEnded)
    assert (lost.generation, lost.cause) == (0, BrowserEndCause.GATEWAY_ENDED)


@asynccontextmanager
async def site() -> AsyncIterator[str]:
    """A site whose page has an image, and requests what is not there."""
    page = b"<img src=/image.svg><script>fetch('/no').then(a => window.fetched = a.status)</script>"
    answers = {
        "/": (b"302 Found\r\nLocation: /page", b""),
        "/page": (b"200 OK\r\nContent-Type: text/html", page + b" " * 300),
        "/image.svg": (
            b"200 OK\r\nContent-Type: image/svg+xml",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        ),
        "/no": (b"404 Not Found", b""),
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, body = answers.get(head.split(" ")[1], (b"204 No Content", b""))
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n" % (status, len(body)))
        writer.write(b"Connection: close\r\n\r\n" + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def get(user: GatewayUser, path: str = "/json/version") -> tuple[int, str]:
    host, _, port = user.url.rpartition("@")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        return int(head.split(" ")[1]), (await reader.read()).decode()
    finally:
        writer.close()


async def test_the_end_of_an_attempt_brings_what_its_browser_did(user: GatewayUser) -> None:
    async with site() as address, connected(f"ws://{user.url}") as browser:
        page = await browser.new_page()
        await page.goto(f"{address}/")
        await page.evaluate("console.warn('seen', 42)")
        await page.evaluate("setTimeout(() => { throw new Error('broken') })")
        await page.wait_for_function("document.images[0].complete && window.fetched === 404")
        await page.evaluate("1")
        await user.client.close(ATTEMPT)
    last = user.activities[-1]
    assert last.requests["document"] == 2  # with a redirect
    assert last.requests["image"] == last.requests["fetch"] == 1
    assert last.statuses == {"3xx": 1, "2xx": 2, "4xx": 1}
    assert last.sites == {"127.0.0.1": {"302": 1, "200": 2, "404": 1}}
    assert last.received["document"] > 300
    assert (last.pages, last.urls) == (1, (f"{address}/page",))
    lines = [(line.level.value, line.text) for did in user.activities for line in did.lines]
    assert ("warning", "seen 42") in lines
    assert any(level == "error" and "broken" in text for level, text in lines)
    assert last.console["warning"] == 1
    assert last.console["error"] >= 2  # and the status 404


async def test_a_closed_attempt_refuses_connections(user: GatewayUser) -> None:
    status, body = await get(user)
    assert status == 200
    assert "HeadlessChrome" in json.loads(body)["Browser"]
    await user.client.close(ATTEMPT)
    with pytest.raises(ConnectionRefusedError):
        await get(user)
    await asyncio.wait_for(user.hosts[0].processes[0].wait(), 120)
    assert user.ended() == []
    await user.client.close(ATTEMPT)  # unknown by now
    with pytest.raises(Unavailable):
        await user.attach()


async def test_a_dead_runner_takes_its_browsers_along(user: GatewayUser) -> None:
    assert (await get(user))[0] == 200
    process = user.hosts[0].processes[0]
    assert user.client._connection.current is not None
    user.client._connection.current._channel._sock.shutdown(socket.SHUT_RDWR)
    await asyncio.wait_for(process.wait(), 120)


async def test_a_gateway_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fyke.browser.client._CHECK_SECONDS", 0.1)
    monkeypatch.setattr("fyke.browser.client._OPEN_SECONDS", 0.1)
    client = GatewayClient(tmp_path / "run" / "browser.sock", timeout=0.1)
    await client.start()
    sock = listener()
    try:
        with pytest.raises(Unavailable):
            await client.check()
        await client.open([sock], GatewayGrant(ATTEMPT, SECRET))  # a run does not wait for it
        with pytest.raises(Unavailable):
            await client.attach(ATTEMPT, 1, sock, BrowserProgram.HEADLESS_SHELL, own_sandbox=False)
    finally:
        await client.stop()


async def test_a_stalled_gateway_delays_no_run(user: GatewayUser) -> None:
    """It opens the attempt once it goes on; connections wait."""
    assert user.process.process is not None
    await user.client.check()
    user.process.process.send_signal(signal.SIGSTOP)
    sock = listener()
    try:
        await asyncio.wait_for(user.client.open([sock], GatewayGrant("01SECOND", SECRET)), 20)
    finally:
        user.process.process.send_signal(signal.SIGCONT)
    [note] = user.heard
    assert isinstance(note, BrowserNote)
    assert (note.attempt_id, note.code) == ("01SECOND", "gateway_away")
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(sock))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 404 Not Found\r\n"
    writer.close()
    sock.close()


async def test_requests_that_make_no_sense_are_refused(user: GatewayUser) -> None:
    with pytest.raises(ValueError, match="has a gateway already"):
        await user.client.open([], GatewayGrant(ATTEMPT, SECRET))
    with pytest.raises(Unavailable, match="at least one listener"):
        await user.client.open([], GatewayGrant("01OTHER", SECRET))
    await get(user)
    with pytest.raises(Unavailable, match="has a browser already"):
        await user.attach()
