"""The last page of a real Chromium, as Workers leave it, and pages that are hostile."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Dialog, Page, async_playwright

from fyke.browser import page_keeper
from fyke.browser.driver_routes import LaunchRoutes
from fyke.browser.gateway import Gateway
from fyke.browser.messages import Notice, Wanted
from fyke.contracts.browser import BrowserProgram, GatewayGrant
from fyke.domain.secrets.masking import Masker
from fyke.model.last_page import PageFileKind, PageGap, TakenPage
from fyke.runner.last_page import page_content
from support.browser_hosts import plain_host
from support.browser_site import BrowserSite, browser_site
from support.egress import listener, port_of

pytestmark = [pytest.mark.anyio, pytest.mark.needs("chromium"), pytest.mark.timeout(300)]
ATTEMPT = "01ATTEMPT"
SCREENSHOT, HTML = PageFileKind.SCREENSHOT, PageFileKind.HTML
TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
WATCHED = """
window.seen = [];
for (const name of ["resize", "visibilitychange", "blur", "focus", "scroll"])
  addEventListener(name, () => seen.push(name), true);
const facts = () => [devicePixelRatio, innerWidth, innerHeight, document.visibilityState].join();
window.before = facts();
setInterval(() => { if (facts() !== before) seen.push(facts()); }, 1);
new MutationObserver(() => seen.push("changed")).observe(document, {subtree: true, childList: true,
  attributes: true});
Object.defineProperty(Element.prototype, "outerHTML", {get() { seen.push("read"); return "lie"; }});
XMLSerializer.prototype.serializeToString = () => { seen.push("read"); return "lie"; };
"""


class Attempt:
    """An attempt in a gateway of this process, whose limits a test may change."""

    def __init__(self, gateway: Gateway, site: BrowserSite, port: int) -> None:
        self.gateway = gateway
        self.site = site
        self.port = port

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.site.port}{path}"

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Browser]:
        """A library that is connected; it leaves as a killed Worker does."""
        async with async_playwright() as playwright:
            yield await playwright.chromium.connect_over_cdp(
                f"ws://127.0.0.1:{self.port}", timeout=120_000
            )

    async def last(self) -> TakenPage:
        page = await self.gateway.finish(ATTEMPT)
        assert page is not None
        return page


@pytest.fixture
async def attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Attempt]:
    for name in ("HOLD_SECONDS", "LEFT_SECONDS", "END_SECONDS"):
        monkeypatch.setattr(page_keeper, name, 60.0)  # the machine of a test may be loaded
    gateway, sock = Gateway(routes=[LaunchRoutes()]), listener()
    async with plain_host(tmp_path) as (_, control), browser_site() as site:

        def on_notice(notice: Notice) -> None:
            if isinstance(notice, Wanted):
                program = BrowserProgram.HEADLESS_SHELL
                gateway.attach(ATTEMPT, control, 1, program, own_sandbox=False)

        made = Attempt(gateway, site, port_of(sock))
        await gateway.open([sock], GatewayGrant(ATTEMPT, "s", keep=True), on_notice)
        try:
            yield made
        finally:
            gateway.stop()


async def items(browser: Browser, attempt: Attempt) -> Page:
    """A page in a context of its own whose content is there."""
    page = await (await browser.new_context()).new_page()
    await page.goto(attempt.url("/items"))
    await page.wait_for_selector(".item >> nth=2")
    await page.evaluate("console.error('no more items')")
    return page


@pytest.mark.parametrize("leaving", ["closes all", "ends the browser", "is killed", "stays"])
async def test_however_a_worker_leaves_its_last_page_is_kept(
    attempt: Attempt, leaving: str
) -> None:
    async with attempt.client() as browser:
        page = await items(browser, attempt)
        if leaving == "closes all":
            await page.close()
            await page.context.close()
            await browser.close()
        elif leaving == "ends the browser":
            session = await browser.new_browser_cdp_session()
            with contextlib.suppress(Exception):
                await session.send("Browser.close")
        elif leaving == "stays":
            taken = await attempt.last()
    if leaving != "stays":
        taken = await attempt.last()
    assert taken.gaps == {}
    assert (taken.url, taken.title) == (attempt.url("/items"), "3 items")
    assert taken.screenshot.startswith(b"\xff\xd8\xff") and b"Third item" in taken.html
    assert [line.text for line in taken.console] == ["no more items"]
    har = json.loads(page_content(taken, Masker({})).files[PageFileKind.HAR])
    entries = {one["request"]["url"]: one for one in har["log"]["entries"]}
    document = entries[attempt.url("/items")]
    assert document["response"]["status"] == 200 and document["_resourceType"] == "document"
    assert document["response"]["content"]["mimeType"] == "text/html"
    assert document["startedDateTime"] > "2026" and document["time"] > 0
    assert attempt.url("/items.json") in entries


async def test_a_page_notices_nothing_and_cannot_lie(attempt: Attempt) -> None:
    async with attempt.client() as browser:
        page = await items(browser, attempt)
        await page.evaluate(WATCHED)
        await page.evaluate("seen.splice(0)")  # the library looks at the page as well
        taken = await attempt.last()
        await page.evaluate(TWO_FRAMES)
        assert await page.evaluate("seen") == []
    assert b"Third item" in taken.html and b"lie" not in taken.html


async def test_a_hanging_page_has_a_name_and_nothing_else(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_keeper, "END_SECONDS", 5.0)
    monkeypatch.setattr(page_keeper, "LEFT_SECONDS", 0.1)
    async with attempt.client() as browser:
        page = await items(browser, attempt)
        began = asyncio.Event()
        page.on("console", lambda line: began.set() if line.text == "hangs" else None)
        hanging = asyncio.ensure_future(page.evaluate("console.log('hangs'); for (;;);"))
        await began.wait()
        taken = await attempt.last()
        hanging.cancel()
    assert taken.url == attempt.url("/items")
    assert taken.gaps[HTML] is PageGap.NO_ANSWER and not taken.html


@pytest.mark.parametrize(
    ("script", "gap"),
    [
        pytest.param("document.title = 'x'.repeat(1e8)", PageGap.TOO_LARGE, marks=pytest.mark.long),
        ("document.body.append('x'.repeat(1e7))", PageGap.TOO_LARGE),
        (
            "for (let n = 0; n < 2e5; n++) document.body.append(document.createElement('p'))",
            None,
        ),
        ("document.body.append('\\ud800 half')", None),
    ],
)
async def test_huge_and_broken_pages_are_limited(
    attempt: Attempt, script: str, gap: PageGap | None
) -> None:
    async with attempt.client() as browser:
        page = await items(browser, attempt)
        await page.evaluate(script)
        taken = await attempt.last()
        assert await page.evaluate("1 + 1") == 2
    assert taken.gaps.get(HTML) is gap and SCREENSHOT not in taken.gaps
    assert len(taken.title) <= 4000


async def test_a_pop_up_does_not_hide_the_page_with_the_missing_button(attempt: Attempt) -> None:
    async with attempt.client() as browser:
        page = await items(browser, attempt)
        async with page.expect_popup() as opening:
            await page.evaluate("void window.open('/frames')")
        pop_up = await opening.value
        await pop_up.wait_for_load_state()
        with contextlib.suppress(Exception):
            await page.click("#missing", timeout=500)
        assert (await attempt.last()).url == attempt.url("/items")
        await pop_up.evaluate("1")
        assert (await attempt.last()).url == pop_up.url


async def test_a_dialog_is_named_and_its_text_kept(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_keeper, "END_SECONDS", 5.0)
    monkeypatch.setattr(page_keeper, "LEFT_SECONDS", 0.1)
    async with attempt.client() as browser:
        page = await items(browser, attempt)
        opened: asyncio.Future[Dialog] = asyncio.get_running_loop().create_future()
        page.on("dialog", lambda one: opened.set_result(one))
        asking = asyncio.ensure_future(page.evaluate("confirm('Buy it?')"))
        dialog = await opened
        taken = await attempt.last()
        assert set(taken.gaps.values()) == {PageGap.DIALOG}
        assert taken.console[-1].text == "dialog confirm: Buy it?"
        await dialog.accept()
        assert await asking is True
        assert (await attempt.last()).gaps == {}


async def test_a_crashed_page_is_named(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_keeper, "END_SECONDS", 5.0)
    monkeypatch.setattr(page_keeper, "LEFT_SECONDS", 0.1)
    async with attempt.client() as browser:
        page = await items(browser, attempt)
        with contextlib.suppress(Exception):
            await page.goto("chrome://crash", timeout=5_000)
        taken = await attempt.last()
    assert taken.gaps == dict.fromkeys((SCREENSHOT, HTML), PageGap.CRASHED)
    assert taken.title == ""


async def test_a_killed_worker_leaves_the_page_of_a_browser_that_it_launched(
    attempt: Attempt,
) -> None:
    """The relay in its sandbox holds one connection, and its library another."""
    body = json.dumps({"arguments": ["--headless", "--no-sandbox"]})
    reader, leash = await asyncio.open_connection("127.0.0.1", attempt.port)
    head = f"POST /fyke/launch HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    leash.write((head + body).encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    [number, path] = (await reader.read(1000)).decode().split()
    async with async_playwright() as playwright:
        address = f"ws://127.0.0.1:{attempt.port}/fyke/instance/{number}{path}"
        browser = await playwright.chromium.connect_over_cdp(address, timeout=120_000)
        await items(browser, attempt)
    leash.close()  # both connections end at once
    taken = await attempt.last()
    assert taken.gaps == {} and b"Third item" in taken.html
