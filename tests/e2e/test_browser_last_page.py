"""The last page of a run that fails: kept, masked, shown, and gone with the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.booted import Booted, booted
from support.browser_site import BrowserSite, site_in_thread
from support.projects import python_project
from zoo.bundles import DEVTOOLS

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]
SUCCEEDED, FAILED, ABORTED = 3, 4, 5
SECRET = "correct-horse-battery"
WORKER = """
import os, sys, time
from devtools import Devtools
from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
browser = Devtools()
page = browser.page()
for domain in ("Page", "Network", "Runtime"):
    browser.ask(f"{domain}.enable", page)
browser.open(page, given["url"])
shown = "document.querySelectorAll('.item').length"
while browser.value(page, shown) != 3:
    time.sleep(0.1)
secret = os.environ["SHOP_LOGIN"]
browser.value(page, f"document.body.append('{secret}'); console.error('{secret}'); 0")
browser.value(page, f"fetch('/many?k={secret}', {{headers: {{Authorization: 'x'}}}}).then(() => 0)")
CoreSDK.Result.push_data({"shown": 3})
if given["end"] == "waits":
    time.sleep(600)
if given["end"] == "closes":
    browser.ask("Browser.close")
sys.exit(0 if given["end"] == "succeeds" else 7)
"""


@pytest.fixture(scope="module")
def platform() -> Iterator[Booted]:
    with booted() as running:
        yield running


@pytest.fixture(scope="module")
def worker(platform: Booted) -> str:
    slug = platform.push(
        python_project(WORKER, **{"devtools.py": DEVTOOLS.read_text()}), "last-page"
    )
    path = f"/api/fyke/workers/{slug}/secrets/SHOP_LOGIN"
    answer = platform.raw(path, {"value": SECRET}, method="PUT")
    assert answer.status_code == 200, answer.text
    return slug


@pytest.fixture
def site() -> Iterator[BrowserSite]:
    with site_in_thread() as running:
        yield running


def start(platform: Booted, worker: str, site: BrowserSite, end: str) -> str:
    target = f"127.0.0.1:{site.port}"
    given = {"url": f"http://{target}/items", "end": end}
    return platform.start_run(worker, given, egress_allow=[target])


def last_pages(platform: Booted, run: str) -> list[dict[str, Any]]:
    pages: list[dict[str, Any]] = platform.read(f"/api/fyke/runs/{run}/browser")["last_pages"]
    return pages


def stored(platform: Booted) -> list[Path]:
    return sorted((platform.home / "blobs" / "pages").glob("*"))


@pytest.mark.parametrize("end", ["fails", "closes", "waits"])
def test_the_last_page_of_a_run_that_does_not_succeed(
    platform: Booted, worker: str, site: BrowserSite, end: str
) -> None:
    run = start(platform, worker, site, end)
    if end == "waits":
        platform.wait_for(lambda: platform.rows(run), "the row", 120)
        platform.call("/api/v1/scraper/abort", {"run_slug": run})
    detail = platform.ended(run, 200)
    assert detail["status"] == (ABORTED if end == "waits" else FAILED), detail
    [page] = last_pages(platform, run)
    assert (page["url"], page["title"]) == (f"http://127.0.0.1:{site.port}/items", "3 items")
    assert page["missing"] == []
    files = {}
    for file in page["files"]:
        at = f"/api/fyke/runs/{run}/browser/files/{page['attempt']}/{file['kind']}"
        answer = platform.raw(at, method="GET")
        assert answer.headers["content-disposition"].startswith("attachment")
        files[file["kind"]] = answer.content
        assert (len(answer.content), file["truncated"]) == (file["size"], False)
    assert files["screenshot"].startswith(b"\xff\xd8\xff")
    assert b"Third item" in files["html"] and b"***SHOP_LOGIN***" in files["html"]
    assert files["console"].endswith(b"***SHOP_LOGIN***\n")
    entries = json.loads(files["har"])["log"]["entries"]
    [many] = [one for one in entries if one["response"]["status"] == 429]
    assert many["request"]["url"].endswith("/many?k=***SHOP_LOGIN***")
    headers = {one["name"].lower(): one["value"] for one in many["request"]["headers"]}
    assert headers.get("authorization", "***") == "***"
    for kind in ("html", "har", "console"):
        assert SECRET.encode() not in files[kind]
    assert len(stored(platform)) == 4
    platform.raw(f"/api/fyke/runs/{run}", method="DELETE")
    assert stored(platform) == []


def test_nothing_is_kept_of_a_run_that_succeeds(
    platform: Booted, worker: str, site: BrowserSite
) -> None:
    run = start(platform, worker, site, "succeeds")
    assert platform.ended(run, 200)["status"] == SUCCEEDED
    assert last_pages(platform, run) == [] and stored(platform) == []
