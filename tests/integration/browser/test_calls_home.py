"""Chromium asks for nothing but what its pages ask for: this version, with these arguments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from integration.browser.browsers import (
    KINDS,
    BrowserSetup,
    RecordingProxy,
    browser_setup,
    open_page,
)
from integration.sandbox.sandboxes import SPAWNERS

pytestmark = [pytest.mark.anyio, pytest.mark.needs("bwrap", "chromium", "driver")]

PAGES = 20
PAGE = b"""<title>page</title><link rel=icon href=data:,><form><input type=password></form>
<p lang=de>Ein Satz in einer anderen Sprache, den niemand hier bersetzt haben will.</p>
<script src=/script.js></script>"""


@pytest.fixture(params=KINDS)
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[BrowserSetup]:
    async with browser_setup(SPAWNERS[0], request.param) as setup:
        yield setup


@pytest.mark.parametrize(
    "idle_seconds", [3, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(300)])]
)
async def test_only_hosts_of_pages_are_asked_for(setup: BrowserSetup, idle_seconds: int) -> None:
    found, cdp = await setup.browser()
    urls = [f"http://site-{number}.test/" for number in range(PAGES)]
    scripts = {f"{url}script.js": b"document.title += ' run'" for url in urls}
    proxy = RecordingProxy(dict.fromkeys(urls, PAGE) | scripts)
    async with proxy.serving(found):
        for url in urls:
            session = await open_page(cdp, url)
            assert await cdp.evaluate(session, "document.title") == "page run"
        await cdp.call("Page.navigate", session, url="https://refused.test/")
        await asyncio.sleep(idle_seconds)  # the time in which it would call home
    hosts = {f"site-{number}.test" for number in range(PAGES)}
    assert proxy.hosts == hosts | {"refused.test:443"}
    assert [line for line in proxy.lines if not line.startswith(("GET ", "CONNECT "))] == []
