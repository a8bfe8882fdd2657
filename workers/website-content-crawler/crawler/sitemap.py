"""Sitemaps: XML lists of pages, indexes of sitemaps, and plain text; all may be gzipped."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError, XMLPullParser

MAX_BYTES = 50 * 1024 * 1024
MAX_ADDRESSES = 50_000
MAX_LEVELS = 3  # of nested indexes
PIECE = 64 * 1024


class BadSitemap(ValueError):
    """The document is not a sitemap; the message is the reason."""


@dataclass
class Sitemap:
    """Addresses of pages and of further sitemaps, as written in the document."""

    pages: list[str] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)


def looks_like(body: bytes) -> bool:
    """Whether a document that was fetched as a page is a sitemap."""
    head = body[:2000].lstrip(b"\xef\xbb\xbf \t\r\n")
    return head[:2] == b"\x1f\x8b" or b"<urlset" in head or b"<sitemapindex" in head


def parse(body: bytes) -> Sitemap:
    """Parse a sitemap. Raise ``BadSitemap``."""
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
        content = unpacker.decompress(body, MAX_BYTES)
    except zlib.error as error:
        raise BadSitemap(f"its gzip data is damaged ({error})") from None
    if unpacker.unconsumed_tail:
        raise BadSitemap(f"it is larger than {MAX_BYTES:,} bytes")
    return content


def _lines(text: bytes) -> list[str]:
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
    addresses = [line for line in lines if line.startswith(("http://", "https://"))]
    if not addresses:
        raise BadSitemap("it contains no addresses")
    return addresses[:MAX_ADDRESSES]


def _parse_xml(body: bytes) -> Sitemap:
    # a sitemap needs no document type, which could define entities that expand without limit
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise BadSitemap("it has a document type, which is not allowed")
    sitemap = Sitemap()
    parser = XMLPullParser(("start", "end"))
    parents: list[str] = []
    root = None
    try:
        for at in range(0, len(body), PIECE):
            parser.feed(body[at : at + PIECE])
            for event, element in parser.read_events():
                root = element if root is None else root
                _handle_event(event, element, parents, sitemap)
                if event == "end" and len(parents) == 1:
                    root.clear()  # frees the memory of elements that were read
            if len(sitemap.pages) >= MAX_ADDRESSES:
                return sitemap
        parser.close()
    except BadSitemap:
        raise
    except (ParseError, ValueError, LookupError) as error:
        if not sitemap.pages and not sitemap.sitemaps:
            raise BadSitemap(f"it is not well-formed XML ({error})") from None
    return sitemap  # of a damaged document, the part before the damage


def _handle_event(event: str, element: object, parents: list[str], sitemap: Sitemap) -> None:
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
            sitemap.pages.append(address)
        elif parents[-1:] == ["sitemap"]:
            sitemap.sitemaps.append(address)
