"""Pages that are made by scripts: fetched with a browser where that is wanted and needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.crawled_site import ARTICLE, Site, page
from support.crawler import CrawlResult, crawl

pytestmark = pytest.mark.needs("chromium")
QUICK: dict[str, Any] = {"delay_seconds": 0, "max_retries": 1}
MADE = b"""<!doctype html><title>Loading</title><div id="root"></div><img src="/picture.png">
<noscript>This page needs JavaScript.</noscript><script>
fetch("/items.json").then((answer) => answer.json()).then((items) => {
  document.title = `${items.length} items`;
  root.innerHTML = items.map((name) => `<p>${name}</p>`).join("") + `<a href="/deep">more</a>`;
});
</script>"""
ODD = "/odd^"  # a browser writes ^ as %5E
DATA = b"""<!doctype html><title>Data</title><p>Short</p>
<script type="application/ld+json">{"name": "no program"}</script>"""


@pytest.fixture
def made(served: Site) -> Site:
    """The site with a page that has no content without its script."""
    served.put("/", page("Home", "/made", "/article", "/data", "/away", ODD))
    served.put("/article", page("The harbour", body=ARTICLE + "<script>0</script>"))
    served.put("/made", MADE)
    served.put("/data", DATA)
    served.put(ODD, MADE)
    served.put("/odd%5E", MADE)
    served.put("/items.json", b'["First item", "Second item"]', "application/json")
    return served


def run(python: Path, made: Site, chromium: str, path: str = "/", **custom: Any) -> CrawlResult:
    given = {"start_urls": [made.base + path], **QUICK, **custom}
    return crawl(python, given, environ={"BROWSER_WS": chromium})


def test_only_pages_without_content_are_rendered(python: Path, made: Site, chromium: str) -> None:
    ran = run(python, made, chromium, render="auto")
    assert ran.code == 0, ran.stderr
    row = ran.row(f"{made.base}/made")
    assert (row["title"], row["text"]) == ("2 items", "First item\n\nSecond item\n\nmore")
    assert row["error"] == ""
    rendered = {row["url"].removeprefix(made.base) for row in ran.rows if row["rendered"]}
    assert rendered == {"/made", ODD}
    paths = [path.replace("%5E", "^") for path in made.paths()]
    requests = {path: paths.count(path) for path in paths}
    assert requests == {
        "/robots.txt": 1,
        "/": 1,
        "/article": 1,
        "/data": 1,
        "/away": 1,
        "/made": 2,
        ODD: 2,
        "/items.json": 2,
        "/deep": 1,
        "/b?x=1&y=2": 1,
        "/menu-entry": 1,
    }
    found_on = ran.row(f"{made.base}/deep")["found_on"]
    assert found_on in (f"{made.base}/made", made.base + ODD)


def test_no_page_is_rendered_unless_wanted(python: Path, made: Site, chromium: str) -> None:
    ran = run(python, made, chromium)
    row = ran.row(f"{made.base}/made")
    assert (row["title"], row["text"], row["rendered"]) == ("Loading", "", False)
    assert made.paths().count("/made") == 1
    assert "/items.json" not in made.paths()


def test_all_pages_are_opened_once_in_the_browser(python: Path, made: Site, chromium: str) -> None:
    made.put("/", page("Home", "/made", "/old", "/missing", "/busy", "/away", "/data.bin"))
    ran = run(python, made, chromium, render="always", user_agent="Robot/1")
    assert ran.code == 0, ran.stderr
    rows = {
        row["url"].removeprefix(made.base): (row["status"], row["rendered"]) for row in ran.rows
    }
    assert rows == {
        "/": (200, True),
        "/made": (200, True),
        "/article-new": (200, True),
        "/missing": (404, False),
        "/menu-entry": (404, False),
        "/busy": (200, True),
        "/data.bin": (200, False),
        "/deep": (200, True),
    }
    moved = ran.row(f"{made.base}/article-new")
    assert (moved["title"], moved["requested_url"]) == ("New article", f"{made.base}/old")
    assert ran.row(f"{made.base}/missing")["error"].startswith("HTTP 404")
    assert {path: made.paths().count(path) for path in ("/", "/made", "/busy", "/away")} == {
        "/": 1, "/made": 1, "/busy": 2, "/away": 1,
    }  # fmt: skip
    agents = {headers["User-Agent"] for _, _, headers in made.requests}
    assert agents == {"Robot/1"}


def test_a_sitemap_is_read_when_all_pages_are_rendered(
    python: Path, made: Site, chromium: str
) -> None:
    ran = run(python, made, chromium, "/one.xml.gz", render="always", max_depth=0)
    assert sorted(ran.urls()) == [f"{made.base}/article", f"{made.base}/mapped-1"]


def test_a_script_does_not_lead_out_of_the_site(python: Path, made: Site, chromium: str) -> None:
    made.put("/made", b"<script>location = '/private/x'</script>")
    made.put("/", page("Home", "/made", "/moved"))
    made.put("/moved", b"<script>location = '/deep'</script>")
    ran = run(python, made, chromium, render="auto", max_depth=1)
    assert "/private/x" not in made.paths()
    assert f"{made.base}/made" not in ran.urls()
    moved = ran.row(f"{made.base}/deep")
    assert (moved["requested_url"], moved["rendered"]) == (f"{made.base}/moved", False)


def test_a_page_that_reloads_itself_is_loaded_a_few_times(
    python: Path, made: Site, chromium: str
) -> None:
    made.put("/", b"<title>Reloads</title><script>location.reload()</script>")
    ran = run(python, made, chromium, render="auto", request_timeout_seconds=5)
    assert ran.row(f"{made.base}/")["title"] == "Reloads"
    assert 2 <= made.paths().count("/") <= 6


@pytest.mark.parametrize(
    "refresh",
    [
        "<meta http-equiv=refresh content='0;url={}'>",
        pytest.param("<script>location.href = '{}'</script>", marks=pytest.mark.long),
    ],
)
def test_the_page_after_the_last_redirect_is_stored(
    python: Path, made: Site, chromium: str, refresh: str
) -> None:
    for number in range(12):
        following = refresh.format(f"/chain{number + 1}")
        made.put(f"/chain{number}", page(f"Page {number}", head=following))
    row = run(python, made, chromium, "/chain0", render="always", max_depth=0).rows[0]
    assert (row["url"], row["title"], row["error"]) == (f"{made.base}/chain10", "Page 10", "")
    assert "/chain11" not in made.paths()


def test_no_more_rows_than_wanted_are_stored(python: Path, made: Site, chromium: str) -> None:
    made.put("/", page("Home", *(f"/made?{number}" for number in range(8))))
    for number in range(8):
        made.put(f"/made?{number}", MADE)
    ran = run(python, made, chromium, render="auto", max_results=4)
    assert len(ran.rows) == 4


def test_a_page_that_cannot_be_rendered_is_stored_as_it_is(
    python: Path, made: Site, chromium: str
) -> None:
    links = "<a href='/deep'>more</a>"
    made.put("/", f"<title>Busy</title>{links}<script>for (;;);</script>".encode())
    ran = run(python, made, chromium, render="auto", request_timeout_seconds=3)
    row = ran.row(f"{made.base}/")
    assert (row["title"], row["rendered"]) == ("Busy", False)
    assert row["error"].startswith("not rendered: ") and "within 3 s" in row["error"]
    assert f"{made.base}/deep" in ran.urls()


@pytest.mark.parametrize(
    "script",
    [
        "Object.defineProperty(document.documentElement, 'outerHTML', {value: 5})",
        "Object.defineProperty(document, 'documentElement', {value: null})",
        "document.body.innerHTML = `<img name=documentElement>${document.body.innerHTML}`",
    ],
)
def test_what_a_page_redefines_is_not_used(
    python: Path, made: Site, chromium: str, script: str
) -> None:
    body = f"<title>Five</title><a href='/made'>more</a><script>{script}</script>"
    made.put("/", body.encode())
    ran = run(python, made, chromium, render="always", max_depth=1)
    row = ran.row(f"{made.base}/")
    assert (row["title"], row["rendered"], row["error"]) == ("Five", True, "")
    assert ran.row(f"{made.base}/made")["title"] == "2 items"


def test_a_page_without_a_document_is_an_error(python: Path, made: Site, chromium: str) -> None:
    made.put("/", b"<title>None</title><script>document.documentElement.remove()</script>")
    ran = run(python, made, chromium, render="always", max_depth=1)
    row = ran.row(f"{made.base}/")
    assert (row["rendered"], row["error"]) == (False, "its scripts have removed the document")


@pytest.mark.parametrize("address", ["", "ws://127.0.0.1:1"])
def test_without_a_browser_pages_stay_as_they_are(python: Path, made: Site, address: str) -> None:
    made.put("/", page("Home", "/made", "/again"))
    made.put("/again", MADE)
    ran = run(python, made, address, render="auto")
    assert ran.code == 0
    errors = [ran.row(f"{made.base}{path}")["error"] for path in ("/made", "/again")]
    assert all(error.startswith("not rendered: ") and "browser" in error for error in errors)
    assert sum("no page is rendered" in line for line in ran.lines) == 1
    always = run(python, made, address, render="always")
    assert (always.code, always.urls()) == (1, [f"{made.base}/"])
    assert "browser" in always.rows[0]["error"]
    assert "browser" in always.stderr.splitlines()[-1]
