"""What a crawl does with responses; ``tests/integration/crawler`` has whole crawls of a site."""

from __future__ import annotations

from typing import Any

import pytest
from crawler.crawl import MAX_HOPS, Crawl
from crawler.extract import Page
from crawler.fetch import Answer
from crawler.settings import AUTO, Settings

ORIGIN = "https://site.example"
SCRIPT = b"<script src=x></script>"


class Rows:
    """Keeps what is stored."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def row(self, row: dict[str, Any]) -> str:
        self.rows.append(row)
        return ""

    def info(self, text: str) -> None:
        """Of no interest here."""

    warn = info


@pytest.mark.parametrize("in_browser", [False, True])
def test_a_refresh_beyond_the_redirects_is_not_followed(in_browser: bool) -> None:
    """``in_browser``: only the scripts of the pages make the refresh."""
    rendered: list[str] = []

    def fetch(url: str, any_type: bool) -> Answer:
        return Answer(url, 200, "text/html", body=SCRIPT if in_browser else b"refresh")

    def render(url: str, any_type: bool) -> Answer:
        rendered.append(url)
        return Answer(url, 200, "text/html", body=b"refresh", rendered=True)

    def extract(body: bytes, url: str, *_: str) -> Page:
        number = int(url.rpartition("/")[2] or 0)
        return Page(refresh=f"{ORIGIN}/{number + 1}" if body == b"refresh" else None)

    rows = Rows()
    settings = Settings([f"{ORIGIN}/"], respect_robots=False, delay=0, render=AUTO)
    Crawl(settings, fetch, render, extract, rows).run()
    found = [(row["url"], row["requested_url"], row["error"]) for row in rows.rows]
    assert found == [(f"{ORIGIN}/{MAX_HOPS}", f"{ORIGIN}/", "")]
    assert len(rendered) == (MAX_HOPS + 1 if in_browser else 0)
