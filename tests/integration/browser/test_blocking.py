"""What a real Chromium requests while the gateway blocks some types, and clients intercept too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright

from fyke.browser.blocking import Blocker
from fyke.browser.messages import Acted, Ended, Notice, Wanted
from fyke.contracts.browser import BrowserProgram
from fyke.model.browser import BrowserBlock
from support.browser_hosts import plain_host, until
from support.browser_place import ATTEMPT, Place, place
from support.javascript_site import JavascriptSite
from support.pictured_site import pictured_site

pytestmark = [pytest.mark.anyio, pytest.mark.needs("chromium"), pytest.mark.timeout(300)]
BLOCK = (BrowserBlock.IMAGES, BrowserBlock.MEDIA, BrowserBlock.FONTS)
FLAGS = ("--site-per-process",)  # as the full Chromium does by default
LOADED = {"/", "/items.json", "/style.css"}


@pytest.fixture
def site() -> Iterator[JavascriptSite]:
    with pictured_site() as made:
        yield made


class Blocking:
    """A client's browser whose gateway blocks."""

    def __init__(self, gateway: Place, browser: Browser, site: JavascriptSite) -> None:
        self.gateway = gateway
        self.browser = browser
        self.site = site

    async def opened(self, page: Page, path: str = "") -> Page:
        """Open a page and wait until its script has run."""
        await page.goto(self.site.url + path, wait_until="load")
        if not path:
            await page.wait_for_selector(".item")
        return page

    def requested(self) -> set[str]:
        return set(self.site.requests) - {"/favicon.ico"}

    async def blocked(self) -> dict[str, int]:
        """Blocked requests by type."""
        await self.browser.close()
        return _blocked(self.gateway)


def _blocked(gateway: Place) -> dict[str, int]:
    browser = gateway.gateway._attempts[ATTEMPT].browser
    if browser is not None:
        browser.recorder.flush()
    did = [notice.activity for notice in gateway.notices if isinstance(notice, Acted)]
    return dict(did[-1].blocked) if did else {}


@asynccontextmanager
async def attached(folder: Path, block: tuple[BrowserBlock, ...] = BLOCK) -> AsyncIterator[Place]:
    """A gateway that blocks, and starts a Chromium when one is wanted."""
    async with place(block=block) as gateway, plain_host(folder, *FLAGS) as (_, control):

        def on_notice(notice: Notice) -> None:
            if isinstance(notice, Wanted):
                shell = BrowserProgram.HEADLESS_SHELL
                gateway.gateway.attach(ATTEMPT, control, 1, shell, own_sandbox=False)

        gateway.on_notice = on_notice
        yield gateway


@asynccontextmanager
async def blocking(
    folder: Path, site: JavascriptSite, block: tuple[BrowserBlock, ...] = BLOCK
) -> AsyncIterator[Blocking]:
    async with attached(folder, block) as gateway, async_playwright() as playwright:
        address = f"ws://127.0.0.1:{gateway.port}"
        browser = await playwright.chromium.connect_over_cdp(address, timeout=120_000)
        yield Blocking(gateway, browser, site)


async def test_a_page_loads_without_what_is_blocked(tmp_path: Path, site: JavascriptSite) -> None:
    async with blocking(tmp_path, site) as it:
        failed: list[tuple[str, str | None]] = []
        page = await it.browser.new_page()
        page.on("requestfailed", lambda one: failed.append((one.url, one.failure)))
        await it.opened(page)
        await until(lambda: len(failed) >= 4)
        assert it.requested() == LOADED
        assert all(str(error).startswith("net::ERR_BLOCKED_BY_CLIENT") for _, error in failed)
        await page.evaluate("console.error('of the page', {k: 1}, [2])")
        blocked = await it.blocked()
    assert blocked == {"image": 2, "media": 1, "font": 1}
    did = [notice.activity for notice in it.gateway.notices if isinstance(notice, Acted)]
    assert did[-1].console == {"error": 1} and "failed" not in did[-1].statuses
    answers = did[-1].sites["127.0.0.1"]
    assert answers["200"] == len(LOADED)
    assert [line.text for one in did for line in one.lines] == ["of the page {k: 1} [2]"]


async def test_stylesheets_alone(tmp_path: Path, site: JavascriptSite) -> None:
    async with blocking(tmp_path, site, (BrowserBlock.STYLESHEETS,)) as it:
        await it.opened(await it.browser.new_page())
        assert it.requested() == {"/", "/items.json", "/top.png", "/top.webm"}
        assert await it.blocked() == {"stylesheet": 1}


async def test_frames_of_other_sites_and_windows_are_blocked_from_their_first_request(
    tmp_path: Path, site: JavascriptSite
) -> None:
    async with blocking(tmp_path, site) as it:
        page = await it.opened(await it.browser.new_page())
        other = f"http://localhost:{site.port}"  # another site, so another process
        frame = "new Promise((done) => { const f = document.createElement('iframe');"
        frame += f" f.onload = done; f.src = '{other}/frame'; document.body.append(f); }})"
        await page.evaluate(f"() => {frame}")
        for url in ("/popup", f"{other}/popup"):
            async with page.expect_popup() as opening:
                await page.evaluate("(url) => void window.open(url)", url)
            popup = await opening.value
            await popup.wait_for_load_state("load")
        await it.opened(await (await it.browser.new_context()).new_page())
        assert it.requested() == LOADED | {"/frame", "/popup"}
        blocked = await it.blocked()
    assert blocked["image"] >= 10 and blocked["media"] >= 5


async def test_pages_of_a_client_that_waits_for_nothing_are_blocked_from_their_first_request(
    tmp_path: Path, site: JavascriptSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait for the gateway, however late it is."""
    cover = Blocker._cover

    def late(self: Blocker, target: str, kind: str) -> None:
        asyncio.get_running_loop().call_later(0.5, cover, self, target, kind)

    monkeypatch.setattr(Blocker, "_cover", late)
    async with attached(tmp_path) as gateway:
        client = await gateway.websocket()
        for number in range(10):
            params = {"url": f"{site.url}popup"}
            await client.say({"id": number, "method": "Target.createTarget", "params": params})
        await until(
            lambda: site.requests.count("/popup") == site.requests.count("/style.css") == 10
        )
        await until(lambda: _blocked(gateway).get("image") == 20)
    assert set(site.requests) == {"/popup", "/style.css"}


async def test_routes_of_playwright_go_on(tmp_path: Path, site: JavascriptSite) -> None:
    async with blocking(tmp_path, site) as it:
        page = await it.browser.new_page()
        seen: list[str] = []

        async def slow(route: Route) -> None:
            seen.append(route.request.resource_type)
            await asyncio.sleep(0.1)
            await route.continue_()

        async def made(route: Route) -> None:
            await route.fulfill(json=[{"name": "of the route", "price": 1}])

        await page.route("**/*", slow)
        await page.route("**/items.json", made)
        await it.opened(page)
        assert await page.locator(".item").inner_text() == "of the route"
        assert it.requested() == {"/", "/style.css"}
        assert "document" in seen and "stylesheet" in seen
        assert (await it.blocked()).get("image", 0) == 2


async def test_interception_of_puppeteer_goes_on(tmp_path: Path, site: JavascriptSite) -> None:
    """``page.setRequestInterception(true)`` pauses all requests in a session of the page."""
    async with blocking(tmp_path, site) as it:
        page = await it.browser.new_page()
        session = await page.context.new_cdp_session(page)
        paused: list[str] = []
        waiting: set[asyncio.Task[None]] = set()

        async def go_on(event: dict[str, object]) -> None:
            paused.append(str(event["resourceType"]))
            await session.send("Fetch.continueRequest", {"requestId": event["requestId"]})

        def on_paused(event: dict[str, object]) -> None:
            task = asyncio.create_task(go_on(event))
            waiting.add(task)

        session.on("Fetch.requestPaused", on_paused)
        everything = {"handleAuthRequests": True, "patterns": [{"urlPattern": "*"}]}
        await session.send("Fetch.enable", everything)
        await it.opened(page)
        assert it.requested() == LOADED
        assert "Document" in paused and "Stylesheet" in paused
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        assert [error for error in errors if error] == []
        assert (await it.blocked()).get("image", 0) == 2


async def test_a_crash_of_a_page_ends_nothing(tmp_path: Path, site: JavascriptSite) -> None:
    async with blocking(tmp_path, site) as it:
        page = await it.opened(await it.browser.new_page())
        crashed = asyncio.get_running_loop().create_future()
        page.on("crash", lambda _: crashed.set_result(None))
        session = await page.context.new_cdp_session(page)
        crash = asyncio.create_task(session.send("Page.crash"))
        await crashed
        await it.opened(await it.browser.new_page())
        assert it.requested() == LOADED
        assert not [one for one in it.gateway.notices if isinstance(one, Ended)]
        crash.cancel()
        await asyncio.gather(crash, return_exceptions=True)


async def test_what_a_service_worker_supplies_is_loaded(
    tmp_path: Path, site: JavascriptSite
) -> None:
    async with blocking(tmp_path, site) as it:
        page = await it.opened(await it.browser.new_page(), "registering")
        await page.wait_for_function("document.title == 'ready'")
        site.requests.clear()
        await page.evaluate(
            "() => new Promise((done) => { const i = new Image(); i.onload = i.onerror = done;"
            " i.src = '/top.png'; document.body.append(i); })"
        )
        assert it.requested() == {"/top.png"}
