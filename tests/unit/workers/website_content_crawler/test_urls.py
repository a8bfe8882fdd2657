"""Normalized addresses and patterns."""

from __future__ import annotations

import pytest
from crawler.urls import Glob, canonical, folder, start_url


@pytest.mark.parametrize(
    ("address", "normalized"),
    [
        ("http://Example.COM:80/a#top", "http://example.com/a"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com:443/?b=2&a=1", "https://example.com/?b=2&a=1"),
        ("https://example.com:8443/a/../b/./c", "https://example.com:8443/b/c"),
        ("http://example.com./a b", "http://example.com/a%20b"),
        ("http://user:secret@example.com/", "http://example.com/"),
        ("http://bücher.example/ü?ß", "http://xn--bcher-kva.example/%C3%BC?%C3%9F"),
        ("http://example.com/%7Ea%2F", "http://example.com/%7Ea%2F"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"),
        (" http://exam\nple.com/ ", "http://example.com/"),
        ("http://example.com/..", "http://example.com/"),
        ("ftp://example.com/", None),
        ("javascript:alert(1)", None),
        ("http://", None),
        ("http://[::", None),
        ("http://example.com:99999/", None),
        ("http://exa mple.com/", None),
        ("http://example.com/" + "a" * 2000, None),
    ],
)
def test_addresses_are_normalized(address: str, normalized: str | None) -> None:
    assert canonical(address) == normalized
    assert normalized is None or canonical(normalized) == normalized


def test_relative_addresses_are_resolved() -> None:
    base = "http://example.com/dir/page?q=1"
    assert canonical("other", base) == "http://example.com/dir/other"
    assert canonical("?q=2", base) == "http://example.com/dir/page?q=2"
    assert canonical("//cdn.example.com/x", base) == "http://cdn.example.com/x"
    assert canonical("../../../up", base) == "http://example.com/up"
    assert folder("http://example.com/dir/page") == "/dir/"


def test_the_default_scheme_of_a_start_url_is_https() -> None:
    assert start_url("example.com") == "https://example.com/"
    assert start_url("localhost:8000/x") == "https://localhost:8000/x"
    assert start_url("http://example.com") == "http://example.com/"
    assert start_url("mailto:a@b") is None


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("https://a/b/*", ["https://a/b/", "https://a/b/c/d?e"], ["https://a/b", "https://a/c"]),
        ("*/login*", ["https://a/x/login?next=/"], ["https://a/log"]),
        ("/tag/*", ["https://a/tag/x"], ["https://a/x/tag/y"]),
        ("*.pdf", ["https://a/x.pdf"], ["https://a/x.pdf?y"]),
        ("https://a/?p=[1]", ["https://a/?p=[1]"], ["https://a/xp=1", "https://a/?p=1"]),
        ("*aa*aa", ["/aaaa", "xaa-aa"], ["aaa"]),
        ("**", ["anything"], []),
    ],
)
def test_a_glob_matches_the_whole_url_or_path(
    pattern: str, matching: list[str], other: list[str]
) -> None:
    glob = Glob(pattern)
    assert [url for url in matching + other if glob.matches(url)] == matching


def test_matching_a_glob_with_many_stars_takes_linear_time() -> None:
    assert not Glob("*a" * 200 + "b").matches("a" * 2000)
