"""Title and description of a Worker from its README.md.

The README is rendered, so headings and paragraphs are those that a reader sees, not text in
comments, code or front matter.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

from fyke.kit.markdown import render

MAX_TITLE = 200
MAX_PARAGRAPH = 500
_MAX_SOURCE = 20_000  # characters of the README that are read

# Each expression takes linear time: a failed match has consumed its text, or a bound stops it.
_COMMENT = re.compile(r"<!--(?:.*?-->|.*)", re.DOTALL)
_SKIPPED = re.compile(
    r"<(pre|script|style|table|template|textarea)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_HEADING = re.compile(
    r"<h[1-6](?:\s[^<>]{0,300})?>(.*?)(</h|(?=<h[1-6]\b)|\Z)", re.DOTALL | re.IGNORECASE
)
_LIST = re.compile(r"<([ou]l)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_PARAGRAPH = re.compile(r"<p(?:\s[^<>]{0,300})?>(.*?)(?=</?p\b|\Z)", re.DOTALL | re.IGNORECASE)
_LINK = re.compile(r"<a\b.*?(?:</a\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{1,500}>")
# HTML ends at a blank line only, but authors write headings right below it.
_HEADING_BELOW_HTML = re.compile(r">[ \t]{0,9}\n(?= {0,3}#{1,6}[ \t])")


def one_line(text: str) -> str:
    """Return the text without control characters and line ends, at most 2,000 characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:2000]


def first_heading(readme: str) -> str:
    """Return the text of the first heading, in Markdown or HTML, ``""`` when there is none."""
    for heading in _HEADING.finditer(_rendered(readme)):
        if heading[2] and (title := _plain(heading[1])):
            return title[:MAX_TITLE]
    return ""


def first_paragraph(readme: str) -> str:
    """Return the first paragraph that has text beside links, as one line, ``""`` without one."""
    body = _LIST.sub("", _HEADING.sub("", _rendered(readme)))
    for paragraph in _PARAGRAPH.finditer(body):
        text = _plain(paragraph[1])
        own = _plain(_LINK.sub("", paragraph[1]))
        if any(map(str.isalnum, own)) and not text.startswith("#"):
            return text[:MAX_PARAGRAPH]
    return ""


@lru_cache(maxsize=1)  # title and description are read from the same README
def _rendered(readme: str) -> str:
    """HTML without comments, code and tables."""
    source = _HEADING_BELOW_HTML.sub(">\n\n", readme[:_MAX_SOURCE])
    return _SKIPPED.sub("", _COMMENT.sub("", render(source, html=True)))


def _plain(source: str) -> str:
    """The text of a piece of HTML."""
    return one_line(html.unescape(_TAG.sub(_text_of_tag, source)))


def _text_of_tag(tag: re.Match[str]) -> str:
    """Blocks and line breaks separate words, tags within a line do not."""
    return " " if tag[0][1:].lstrip("/").lower().startswith(("p", "br", "div")) else ""
