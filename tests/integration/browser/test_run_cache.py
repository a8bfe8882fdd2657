"""A browser starts with the HTTP cache that an earlier one of its run has left, and with nothing
else of it; browsers of other runs start empty.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.contracts.browser import BrowserProgram
from fyke.contracts.execution import SandboxFault
from fyke.sandbox.browsers import BrowserSandboxes
from fyke.sandbox.installed_browser import find_programs
from fyke.sandbox.process.launcher_client import LauncherClient
from integration.browser.browsers import (
    BrowserSetup,
    OpenBrowser,
    RecordingProxy,
    browser_setup,
    left_of,
    open_page,
    pids_of,
)
from integration.sandbox.sandboxes import MIB, ROOT, SPAWNERS, data_folder, launched
from support.cdp import Cdp, CdpError

pytestmark = [pytest.mark.anyio, pytest.mark.needs("bwrap", "chromium", "driver")]
SHELL, FULL = BrowserProgram.HEADLESS_SHELL, BrowserProgram.CHROMIUM
RUN, OTHER = "RUN-1", "RUN-2"
SITE = "http://site.test"
SCRIPT = b"document.title += ' ran'; //" + b"x" * 300_000
PAGE = b"<title>page</title><link rel=icon href=data:,><script src=/script.js></script>"
# what else a page can leave in a browser
LEAVE = """(async () => {
  document.cookie = "left=1; max-age=9999";
  localStorage.left = "1";
  await new Promise((done) => (indexedDB.open("left").onsuccess = done));
})().then(() => 0)"""
LEFT = """(async () => [
  document.cookie, localStorage.length, await indexedDB.databases(),
])()"""


@pytest.fixture(params=[SHELL, pytest.param(FULL, marks=pytest.mark.long)])
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[BrowserSetup]:
    if request.param.value not in find_programs():
        pytest.skip(f"this machine has no {request.param.value}")
    async with browser_setup(SPAWNERS[-1], request.param) as setup:
        yield setup


def site(fields: str = "Cache-Control: public, max-age=600\r\n") -> RecordingProxy:
    pages = {f"{SITE}/page": PAGE, f"{SITE}/script.js": SCRIPT}
    return RecordingProxy(pages, fields)


async def opened(setup: BrowserSetup, cache: str) -> tuple[OpenBrowser, Cdp]:
    """A browser as the runner opens one: its program is started at once."""
    program = setup.browsers.info().program
    found = await setup.open(program, cache=cache)
    return found, await found.connect(await found.start(program=program.value))


async def asked(found: OpenBrowser, cdp: Cdp, *fields: str) -> list[str]:
    """Open the page; return the paths that were asked of the site."""
    proxy = site(*fields)
    async with proxy.serving(found):
        session = await open_page(cdp, f"{SITE}/page")
        assert await cdp.evaluate(session, "document.title") == "page ran"
        await cdp.call("Target.closeTarget", targetId=await target_of(cdp))
    return [line.split()[1].removeprefix(SITE) for line in proxy.lines]


async def target_of(cdp: Cdp) -> str:
    found = (await cdp.call("Target.getTargets"))["targetInfos"]
    return next(str(one["targetId"]) for one in found if one["url"] == f"{SITE}/page")


async def test_the_next_browser_of_the_run_asks_only_for_the_document_again(
    setup: BrowserSetup,
) -> None:
    found, cdp = await opened(setup, RUN)
    assert await asked(found, cdp) == ["/page", "/script.js"]
    saved = await found.sandbox.save_cache(32 * MIB)
    assert saved > len(SCRIPT)
    await found.close()
    both = [await opened(setup, RUN) for _ in range(2)]  # at the same time
    for found, cdp in both:
        assert await asked(found, cdp) == ["/page"]
        assert await found.sandbox.save_cache(32 * MIB) >= saved
        await found.close()
    found, cdp = await opened(setup, OTHER)
    assert await asked(found, cdp) == ["/page", "/script.js"]
    await setup.browsers.drop_cache(RUN)
    await setup.browsers.drop_cache(RUN)
    found, cdp = await opened(setup, RUN)
    assert await asked(found, cdp) == ["/page", "/script.js"]


async def test_a_browser_that_its_client_closed_has_left_its_cache_too(
    setup: BrowserSetup,
) -> None:
    found, cdp = await opened(setup, RUN)
    assert await asked(found, cdp) == ["/page", "/script.js"]
    with contextlib.suppress(CdpError, ConnectionError):  # it may end before it answers
        await cdp.call("Browser.close")
    await found.event("ended")
    assert await found.sandbox.save_cache(32 * MIB) > len(SCRIPT)
    found, cdp = await opened(setup, RUN)
    assert await asked(found, cdp) == ["/page"]


async def test_nothing_but_the_cache_is_left(setup: BrowserSetup) -> None:
    found, cdp = await opened(setup, RUN)
    proxy = site()
    async with proxy.serving(found):
        session = await open_page(cdp, f"{SITE}/page")
        await cdp.evaluate(session, LEAVE)
    assert await found.sandbox.save_cache(32 * MIB)
    found, cdp = await opened(setup, RUN)
    proxy = site()
    async with proxy.serving(found):
        session = await open_page(cdp, f"{SITE}/page")
        assert await cdp.evaluate(session, LEFT) == ["", 0, []]
    assert [line.split()[1] for line in proxy.lines] == [f"{SITE}/page"]


@pytest.mark.parametrize("rule", ["private, max-age=600", "max-age=600"])
async def test_what_may_be_for_one_login_is_asked_for_again(setup: BrowserSetup, rule: str) -> None:
    found, cdp = await opened(setup, RUN)
    assert await asked(found, cdp, f"Cache-Control: {rule}\r\n") == ["/page", "/script.js"]
    assert await asked(found, cdp) == []  # it was in the cache
    assert await found.sandbox.save_cache(32 * MIB) == 0
    await found.close()
    found, cdp = await opened(setup, RUN)
    assert await asked(found, cdp) == ["/page", "/script.js"]


async def test_a_cache_that_does_not_fit_is_not_there(setup: BrowserSetup) -> None:
    found, cdp = await opened(setup, RUN)
    await asked(found, cdp)
    assert await found.sandbox.save_cache(1000) < 1000
    await found.close()
    found, cdp = await opened(setup, RUN)
    assert "/script.js" in await asked(found, cdp)


async def test_a_browser_without_a_name_has_no_cache_to_save(setup: BrowserSetup) -> None:
    found, _ = await opened(setup, "")
    with pytest.raises(SandboxFault, match="only a browser with a cache"):
        await found.sandbox.save_cache(MIB)


def files_without_a_name(pid: int, folder: Path) -> list[str]:
    """The files below ``folder`` that only a process has."""
    links = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(os.readlink(descriptor))
    return [link for link in links if link.startswith(str(folder)) and link.endswith("(deleted)")]


@pytest.mark.skipif(not ROOT, reason="needs the launcher")
@pytest.mark.parametrize("killed", [False, True], ids=["client ends", "launcher killed"])
async def test_a_cache_ends_with_its_owner(killed: bool) -> None:
    with data_folder() as home:
        async with launched(home) as sandboxes:
            launcher = sandboxes.launcher
            assert launcher is not None
            browsers = BrowserSandboxes(sandboxes.work, sandboxes.spawner, SHELL)
            await browsers.prepare()
            setup = BrowserSetup(sandboxes, browsers)
            found, cdp = await opened(setup, RUN)
            assert await asked(found, cdp) == ["/page", "/script.js"]
            assert await found.sandbox.save_cache(32 * MIB)
            assert len(files_without_a_name(launcher.pid, sandboxes.work)) == 1
            assert os.listdir(sandboxes.work) == [found.name]
            pids = pids_of(found.name)
            if killed:
                launcher.kill()
                launcher.wait()
            else:
                assert isinstance(sandboxes.spawner, LauncherClient)
                await sandboxes.spawner.close()
                async with asyncio.timeout(10):
                    while files_without_a_name(launcher.pid, sandboxes.work):
                        await asyncio.sleep(0.02)
            for connection in found.connections:
                await connection.close()
            found.client.close()
            await found.sandbox.close()
        async with launched(home) as sandboxes:
            assert await left_of(sandboxes, found.name, pids) == []
            browsers = BrowserSandboxes(sandboxes.work, sandboxes.spawner, SHELL)
            browsers._info = setup.browsers.info()
            found, cdp = await opened(BrowserSetup(sandboxes, browsers), RUN)
            assert await asked(found, cdp) == ["/page", "/script.js"]
            await found.close()
