"""The first pages load fast over slow connections: their total size is within a budget."""

from __future__ import annotations

import gzip
import re
from urllib.parse import urljoin

import pytest

from support.app import App
from support.console_seed import seed
from support.pages import Visitor

pytestmark = pytest.mark.anyio

BUDGET = 60 * 1024
WITH_FONT = 110 * 1024
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
            lines = sum(len(name) + len(value) + 4 for name, value in answer.headers.items())
            packed = answer.headers.get("content-encoding") == "gzip"
        seen[url] = len(raw) + lines
        text = (gzip.decompress(raw) if packed else raw).decode("utf-8", "replace")
        waiting += [urljoin(url, found) for found in loaded_by(url, text)]
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


def check(seen: dict[str, int]) -> None:
    """Compare the sizes with the budgets; browsers keep the font from the first page on."""
    font = [size for name, size in seen.items() if name.endswith(FONT)]
    assert len(font) == 1
    assert sum(seen.values()) - font[0] < BUDGET, seen
    assert sum(seen.values()) < WITH_FONT, seen


async def test_the_sign_in_page_loads_few_bytes(guest: Visitor) -> None:
    seen = await weight(guest, "/login")
    check(seen)
    assert any(name.endswith(".css") for name in seen)


async def test_the_first_page_after_signing_in_loads_few_bytes(app: App, owner: Visitor) -> None:
    await seed(app)
    seen = await weight(owner, "/")
    check(seen)
    assert any(name.endswith(".js") for name in seen)
