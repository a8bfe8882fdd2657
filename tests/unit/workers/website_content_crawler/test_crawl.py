"""What a crawl does with responses; ``tests/integration/crawler`` has whole crawls of a site."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from crawler.crawl import MAX_HOPS, Crawl
from crawler.extract import Page
from crawler.fetch import Answer
from crawler.settings import ALWAYS, AUTO, NEVER, Settings

ORIGIN = "https://site.example"
SCRIPT = b"<script src=x></script>"


class Rows:
    """Keeps what is stored and logged."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.warnings: list[str] = []

    def row(self, row: dict[str, Any]) -> str:
        self.rows.append(row)
        return ""

    def info(self, text: str) -> None:
        """Of no interest here."""

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def in_chain(body: bytes, url: str, *_: str) -> Page:
    """The page with a number; while its body is ``refresh``, it leads to the next one."""
    number = int(url.rpartition("/")[2] or 0)
    return Page(refresh=f"{ORIGIN}/{number + 1}" if body == b"refresh" else None)


@pytest.mark.parametrize("in_browser", [False, True])
def test_a_refresh_beyond_the_redirects_is_not_followed(in_browser: bool) -> None:
    """``in_browser``: only the scripts of the pages make the refresh."""
    rendered: list[str] = []

    def fetch(url: str, any_type: bool) -> Answer:
        return Answer(url, 200, "text/html", body=SCRIPT if in_browser else b"refresh")

    def render(url: str, any_type: bool, stay: bool) -> Answer:
        rendered.append(url)
        return Answer(url, 200, "text/html", body=b"refresh", rendered=True)

    rows = Rows()
    settings = Settings([f"{ORIGIN}/"], respect_robots=False, delay=0, render=AUTO)
    Crawl(settings, fetch, render, in_chain, rows).run()
    found = [(row["url"], row["requested_url"], row["error"]) for row in rows.rows]
    assert found == [(f"{ORIGIN}/{MAX_HOPS}", f"{ORIGIN}/", "")]
    assert len(rendered) == (MAX_HOPS + 1 if in_browser else 0)


@pytest.mark.parametrize("mode", [AUTO, ALWAYS])
def test_a_browser_stays_at_the_page_after_the_last_redirect(mode: str) -> None:
    """There a browser has gone on before anything is extracted."""

    def fetch(url: str, any_type: bool) -> Answer:
        return Answer(url, 200, "text/html", body=SCRIPT)

    def render(url: str, any_type: bool, stay: bool) -> Answer:
        if stay:
            return Answer(url, 200, "text/html", body=b"refresh", rendered=True)
        number = int(url.rpartition("/")[2] or 0)
        return Answer(url, 200, "text/html", location=f"/{number + 1}")

    rows = Rows()
    settings = Settings([f"{ORIGIN}/"], respect_robots=False, delay=0, render=mode)
    Crawl(settings, fetch, render, in_chain, rows).run()
    found = [(row["url"], row["requested_url"], row["error"]) for row in rows.rows]
    assert found == [(f"{ORIGIN}/{MAX_HOPS}", f"{ORIGIN}/", "")]


def crawl_loop(kind: str, loop: list[str], linked: list[str]) -> tuple[Crawl, Rows]:
    """Crawl pages of which each leads to the next one, the last to the first, by a ``redirect``, a
    ``refresh``, or a refresh in a ``browser``. The start page is the first of them, or one with the
    links ``linked``.
    """
    following = dict(zip(loop, [*loop[1:], loop[0]], strict=True))

    def fetch(url: str, any_type: bool) -> Answer:
        path = url.removeprefix(ORIGIN)
        if kind == "redirect" and path in following:
            return Answer(url, 302, location=following[path])
        return Answer(url, 200, "text/html", body=b"<html>")

    def render(url: str, any_type: bool, stay: bool) -> Answer:
        answer = fetch(url, any_type)
        answer.rendered = True
        if not stay:
            answer.location = following.get(url.removeprefix(ORIGIN), "")
        return answer

    def extract(body: bytes, url: str, *_: str) -> Page:
        path = url.removeprefix(ORIGIN)
        if path not in following:
            return Page(links=[ORIGIN + link for link in linked])
        return Page(refresh=ORIGIN + following[path])

    rows = Rows()
    settings = Settings(
        [ORIGIN + ("/" if linked else loop[0])],
        respect_robots=False,
        delay=0,
        max_concurrency=1,
        render=ALWAYS if kind == "browser" else NEVER,
    )
    crawl = Crawl(settings, fetch, render, extract, rows)
    crawl.run()
    return crawl, rows


LOOPS = pytest.mark.parametrize("loop", [["/a"], ["/a", "/b"], ["/a", "/b", "/c", "/d"]])
LINKS = pytest.mark.parametrize("links", ["no", "first", "all"])


def links_to(loop: list[str], links: str) -> list[str]:
    return {"no": [], "first": loop[:1], "all": loop}[links]


@LOOPS
@LINKS
@pytest.mark.parametrize("kind", ["refresh", "browser"])
def test_a_page_of_a_loop_of_refreshes_is_stored(kind: str, loop: list[str], links: str) -> None:
    crawl, rows = crawl_loop(kind, loop, links_to(loop, links))
    found = [row for row in rows.rows if row["url"] != f"{ORIGIN}/"]
    assert len(found) == 1
    assert found[0]["url"].removeprefix(ORIGIN) in loop
    assert (found[0]["error"], crawl.problem) == ("", "")
    assert crawl.fetched == len(rows.rows)


@LOOPS
@LINKS
def test_a_loop_of_redirects_is_named(loop: list[str], links: str) -> None:
    crawl, rows = crawl_loop("redirect", loop, links_to(loop, links))
    [row] = [row for row in rows.rows if row["url"] != f"{ORIGIN}/"]
    start = f"more than {MAX_HOPS} redirects, in a loop: "
    assert row["error"].startswith(start)
    assert sorted(row["error"].removeprefix(start).split(", ")) == [ORIGIN + path for path in loop]
    assert crawl.problem == f"{row['url']}: {row['error']}"
    assert rows.warnings == [crawl.problem]


def test_a_page_that_leads_into_a_loop_is_part_of_none() -> None:
    following = {"/": "/in", "/in": "/a", "/a": "/b", "/b": "/a"}

    def fetch(url: str, any_type: bool) -> Answer:
        return Answer(url, 302, location=following[url.removeprefix(ORIGIN)])

    rows = Rows()
    settings = Settings([f"{ORIGIN}/"], respect_robots=False, delay=0)
    Crawl(settings, fetch, pytest.fail, pytest.fail, rows).run()
    [row] = rows.rows
    assert row["error"].endswith(f"in a loop: {ORIGIN}/a, {ORIGIN}/b")


def test_redirects_to_pages_that_are_not_in_the_chain_are_dropped() -> None:
    """Also when those lead into a loop, which has a row of its own."""
    following = {"/a": "/b", "/b": "/a", "/late": "/a", "/other": "/page"}

    def fetch(url: str, any_type: bool) -> Answer:
        path = url.removeprefix(ORIGIN)
        if path in following:
            return Answer(url, 302, location=following[path])
        return Answer(url, 200, "text/html", body=b"<html>")

    def extract(body: bytes, url: str, *_: str) -> Page:
        return Page(links=[f"{ORIGIN}/{name}" for name in ("a", "page", "late", "other")])

    rows = Rows()
    settings = Settings([f"{ORIGIN}/"], respect_robots=False, delay=0, max_concurrency=1)
    crawl = Crawl(settings, fetch, pytest.fail, extract, rows)
    crawl.run()
    assert sorted(row["requested_url"] for row in rows.rows) == [
        f"{ORIGIN}{path}" for path in ("/", "/a", "/page")
    ]
    assert crawl.skipped["redirected to a page already known"] == 2


def test_a_cookie_may_end_a_loop() -> None:
    visits: list[str] = []

    def fetch(url: str, any_type: bool) -> Answer:
        path = url.removeprefix(ORIGIN)
        visits.append(path)
        if len(visits) > 5:
            return Answer(url, 200, "text/html", body=b"<html>")
        return Answer(url, 302, location={"/": "/a", "/a": "/b", "/b": "/"}[path])

    rows = Rows()
    settings = Settings([f"{ORIGIN}/"], respect_robots=False, delay=0)
    Crawl(settings, fetch, pytest.fail, lambda *_: Page(), rows).run()
    assert visits == ["/", "/a", "/b", "/", "/a", "/b"]
    assert [(row["url"], row["error"]) for row in rows.rows] == [(f"{ORIGIN}/b", "")]


def test_the_summary_says_what_has_become_of_each_page() -> None:
    missing = {f"{ORIGIN}/slow": "no answer within 30 s", f"{ORIGIN}/endless": "larger"}

    def fetch(url: str, any_type: bool) -> Answer:
        if url == f"{ORIGIN}/moved":
            return Answer(url, 302, location="/1")
        return Answer(url, 200, "text/html", body=b"<html>", error=missing.get(url, ""))

    def extract(body: bytes, url: str, *_: str) -> Page:
        return Page(links=[*missing, f"{ORIGIN}/moved", *(f"{ORIGIN}/{n}" for n in range(1, 10))])

    rows = Rows()
    settings = Settings(
        [f"{ORIGIN}/"], respect_robots=False, delay=0, max_concurrency=1, max_results=10
    )
    crawl = Crawl(settings, fetch, pytest.fail, extract, rows)
    crawl.run()
    assert crawl.summary() == (
        "10 rows, 8 pages fetched, 2 pages failed, 1 page redirected to a page already known, "
        "2 pages left in the queue"
    )


def test_a_sitemap_as_start_url_is_no_page_of_the_summary() -> None:
    urls = f"<urlset><url><loc>{ORIGIN}/page</loc></url></urlset>".encode()

    def fetch(url: str, any_type: bool) -> Answer:
        is_sitemap = url.endswith(".xml")
        kind, body = ("application/xml", urls) if is_sitemap else ("text/html", b"<html>")
        return Answer(url, 200, kind, body=body)

    settings = Settings([f"{ORIGIN}/map.xml"], respect_robots=False, delay=0)
    crawl = Crawl(settings, fetch, pytest.fail, lambda *_: Page(), Rows())
    crawl.run()
    assert crawl.summary() == "1 row, 1 page fetched, 0 pages failed, 0 pages left in the queue"


def test_pages_that_are_being_fetched_when_the_crawl_is_stopped_are_left() -> None:
    over = threading.Event()

    def fetch(url: str, any_type: bool) -> Answer:
        if url == f"{ORIGIN}/hangs":
            crawl.stop()
            over.wait(30)
        return Answer(url, 200, "text/html", body=b"<html>")

    settings = Settings([f"{ORIGIN}/"], respect_robots=False, delay=0)
    home = Page(links=[f"{ORIGIN}/hangs"])
    crawl = Crawl(settings, fetch, pytest.fail, lambda *_: home, Rows())
    crawl.run()
    summary = crawl.summary()
    over.set()
    assert summary == "1 row, 1 page fetched, 0 pages failed, 1 page left in the queue"
