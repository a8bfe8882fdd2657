"""The subtasks of a run share what their browsers have loaded; other runs load it again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.booted import Booted, booted
from support.browser_site import BrowserSite, site_in_thread
from support.projects import python_project
from zoo.bundles import DEVTOOLS

pytestmark = [pytest.mark.needs("bwrap", "chromium", "driver"), pytest.mark.timeout(300)]
SUCCEEDED = 3
SCHEMA = {"properties": [{"name": "urls", "type": "array"}], "b": "urls"}
WORKER = """
from devtools import Devtools
from sdk import CoreSDK

[url] = CoreSDK.Parameter.get_input_json_dict()["urls"]
browser = Devtools()
page = browser.page()
browser.ask("Network.enable", page)
browser.ask("Page.enable", page)
browser.open(page, url["url"] if isinstance(url, dict) else url)
CoreSDK.Result.push_data({"title": browser.value(page, "document.title")})
"""


@pytest.fixture(scope="module")
def platform() -> Iterator[Booted]:
    with booted(runner_slots="1", warm_browsers="1") as running:  # one subtask after the other
        yield running


@pytest.fixture(scope="module")
def worker(platform: Booted) -> str:
    project = python_project(WORKER, schema=SCHEMA, **{"devtools.py": DEVTOOLS.read_text()})
    return platform.push(project, "browser-cache")


def run_pages(
    platform: Booted, worker: str, site: BrowserSite, pages: int
) -> tuple[str, dict[str, Any], list[str]]:
    """The run, what its browsers did, and what was asked of the site."""
    before = len(site.requests)
    target = f"127.0.0.1:{site.port}"
    urls = [f"http://{target}/cached?{number}" for number in range(pages)]
    run = platform.start_run(worker, {"urls": urls}, egress_allow=[target])
    detail = platform.ended(run, 200)
    assert detail["status"] == SUCCEEDED, (detail, platform.log_text(run))
    assert platform.rows(run) == [{"title": "cached ran"}] * pages
    asked = [line.split(" ")[1] for line in site.requests[before:]]
    return run, platform.read(f"/api/fyke/runs/{run}/browser"), asked


@pytest.mark.long
def test_subtasks_load_once_what_may_be_kept(platform: Booted, worker: str) -> None:
    with site_in_thread() as site:
        run, report, asked = run_pages(platform, worker, site, 3)
        assert [path for path in asked if path.startswith("/cached")] == [
            "/cached?0", "/cached?1", "/cached?2",
        ]  # fmt: skip
        assert asked.count("/kept.js") == 1
        kinds = {one["type"]: one for one in report["requests"]}
        assert (kinds["script"]["count"], kinds["script"]["cached"]) == (3, 2)
        assert kinds["document"]["cached"] == 0
        assert platform.log_text(run).count("from the cache of this run") == 2

        for pages in (2, 1):  # another run begins without it, and one subtask has none
            run, _, asked = run_pages(platform, worker, site, pages)
            assert asked.count("/kept.js") == 1
        assert "from the cache of this run" not in platform.log_text(run)
