"""Sitemaps in all formats, damaged and hostile ones."""

from __future__ import annotations

import gzip

import pytest
from crawler import sitemap
from crawler.sitemap import BadSitemap, looks_like, parse

SPACE = b"http://www.sitemaps.org/schemas/sitemap/0.9"
URLSET = (
    b"<?xml version='1.0'?><urlset xmlns='%s'><url><loc> http://a/1 </loc><lastmod>x</lastmod>"
    % (SPACE)
)


def test_pages_and_further_sitemaps_are_found() -> None:
    image = b"<image:image xmlns:image='i'><image:loc>http://a/i.png</image:loc></image:image>"
    found = parse(b"\xef\xbb\xbf \n" + URLSET + image + b"</url><url><loc/></url></urlset>")
    assert (found.pages, found.sitemaps) == (["http://a/1"], [])
    index = b"<sitemapindex><sitemap><loc>http://a/s.xml</loc></sitemap></sitemapindex>"
    assert parse(gzip.compress(index)).sitemaps == ["http://a/s.xml"]
    assert parse(b"http://a/1\r\nnothing\nhttps://a/2\n").pages == ["http://a/1", "https://a/2"]


def test_the_beginning_of_a_damaged_sitemap_is_used() -> None:
    assert parse(URLSET + b"</url><url><loc>http://a/2</loc></url><<").pages[0] == "http://a/1"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html></html>", "its root is <html>"),
        (b"<urlset", "not well-formed"),
        (b"nothing here", "contains no addresses"),
        (b"", "contains no addresses"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><urlset>&a;</urlset>", "document type"),
        (b"\x1f\x8bdamaged", "gzip data is damaged"),
    ],
)
def test_a_document_that_is_not_a_sitemap_is_reported(body: bytes, reason: str) -> None:
    with pytest.raises(BadSitemap, match=reason):
        parse(body)


def test_a_gzip_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemap, "MAX_BYTES", 1000)
    with pytest.raises(BadSitemap, match="larger than 1,000 bytes"):
        parse(gzip.compress(bytes(100_000)))


def test_sitemaps_are_distinguished_from_pages() -> None:
    assert looks_like(URLSET)
    assert looks_like(gzip.compress(b"x"))
    assert not looks_like(b"<html><body>urlset")
