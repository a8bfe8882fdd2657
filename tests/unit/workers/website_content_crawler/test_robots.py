from __future__ import annotations

import pytest
from crawler.robots import absent, parse, product


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (compatible; FykeCrawler/1.0)", "FykeCrawler"),
        ("my-bot/2 (+https://example.com)", "my-bot"),
        ("", "*"),
    ],
)
def test_the_name_in_a_user_agent(agent: str, name: str) -> None:
    assert product(agent) == name


def test_missing_allows_and_unreadable_forbids() -> None:
    assert absent(404, "HTTP 404").allows("http://a/")
    assert absent(403, "HTTP 403").allows("http://a/")
    for status, error in ((500, ""), (429, "HTTP 429"), (None, "no connection")):
        rules = absent(status, error)
        assert not rules.allows("http://a/")
        assert rules.blocked.startswith("robots.txt could not be read")


def test_a_page_in_its_place_says_nothing() -> None:
    body = b"User-agent: *\nDisallow: /"
    assert parse(body, "text/html", "x").allows("http://a/")
    assert parse(b"\n <!doctype html>" + body, "", "x").allows("http://a/")
