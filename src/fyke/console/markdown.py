"""READMEs and descriptions as HTML. The text is untrusted, so the rendered HTML is
sanitized with a list of allowed tags.

Pictures become links: fetching one would reveal the reader to another host.
"""

from __future__ import annotations

import asyncio
import html
import re
from collections import Counter, OrderedDict
from functools import lru_cache

import nh3
from markupsafe import Markup, escape

from fyke.contracts.parsing import ParserPool
from fyke.errors import RateLimited, TooComplex
from fyke.kit.markdown import MAX_CHARS, render

_CACHED_CHARS = 8 * 2**20  # of HTML
_SCROLLED = re.compile(r"<h[2-6][^>]*>(.*?)</h[2-6]>|<(table|pre)>", re.S)
_TAG = re.compile(r"<[^>]+>")
_CODE = re.compile(r"`([^`]+)`")

_TAGS = {
    *("p", "br", "hr", "strong", "em", "del", "s", "code", "pre", "blockquote", "a"),
    *("ul", "ol", "li", "h2", "h3", "h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


class UntrustedMarkdown:
    """Renders untrusted texts, each once, in the parser pool."""

    def __init__(self, parsers: ParserPool) -> None:
        self._parsers = parsers
        self._rendering: dict[str, asyncio.Future[Markup]] = {}
        self._cache: OrderedDict[str, Markup] = OrderedDict()
        self._size = 0

    async def to_html(self, account_id: str, text: str) -> Markup:
        """The HTML of a text of this account, or the text itself when it is too complex."""
        if not text.strip():
            return Markup()
        text = text[:MAX_CHARS]
        if text in self._cache:
            self._cache.move_to_end(text)
            return self._cache[text]
        if text not in self._rendering:
            task = asyncio.ensure_future(self._render(account_id, text))
            self._rendering[text] = task
            task.add_done_callback(lambda _: self._rendering.pop(text, None))
        return await asyncio.shield(self._rendering[text])

    async def _render(self, account_id: str, text: str) -> Markup:
        try:
            html = await self._parsers.run(account_id, to_html, text)
        except RateLimited:
            return _plain(text)
        except TooComplex:
            html = _plain(text)
        self._cache[text] = html
        self._size += len(text) + len(html)
        while self._size > _CACHED_CHARS:
            oldest, dropped = self._cache.popitem(last=False)
            self._size -= len(oldest) + len(dropped)
        return html


def _plain(text: str) -> Markup:
    return Markup("<pre>{}</pre>").format(text)


@lru_cache(maxsize=256)  # for our own texts
def to_html(text: str) -> Markup:
    """Sanitized HTML. Headings are moved one level down, because the page has its own ``h1``."""
    rendered = render(_without_pictures(text))
    for level in range(5, 0, -1):
        rendered = rendered.replace(f"<h{level}>", f"<h{level + 1}>")
        rendered = rendered.replace(f"</h{level}>", f"</h{level + 1}>")
    cleaned = nh3.clean(
        rendered,
        tags=_TAGS,
        attributes={"a": {"href", "title"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    return Markup(cleaned)  # noqa: S704 - sanitized above


def with_code(text: str) -> Markup:
    """One line whose only marks are those of code, such as the description of a field."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


def in_regions(text: Markup, title: str) -> Markup:
    """Put the tables and the blocks of code of this HTML into areas that scroll by keys. Each is
    named after the heading above it, or ``title``, with a number where the name is not the first.
    """
    seen: Counter[str] = Counter()
    heading = title

    def region(match: re.Match[str]) -> str:
        nonlocal heading
        if not match[2]:
            heading = html.unescape(_TAG.sub("", match[1])).strip() or title
            return match[0]
        seen[heading] += 1
        name = heading if seen[heading] == 1 else f"{heading} ({seen[heading]})"
        attributes = f'role="region" aria-label="{html.escape(name)}" tabindex="0"'
        if match[2] == "table":
            return f'<div class="region" {attributes}><table>'
        return f"<pre {attributes}>"

    marked = _SCROLLED.sub(region, text).replace("</table>", "</table></div>")
    marked = marked.replace("<th></th>", "<td></td>")  # the corner of a table is no header
    return Markup(marked)  # noqa: S704 - HTML before, and the names are escaped


def _without_pictures(text: str) -> str:
    """``![a](b)`` becomes the link ``[a](b)``."""
    return text.replace("![", "[")
