"""The shipped Workers that use a browser, on a platform, as ``fyke up`` publishes them."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from fyke.cli.errors import Exit
from fyke.cli.tour import Tour
from fyke.settings import Settings
from support.booted import Booted, booted
from support.browser_site import site_in_thread

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]
SUCCEEDED = 3


@pytest.fixture(scope="module")
def platform() -> Iterator[Booted]:
    with booted() as running:
        yield running


def slug_of(platform: Booted, name: str) -> str:
    found = platform.read(f"/api/store?search={name}&limit=5")["scraper"]
    [slug] = [worker["slug"] for worker in found if worker["name"] == name]
    return str(slug)


def test_a_picture_is_taken_of_each_page(platform: Booted) -> None:
    with site_in_thread() as site:
        target = f"127.0.0.1:{site.port}"
        items = {"url": f"http://{target}/items", "selector": ".item"}
        pages = [items, {"url": f"http://{target}/frames"}]
        given = {"urls": pages, "format": "jpeg", "width": 320, "height": 200}
        run = platform.start_run(slug_of(platform, "page-screenshot"), given, egress_allow=[target])
        detail = platform.ended(run, 200)
    assert detail["status"] == SUCCEEDED, detail
    rows = {row["url"].rpartition("/")[2]: row for row in platform.rows(run)}
    assert {name: row["title"] for name, row in rows.items()} == {
        "items": "3 items",
        "frames": "Frames",
    }
    for row in rows.values():
        assert base64.b64decode(row["image"]).startswith(b"\xff\xd8")
        assert (row["width"], row["height"], row["status"]) == (320, 200, 200)
    usage = platform.read(f"/api/fyke/runs/{run}/usage")
    assert usage["browser"]["ms"] > 0


def test_the_text_of_the_proxy_is_no_page(platform: Booted) -> None:
    slug = slug_of(platform, "page-screenshot")
    urls = {
        "http://10.0.0.1/": "refused by the platform: 10.0.0.1 ",
        "http://no.invalid/": "no connection: no.invalid ",
    }
    runs = {url: platform.start_run(slug, {"urls": [url]}) for url in urls}
    for url, reason in urls.items():
        assert platform.ended(runs[url], 200)["status"] != SUCCEEDED
        log = platform.log_text(runs[url])
        assert f"{url}: {reason}" in log, log


@pytest.mark.long
def test_the_tour_shows_a_row_that_needs_a_browser(
    platform: Booted, capsys: pytest.CaptureFixture[str]
) -> None:
    code = Tour(Settings(home=platform.home), platform.url, None, browser=True).run()
    printed = capsys.readouterr().out
    assert code == Exit.OK, printed
    assert "/javascript.html  Modules of Python\n" in printed
    assert "Its text was made by a script" in printed
    assert "| json: JSON (JavaScript Object Notation)" in printed
