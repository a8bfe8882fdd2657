"""A Worker gets a browser of its own by connecting: rows of a page that needs scripts, through the
metered proxy, on the bill, and gone with the run.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from support.booted import Booted, booted, descendants
from support.browser_site import ROWS, ROWS_WORKER, BrowserSite, site_in_thread
from support.projects import python_project
from zoo.bundles import DEVTOOLS

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]
RUNNING, SUCCEEDED, FAILED, ABORTED = 2, 3, 4, 5
LAUNCHER = "fyke.sandbox.process.launcher"
WAITING_WORKER = """
import time
from devtools import Devtools
from sdk import CoreSDK

browser = Devtools()
CoreSDK.Result.push_data({"version": browser.ask("Browser.getVersion")["product"]})
while True:
    time.sleep(1)
"""
CLOSING_WORKER = """
from devtools import Devtools
from sdk import CoreSDK

for number in range(3):
    browser = Devtools()
    product = browser.ask("Browser.getVersion")["product"]
    CoreSDK.Result.push_data({"number": number, "product": product})
    browser.ask("Browser.close")
"""


def project(main: str) -> bytes:
    return python_project(main, **{"devtools.py": DEVTOOLS.read_text()})


def own_browsers() -> list[int]:
    """The processes of Chromium in sandboxes, those with our profile. Not those of platforms that
    other tests have started at the same time.
    """
    mine = descendants(os.getpid())
    return [pid for pid, command in mine.items() if "--user-data-dir=/work/p" in " ".join(command)]


@pytest.fixture(scope="module")
def platform() -> Iterator[Booted]:
    with booted() as running:
        yield running


@pytest.fixture(scope="module")
def rows_worker(platform: Booted) -> str:
    return platform.push(project(ROWS_WORKER), "browser-rows")


@pytest.fixture(scope="module")
def waiting_worker(platform: Booted) -> str:
    return platform.push(project(WAITING_WORKER), "browser-waiting")


@pytest.fixture
def site() -> Iterator[BrowserSite]:
    with site_in_thread() as running:
        yield running


def run_rows(
    platform: Booted, slug: str, site: BrowserSite, **custom: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    target = f"127.0.0.1:{site.port}"
    given = {"url": f"http://{target}/items", "connect": custom}
    run = platform.start_run(slug, given, egress_allow=[target])
    return platform.ended(run, 200), platform.rows(run)


@pytest.mark.parametrize(
    "custom",
    [
        {},
        {"address": "chrome-ws-inner.coreclaw.com"},
        {"address": "chrome-ws-inner.cafescraper.com", "path": "/devtools/browser/new"},
    ],
    ids=["ChromeWs", "hard-coded", "lightpanda"],
)
def test_a_page_that_needs_scripts_gives_its_rows(
    platform: Booted, rows_worker: str, site: BrowserSite, custom: dict[str, str]
) -> None:
    detail, rows = run_rows(platform, rows_worker, site, **custom)
    assert (detail["status"], rows) == (SUCCEEDED, ROWS), detail
    assert [line.split(" ")[1] for line in site.requests] == ["/items", "/items.json"]
    assert detail["traffic"] > 1000
    platform.wait_for(lambda: not own_browsers(), "the end of the browser", 10)


def test_only_declared_and_public_sites_are_reached(
    platform: Booted, rows_worker: str, site: BrowserSite
) -> None:
    given = {"url": f"http://127.0.0.1:{site.port}/items", "connect": {}}
    run = platform.start_run(rows_worker, given)
    assert platform.ended(run, 200)["status"] == FAILED
    assert site.requests == []
    refused = f"A connection was refused: 127.0.0.1 port {site.port} is not on the public internet"
    text = platform.log_text(run)
    assert refused in text and "(in the browser; further ones are only counted)" in text


def test_a_closed_browser_is_replaced_by_the_next_connection(platform: Booted) -> None:
    slug = platform.push(project(CLOSING_WORKER), "browser-closing")
    run = platform.start_run(slug)
    detail = platform.ended(run, 250)
    assert detail["status"] == SUCCEEDED, detail
    assert [row["number"] for row in platform.rows(run)] == [0, 1, 2]


def waiting(platform: Booted, slug: str) -> str:
    """A run whose Worker has a browser and waits."""
    run = platform.start_run(slug)
    platform.wait_for(lambda: platform.rows(run), "a browser", 200)
    assert own_browsers()
    return run


def ending(platform: Booted, run: str) -> tuple[int, str]:
    """Status and reason of a run, when it has ended."""
    return platform.ended(run, 100)["status"], platform.summary(run)["reason_code"]


def test_an_aborted_run_takes_its_browser_along(platform: Booted, waiting_worker: str) -> None:
    run = waiting(platform, waiting_worker)
    platform.call("/api/v1/scraper/abort", {"run_slug": run})
    platform.wait_for(lambda: not own_browsers(), "the end of the browser", 20)
    assert ending(platform, run) == (ABORTED, "aborted")


@pytest.mark.parametrize("role", ["browser", "runner"])
def test_a_killed_role_leaves_no_browser(platform: Booted, waiting_worker: str, role: str) -> None:
    run = waiting(platform, waiting_worker)
    platform.kill_role(role)
    platform.wait_for(lambda: not own_browsers(), "the end of the browser", 20)
    if role == "browser":
        assert platform.detail(run)["status"] == RUNNING  # its Worker goes on
        platform.call("/api/v1/scraper/abort", {"run_slug": run})
        assert ending(platform, run) == (ABORTED, "aborted")
    else:
        assert ending(platform, run) == (FAILED, "runner_lost")
    assert len(platform.rows(run)) == 1


def test_a_killed_egress_keeps_the_browser(
    platform: Booted, rows_worker: str, waiting_worker: str, site: BrowserSite
) -> None:
    run = waiting(platform, waiting_worker)
    platform.kill_role("egress", signal.SIGKILL)
    assert platform.role("egress")
    assert own_browsers()
    platform.call("/api/v1/scraper/abort", {"run_slug": run})
    platform.ended(run)
    detail, rows = run_rows(platform, rows_worker, site)
    assert (detail["status"], rows) == (SUCCEEDED, ROWS)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a launcher")
def test_a_killed_launcher_takes_the_browser_along(
    platform: Booted, rows_worker: str, waiting_worker: str, site: BrowserSite
) -> None:
    run = waiting(platform, waiting_worker)
    [launcher] = [p for p, command in platform.tree().items() if LAUNCHER in command]
    os.kill(launcher, signal.SIGKILL)
    platform.wait_for(lambda: not own_browsers(), "the end of the browser", 20)
    assert ending(platform, run) == (FAILED, "internal")
    detail, rows = run_rows(platform, rows_worker, site)  # with the next launcher
    assert (detail["status"], rows) == (SUCCEEDED, ROWS), detail
