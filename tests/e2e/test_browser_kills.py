"""SIGKILL of runner, gateway and launcher while a last page is kept or a cache is used: no run is
lost, nothing is left, and the log does not claim what is not there.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import ROOT_ONLY
from fyke.kit.file_lock import locked
from fyke.reasons import HintCode, ReasonCode
from support import browser_site
from support.booted import Booted, booted
from support.browser_site import BrowserSite, site_in_thread
from support.commands import Cli
from support.left_over import LAUNCHER, nothing_is_left
from support.projects import python_project
from support.reasons import reaches
from zoo.bundles import DEVTOOLS

pytestmark = [pytest.mark.needs("bwrap", "chromium", "driver"), pytest.mark.timeout(300)]
SUCCEEDED, FAILED, ABORTED = 3, 4, 5
SCHEMA = {"properties": [{"name": "urls", "type": "array"}], "b": "urls"}
WORKER = """
import sys, time
from devtools import Devtools
from sdk import CoreSDK

[url] = CoreSDK.Parameter.get_input_json_dict()["urls"]
url = url["url"] if isinstance(url, dict) else url
browser = Devtools()
page = browser.page()
for domain in ("Page", "Network"):
    browser.ask(f"{domain}.enable", page)
browser.open(page, url)
title = browser.value(page, "document.title")
CoreSDK.Result.push_data({"title": title})
while "wait" in url and browser.value(page, "fetch('/go').then((a) => a.ok)") is not True:
    time.sleep(0.1)
sys.exit(7 if "fail" in url else 0)
"""
LOST = "The last page of the browser is not kept: The process that serves browsers does not answer."


@pytest.fixture(scope="module")
def platform() -> Iterator[Booted]:
    with booted(runner_slots="1") as running:  # one subtask after the other
        yield running


@pytest.fixture(scope="module")
def worker(platform: Booted) -> str:
    project = python_project(WORKER, schema=SCHEMA, **{"devtools.py": DEVTOOLS.read_text()})
    return platform.push(project, "browser-kills")


@pytest.fixture
def site() -> Iterator[BrowserSite]:
    with site_in_thread() as running:
        yield running


def start(platform: Booted, worker: str, site: BrowserSite, *queries: str) -> str:
    target = f"127.0.0.1:{site.port}"
    urls = [f"http://{target}/cached?{query}" for query in queries]
    return platform.start_run(worker, {"urls": urls}, egress_allow=[target])


def waiting(platform: Booted, worker: str, site: BrowserSite) -> str:
    """A run whose Worker has its page, and fails when the site has /go."""
    run = start(platform, worker, site, "wait-and-fail")
    platform.wait_for(lambda: platform.rows(run), "the row", 120)
    return run


def last_pages(platform: Booted, run: str) -> list[dict[str, Any]]:
    pages: list[dict[str, Any]] = platform.read(f"/api/fyke/runs/{run}/browser")["last_pages"]
    return pages


def stored(platform: Booted) -> list[Path]:
    """The files of last pages, and those that are being written."""
    blobs = platform.home / "blobs"
    return [*(blobs / "pages").glob("*"), *(blobs / ".part").glob("*")]


def next_run_keeps_its_page(platform: Booted, worker: str, site: BrowserSite) -> None:
    run = start(platform, worker, site, "fail")
    assert platform.ended(run, 120)["status"] == FAILED
    [page] = last_pages(platform, run)
    assert page["missing"] == []
    platform.raw(f"/api/fyke/runs/{run}", method="DELETE")


@pytest.mark.long
@pytest.mark.parametrize("moment", ["written", "stored"])
@reaches(ReasonCode.RUNNER_LOST, HintCode.RUNNER_LOST)
def test_a_runner_that_is_killed_with_a_last_page(
    platform: Booted,
    worker: str,
    site: BrowserSite,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    """While a file is written, or when all are stored and the end is not recorded."""
    run = waiting(platform, worker, site)
    with closing(sqlite3.connect(platform.home / "state.db", isolation_level=None)) as state:
        if moment == "stored":
            state.execute("BEGIN IMMEDIATE")
            monkeypatch.setitem(browser_site.PAGES, "/go", "go")
            platform.wait_for(lambda: len(stored(platform)) == 3, "the files", 14)
            platform.kill_role("runner")
        else:
            with locked(platform.home / "blobs" / ".lock"):
                monkeypatch.setitem(browser_site.PAGES, "/go", "go")
                platform.wait_for(lambda: stored(platform), "a file that is written", 60)
                platform.kill_role("runner")
    detail = platform.ended(run, 60)
    assert (detail["status"], platform.rows(run)) == (FAILED, [{"title": "cached ran"}])
    assert platform.summary(run)["reason_code"] == "runner_lost"
    assert last_pages(platform, run) == []
    nothing_is_left(platform, run)
    left = stored(platform)
    assert len(left) == (3 if moment == "stored" else 1)
    old = time.time() - 2 * 86_400
    for path in left:  # nothing that may still be in use is removed
        os.utime(path, (old, old))
    Cli(platform).run("prune", "--yes")
    assert stored(platform) == []
    next_run_keeps_its_page(platform, worker, site)


@pytest.mark.long
def test_a_gateway_that_is_killed_with_a_last_page(
    platform: Booted, worker: str, site: BrowserSite
) -> None:
    run = waiting(platform, worker, site)
    gateway = platform.role("browser")
    os.kill(gateway, signal.SIGSTOP)  # so that the runner still waits for the page
    before = platform.sandboxes()
    platform.call("/api/v1/scraper/abort", {"run_slug": run})
    platform.wait_for(lambda: platform.sandboxes() != before, "the end of the Worker", 30)
    os.kill(gateway, signal.SIGKILL)
    detail = platform.ended(run, 60)
    assert (detail["status"], platform.rows(run)) == (ABORTED, [{"title": "cached ran"}])
    assert last_pages(platform, run) == []
    assert LOST in platform.log_text(run)
    nothing_is_left(platform, run)
    assert stored(platform) == []
    next_run_keeps_its_page(platform, worker, site)


@pytest.mark.long
@ROOT_ONLY
def test_a_launcher_that_is_killed_with_the_cache_of_a_run(
    platform: Booted, worker: str, site: BrowserSite
) -> None:
    run = start(platform, worker, site, "1", "wait", "3")
    platform.wait_for(lambda: len(platform.rows(run)) == 2, "the second row", 120)
    [launcher] = [p for p, command in platform.tree().items() if LAUNCHER in command]
    os.kill(launcher, signal.SIGKILL)
    detail = platform.ended(run, 120)
    assert (detail["status"], platform.rows(run)) == (SUCCEEDED, [{"title": "cached ran"}] * 3)
    log = platform.log_text(run)
    assert log.count("The browser has started") == 3
    assert log.count("from the cache of this run") == 1, log  # the third one had none
    nothing_is_left(platform, run)
    again = start(platform, worker, site, "1", "2")
    assert platform.ended(again, 120)["status"] == SUCCEEDED
    assert platform.log_text(again).count("from the cache of this run") == 1
