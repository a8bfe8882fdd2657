"""Which addresses a crawl may visit."""

from __future__ import annotations

from crawler.scope import DOMAIN, HOST, PREFIX, Scope


def scope(stay_on: str, root: str, include: list[str] | None = None) -> Scope:
    made = Scope(stay_on, include or [], ["*/no/*"])
    made.add_root(root)
    return made


def test_host() -> None:
    made = scope(HOST, "https://www.example.com/docs/")
    assert made.allows("http://www.example.com/elsewhere")
    assert not made.allows("https://example.com/docs/")
    assert not made.allows("https://www.example.com:8443/")
    assert not made.allows("https://www.example.com/no/entry")


def test_domain() -> None:
    made = scope(DOMAIN, "https://www.example.com/docs/")
    assert made.allows("https://example.com:8443/")
    assert made.allows("https://a.b.example.com/")
    assert not made.allows("https://notexample.com/")
    assert scope(DOMAIN, "http://[::1]:80/").allows("http://[::1]:81/")


def test_prefix() -> None:
    made = scope(PREFIX, "https://example.com/docs/start.html")
    assert made.allows("https://example.com/docs/deep/page")
    assert not made.allows("https://example.com/documents/")
    assert not made.allows("https://other.com/docs/")


def test_include_narrows() -> None:
    made = scope(HOST, "https://example.com/", ["/blog/*"])
    assert made.allows("https://example.com/blog/x")
    assert not made.allows("https://example.com/shop")


def test_a_redirected_start_url_moves_its_prefix() -> None:
    made = scope(PREFIX, "http://example.com/docs/")
    assert made.move_root("http://example.com/docs/", "https://www.example.com/docs/en/")
    assert made.allows("https://www.example.com/docs/de/")
    assert not made.allows("https://www.example.com/shop/")
    assert not made.move_root("http://example.com/docs/", "https://example.com/docs/en/")
