"""Markdown to HTML, in time that is linear in the text.

The parser limits how deep blocks and links are nested; here the length of a text and the columns of
a table are limited too.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

MAX_CHARS = 50_000  # of a text; the rest is left out
MAX_COLUMNS = 50  # a table with more is a paragraph

_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n(?=[\w-]+[ \t]*:)(?:[^\n]*\n){0,100}?(?:---|\.\.\.)[ \t]*(?:\n|\Z)"
)


def render(text: str, *, html: bool = False) -> str:
    """The text as HTML without its front matter, cut after ``MAX_CHARS``.

    ``html``: whether HTML in the text stays HTML; the result is not sanitized.
    """
    text = text[:MAX_CHARS].replace("\r\n", "\n").removeprefix("\ufeff")
    return str(_parser(html).render(_FRONT_MATTER.sub("", text)))


@cache
def _parser(html: bool) -> MarkdownIt:
    # imported here, because the commands that check a project should start quickly
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock, table

    def narrow_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        if start + 2 > end:
            return False
        line = state.src[state.bMarks[start + 1] : state.eMarks[start + 1]]
        return line.count("|") <= MAX_COLUMNS + 1 and table(state, start, end, silent)

    parser = MarkdownIt("commonmark", {"html": html, "linkify": False})
    parser.enable(["table", "strikethrough"])
    parser.block.ruler.at("table", narrow_table, {"alt": ["paragraph", "reference"]})
    return parser
