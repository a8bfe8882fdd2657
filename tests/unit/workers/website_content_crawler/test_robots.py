"""The rules of robots.txt, or without one."""

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
def test_the_product_name_is_found_in_a_user_agent(agent: str, name: str) -> None:
    assert product(agent) == name


def test_a_missing_robots_txt_allows_and_an_unreadable_one_forbids() -> None:
    assert absent(404, "HTTP 404").allows("http://a/")
    assert absent(403, "HTTP 403").allows("http://a/")
    for status, error in ((500, ""), (429, "HTTP 429"), (None, "no connection")):
        rules = absent(status, error)
        assert not rules.allows("http://a/")
        assert rules.blocked.startswith("robots.txt could not be read")


def test_a_web_page_instead_of_robots_txt_has_no_rules() -> None:
    body = b"User-agent: *\nDisallow: /"
    assert parse(body, "text/html", "x").allows("http://a/")
    assert parse(b"\n <!doctype html>" + body, "", "x").allows("http://a/")
