"""Sitemaps: XML lists of pages, lists of such lists, plain text, and all of them gzipped."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError, XMLPullParser

MAX_BYTES = 50 * 1024 * 1024
MAX_ADDRESSES = 50_000
MAX_LEVELS = 3  # a list of lists of lists
PIECE = 64 * 1024


class BadSitemap(ValueError):
    """The document is no sitemap; the message says why."""


@dataclass
class Sitemap:
    """Addresses of pages, and of further sitemaps, as they are written there."""

    pages: list[str] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)


def looks_like(body: bytes) -> bool:
    """Whether a document that was fetched as a page is a sitemap."""
    head = body[:2000].lstrip(b"\xef\xbb\xbf \t\r\n")
    return head[:2] == b"\x1f\x8b" or b"<urlset" in head or b"<sitemapindex" in head


def parse(body: bytes) -> Sitemap:
    """Read a sitemap. Raise ``BadSitemap``."""
    body = _unpacked(body)
    text = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<"):
        return _parse_xml(text)
    return Sitemap(pages=_lines(text))


def _unpacked(body: bytes) -> bytes:
    if body[:2] != b"\x1f\x8b":
        return body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, MAX_BYTES)
    except zlib.error as error:
        raise BadSitemap(f"its gzip data is damaged ({error})") from None
    if unpacker.unconsumed_tail:
        raise BadSitemap(f"it is larger than {MAX_BYTES:,} bytes")
    return plain


def _lines(text: bytes) -> list[str]:
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
    found = [line for line in lines if line.startswith(("http://", "https://"))]
    if not found:
        raise BadSitemap("it contains no addresses")
    return found[:MAX_ADDRESSES]


def _parse_xml(body: bytes) -> Sitemap:
    # a sitemap needs no document type, which could contain entities that grow without end
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise BadSitemap("it has a document type, which a sitemap must not")
    found = Sitemap()
    parser = XMLPullParser(("start", "end"))
    parents: list[str] = []
    root = None
    try:
        for at in range(0, len(body), PIECE):
            parser.feed(body[at : at + PIECE])
            for event, element in parser.read_events():
                root = element if root is None else root
                _take(event, element, parents, found)
                if event == "end" and len(parents) == 1:
                    root.clear()  # what was read needs no memory any more
            if len(found.pages) >= MAX_ADDRESSES:
                return found
        parser.close()
    except BadSitemap:
        raise
    except (ParseError, ValueError, LookupError) as error:
        if not found.pages and not found.sitemaps:
            raise BadSitemap(f"it is not well-formed XML ({error})") from None
    return found  # of a damaged one, what came before the damage


def _take(event: str, element: object, parents: list[str], found: Sitemap) -> None:
    name = element.tag.rpartition("}")[2]
    if event == "start":
        if not parents and name not in ("urlset", "sitemapindex"):
            raise BadSitemap(f"its root is <{name}>, not <urlset> or <sitemapindex>")
        parents.append(name)
        return
    parents.pop()
    address = (element.text or "").strip()
    if name == "loc" and address:
        if parents[-1:] == ["url"]:
            found.pages.append(address)
        elif parents[-1:] == ["sitemap"]:
            found.sitemaps.append(address)
