"""What a browser without a cache transfers for a page of the console."""

from __future__ import annotations

import gzip
import re
from urllib.parse import urljoin

from support.pages import Visitor

BUDGET = 60_000  # bytes of a page and all that it loads, without the font
WITH_FONT = 110_000
FONT = ".woff2"
HEADERS = {"accept": "text/html,*/*", "accept-encoding": "gzip"}


async def weight(visitor: Visitor, address: str) -> dict[str, int]:
    """Transferred bytes of the page and everything that it loads, headers included."""
    seen: dict[str, int] = {}
    waiting = [address]
    while waiting:
        url = waiting.pop()
        if url in seen:
            continue
        async with visitor.http.stream("GET", url, headers=HEADERS) as answer:
            assert answer.status_code == 200, url
            raw = b"".join([part async for part in answer.aiter_raw()])
            rules = answer.headers.get("speculation-rules")
            lines = sum(len(name) + len(value) + 4 for name, value in answer.headers.items())
            packed = answer.headers.get("content-encoding") == "gzip"
        seen[url] = len(raw) + lines
        text = (gzip.decompress(raw) if packed else raw).decode("utf-8", "replace")
        waiting += [urljoin(url, found) for found in loaded_by(url, text)]
        waiting += [rules.strip('"')] if rules else []
    return seen


def loaded_by(address: str, text: str) -> list[str]:
    """The addresses that a browser fetches automatically for this document."""
    if address.endswith(".js"):
        return re.findall(r"""(?:from|import)\s*\(?["'](\.{0,2}/[^"']+)["']""", text)
    if address.endswith(".css"):
        return re.findall(r"""(?:url\(|@import )["']?([^"')]+\.[a-z0-9]+)["']?""", text)
    if address.endswith((".svg", ".png", FONT)):
        return []
    found = re.findall(r"""<(?:script|img|source|iframe)[^>]*\ssrc="([^"]+)""", text)
    found += re.findall(
        r"""<link[^>]*rel="(?:stylesheet|icon|modulepreload)"[^>]*href="([^"]+)""", text
    )
    found += re.findall(
        r"""<link[^>]*href="([^"]+)"[^>]*rel="(?:stylesheet|icon|modulepreload)""", text
    )
    return [item for item in found if not item.startswith("data:")]


def total(seen: dict[str, int], *, font: bool) -> int:
    """The bytes of all, with or without the font."""
    return sum(size for url, size in seen.items() if font or not url.endswith(FONT))
