"""Requests that a run does not load: what the gateway tells Chromium, and when it does not work."""

from __future__ import annotations

import asyncio
import json

import pytest

from fyke.browser import blocking
from fyke.browser.event_reader import EventReader
from fyke.browser.messages import Acted, Ended, Noted
from fyke.browser.recorder import Recorder
from fyke.contracts.browser import BrowserEndCause
from fyke.model.browser import BrowserBlock
from support.browser_hosts import until
from support.browser_place import Chromium, Place, echo, place
from support.devtools import Devtools

pytestmark = pytest.mark.anyio
BLOCK = (BrowserBlock.IMAGES, BrowserBlock.FONTS)
PATTERNS = {"patterns": [{"resourceType": "Image"}, {"resourceType": "Font"}]}


class BlockedChromium(Chromium):
    """Its first WebSocket is that of the gateway; others are echoed. It has a page with a frame."""

    def __init__(self) -> None:
        super().__init__(serve_socket=self._serve_socket)
        self.devtools: Devtools | None = None
        self.unanswered: set[str] = set()
        self.results: dict[str, object] = {}
        self.error_code = -32000

    async def _serve_socket(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.devtools is not None:
            await echo(reader, writer)
            return
        self.devtools = Devtools(writer)
        self.devtools.unanswered = self.unanswered
        self.devtools.results = self.results
        self.devtools.error_code = self.error_code
        self.devtools.attached("P", "page")
        self.devtools.attached("F", "iframe")
        await self.devtools.serve(reader)

    @property
    def gateway(self) -> Devtools:
        assert self.devtools is not None
        return self.devtools


async def launched(gateway: Place, *arguments: str) -> None:
    """Start a Chromium as ``LaunchRoutes`` does."""
    browser = gateway.gateway._attempts["01ATTEMPT"].browser
    assert browser is not None
    with browser.used(), browser.starts_own() as number:
        await browser.launch(number, arguments)


async def test_a_client_gets_its_browser_once_all_pages_are_covered() -> None:
    chromium = BlockedChromium()
    chromium.unanswered = {"Fetch.enable"}
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        await gateway.attached(chromium)
        connecting = asyncio.create_task(gateway.websocket())
        await until(lambda: chromium.devtools and len(chromium.gateway.commands) == 7)
        await asyncio.sleep(0)
        assert not connecting.done()
        attach = chromium.gateway.sent("Target.setAutoAttach")
        assert [(session, params["filter"][0]["type"]) for session, params in attach] == [
            ("", "page"), ("P", "iframe"), ("F", "iframe"),
        ]  # fmt: skip
        assert all(params["waitForDebuggerOnStart"] for _, params in attach)
        assert chromium.gateway.sent("Fetch.enable") == [("P", PATTERNS), ("F", PATTERNS)]
        assert chromium.gateway.sent("Runtime.runIfWaitingForDebugger") == [("P", {}), ("F", {})]
        for command in chromium.gateway.commands:
            if command["method"] == "Fetch.enable":
                chromium.gateway.answer(command)
        client = await connecting
        await client.say({"id": 1})
        assert await client.hear() == {"id": 1}


async def test_later_pages_are_covered_before_they_begin() -> None:
    chromium = BlockedChromium()
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        await gateway.attached(chromium)
        await gateway.websocket()
        chromium.gateway.commands.clear()
        chromium.gateway.attached("P2", "page")
        chromium.gateway.attached("W", "worker")
        await until(lambda: len(chromium.gateway.commands) == 4)
        assert [(one["method"], one["sessionId"]) for one in chromium.gateway.commands] == [
            ("Fetch.enable", "P2"),
            ("Target.setAutoAttach", "P2"),
            ("Runtime.runIfWaitingForDebugger", "P2"),
            ("Runtime.runIfWaitingForDebugger", "W"),
        ]


async def test_paused_requests_fail_and_count_by_type() -> None:
    chromium = BlockedChromium()
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        await gateway.attached(chromium)
        await gateway.websocket()
        for number, kind in (("1", "Image"), ("2", "Image"), ("3", "Font")):
            chromium.gateway.say(
                "Fetch.requestPaused", "P", requestId=number, resourceType=kind, request={}
            )
        chromium.gateway.say("Fetch.requestPaused", "P", requestId=7)
        await until(lambda: len(chromium.gateway.sent("Fetch.failRequest")) == 3)
        failed = {"requestId": "1", "errorReason": "BlockedByClient"}
        assert chromium.gateway.sent("Fetch.failRequest")[0] == ("P", failed)
        gateway.gateway.stop()
    [last] = [notice for notice in gateway.notices if isinstance(notice, Acted)]
    assert last.activity.blocked == {"image": 2, "font": 1}
    [note] = [notice for notice in gateway.notices if isinstance(notice, Noted)]
    assert note.text == "The run does not load images, fonts: the browser blocks such requests."


async def test_a_blocked_request_counts_once() -> None:
    chromium = BlockedChromium()
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        await gateway.attached(chromium)
        await gateway.websocket()
        recorder = gateway.gateway._attempts["01ATTEMPT"].browser.recorder
        look = EventReader(recorder, 0, "")

        def say(method: str, **params: object) -> None:
            """Chromium tells the client of the Worker."""
            look(json.dumps({"method": method, "params": params}, separators=(",", ":")).encode())

        for number in ("7.1", "7.2"):
            request = {"url": "https://a.example/a.png"}
            say("Network.requestWillBeSent", requestId=number, request=request, type="Image")
        paused = {"requestId": "job-1", "resourceType": "Image", "networkId": "7.1"}
        chromium.gateway.say("Fetch.requestPaused", "P", **paused)
        chromium.gateway.say("Fetch.requestPaused", "unknown", **paused)
        await until(lambda: chromium.gateway.sent("Fetch.failRequest"))
        for number in ("7.1", "7.2"):
            error = "net::ERR_BLOCKED_BY_CLIENT"
            say("Network.loadingFailed", requestId=number, type="Image", errorText=error)
        gateway.gateway.stop()
    [last] = [notice for notice in gateway.notices if isinstance(notice, Acted)]
    assert last.activity.requests == {"image": 2} and last.activity.blocked == {"image": 1}
    assert last.activity.statuses == {"failed": 1}  # that the Worker has blocked itself


@pytest.mark.parametrize("name", ["S" * 65, "", "S 1", 'S"', "P"])
async def test_a_session_that_is_none_ends_the_browser(name: str) -> None:
    chromium = BlockedChromium()
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        host = await gateway.attached(chromium)
        await gateway.websocket()
        chromium.gateway.commands.clear()
        chromium.gateway.attached(name, "page")
        await until(lambda: "stop" in host.kinds())
        assert not chromium.gateway.commands


async def test_the_number_of_sessions_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "_MAX_SESSIONS", 5)
    chromium = BlockedChromium()
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        host = await gateway.attached(chromium)
        client = await gateway.websocket()
        for number in range(20):  # one after the other
            chromium.gateway.attached(f"A{number}", "page")
            chromium.gateway.attached(f"B{number}", "iframe", f"A{number}")
            chromium.gateway.attached(f"C{number}", "iframe", f"B{number}")
            if number % 2:
                chromium.gateway.say("Target.detachedFromTarget", f"A{number}", sessionId="B1")
            chromium.gateway.say("Target.detachedFromTarget", sessionId=f"A{number}")
        await until(lambda: len(chromium.gateway.sent("Fetch.enable")) == 62)
        await client.say({"id": 1})
        assert await client.hear() == {"id": 1}
        assert "stop" not in host.kinds()
        for number in range(4):  # beside the first page and its frame
            chromium.gateway.attached(f"D{number}", "page")
        await until(lambda: "stop" in host.kinds())
        assert len(chromium.gateway.sent("Fetch.enable")) == 65


async def test_a_browser_that_no_longer_blocks_is_ended() -> None:
    chromium = BlockedChromium()
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        host = await gateway.attached(chromium)
        client = await gateway.websocket()
        chromium.gateway.close()
        await until(lambda: "stop" in host.kinds())
        client.writer.close()
        await until(lambda: any(isinstance(one, Ended) for one in gateway.notices))
    [ended] = [notice for notice in gateway.notices if isinstance(notice, Ended)]
    assert ended.cause is BrowserEndCause.CRASHED
    assert ended.detail == "it did not block requests: the connection has ended"


async def test_a_page_that_cannot_be_covered_ends_the_browser() -> None:
    chromium = BlockedChromium()
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        host = await gateway.attached(chromium)
        await gateway.websocket()
        chromium.results["Fetch.enable"] = "no"
        assert "stop" not in host.kinds()
        chromium.gateway.attached("P2", "page")
        await until(lambda: "stop" in host.kinds())
        assert host.kinds().count("stop") == 1


async def test_a_page_that_goes_meanwhile_changes_nothing() -> None:
    chromium = BlockedChromium()
    chromium.results["Fetch.enable"] = "Session with given id not found."
    chromium.error_code = -32001
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        host = await gateway.attached(chromium)
        client = await gateway.websocket()
        chromium.gateway.unanswered = {"Fetch.enable"}
        chromium.gateway.attached("P2", "page")
        chromium.gateway.say("Target.detachedFromTarget", sessionId="P2")
        await client.say({"id": 1})
        assert await client.hear() == {"id": 1}
        assert "stop" not in host.kinds()


async def test_a_browser_that_does_not_block_serves_nobody() -> None:
    chromium = BlockedChromium()
    chromium.results["Fetch.enable"] = "no"
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        host = await gateway.host(chromium)
        gateway.on_notice = lambda notice: gateway.attach(host) if not gateway.generation else None
        status, _, body = await gateway.get("/json/version")
        assert (status, body) == (503, b"the browser failed: it does not block requests\n")
        await until(lambda: "stop" in host.kinds())


async def test_a_browser_that_does_not_answer_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "ANSWER_SECONDS", 0.01)
    chromium = BlockedChromium()
    chromium.unanswered = {"Target.setAutoAttach"}
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        host = await gateway.host(chromium)
        gateway.on_notice = lambda notice: gateway.attach(host) if not gateway.generation else None
        status, _, _ = await gateway.get("/json/version")
        assert status == 503
        await until(lambda: "stop" in host.kinds())


async def test_a_fault_of_the_gateway_ends_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorder, "_changed", None)
    chromium = BlockedChromium()
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        host = await gateway.attached(chromium)
        await gateway.websocket()
        assert "stop" not in host.kinds()
        chromium.gateway.say("Fetch.requestPaused", "P", requestId="1", resourceType="Image")
        await until(lambda: "stop" in host.kinds())
        assert host.kinds().count("stop") == 1


async def test_pages_among_the_arguments_open_once_they_are_covered() -> None:
    """Chromium would load them before the gateway has a session with it."""
    chromium = BlockedChromium()
    async with place(block=BLOCK, close_seconds=0.05) as gateway:
        host = await gateway.attached(chromium)
        await gateway.websocket()
        chromium.devtools = None  # the next one is that of the launched Chromium
        pages = "https://one.test/", "https://two.test/"
        await launched(gateway, "--mute-audio", "file:///etc/passwd", *pages)
        await until(lambda: chromium.gateway.sent("Target.createTarget"))
        starts = [frame["arguments"] for frame in host.requests if frame["type"] == "start"]
        assert starts == [[], ["--mute-audio", "file:///etc/passwd"]]  # which the host refuses
        assert chromium.gateway.sent("Page.navigate") == [("P", {"url": "https://one.test/"})]
        assert chromium.gateway.sent("Target.createTarget") == [("", {"url": "https://two.test/"})]


async def test_nothing_is_asked_of_a_browser_that_loads_everything() -> None:
    chromium = Chromium()
    async with place() as gateway:
        host = await gateway.attached(chromium)
        client = await gateway.websocket()
        await client.say({"id": 1})
        await client.hear()
        await launched(gateway, "https://one.test/")
        starts = [frame["arguments"] for frame in host.requests if frame["type"] == "start"]
        assert starts == [[], ["https://one.test/"]]
    assert len(chromium.heads) == 1
