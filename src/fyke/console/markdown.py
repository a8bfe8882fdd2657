"""READMEs and descriptions as HTML. The text is untrusted, so the rendered HTML is
sanitized with a list of allowed tags.

Pictures become links: fetching one would reveal the reader to another host.
"""

from __future__ import annotations

from functools import lru_cache

import nh3
from markupsafe import Markup

from fyke.kit.markdown import render

_TAGS = {
    *("p", "br", "hr", "strong", "em", "del", "s", "code", "pre", "blockquote", "a"),
    *("ul", "ol", "li", "h2", "h3", "h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


@lru_cache(maxsize=256)
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


def _without_pictures(text: str) -> str:
    """``![a](b)`` becomes the link ``[a](b)``."""
    return text.replace("![", "[")
