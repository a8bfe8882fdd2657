"""Title and description of a Worker from its README.md."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

MAX_TITLE = 200
MAX_PARAGRAPH = 500
_MAX_HEADING = 2_000  # characters of the source of one heading
_MAX_HEADING_LINES = 6

_FENCES = ("```", "~~~")
_HTML_HEADING = re.compile(r"<h[1-6](?:\s[^<>]{0,300})?>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{1,500}>")
_IMAGE = re.compile(r"!\[[^\[\]]{0,200}\]\([^()]{0,500}\)")
_LINK = re.compile(r"\[([^\[\]]{0,200})\]\([^()]{0,500}\)")


def one_line(text: str) -> str:
    """Return the text without control characters and line ends, at most 2,000 characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:2000]


def first_heading(readme: str) -> str:
    """Return the text of the first heading, in Markdown or HTML, ``""`` when there is none."""
    lines = readme.splitlines()
    fence = ""
    for index, line in enumerate(lines):
        mark = line.strip()[:3]
        if mark in _FENCES and fence in ("", mark):
            fence = "" if fence else mark
        elif not fence and (title := _plain(_heading(lines, index))):
            return title
    return ""


def _heading(lines: Sequence[str], index: int) -> str:
    """The source of the heading that begins in this line."""
    line = lines[index]
    text = line.strip()
    number = len(text) - len(text.lstrip("#"))
    if 1 <= number <= 6 and text[number : number + 1].isspace() and not line.startswith("    "):
        return text[number:].rstrip("#")
    if found := _HTML_HEADING.search(line):
        rest = [line[found.end() :], *lines[index + 1 : index + _MAX_HEADING_LINES]]
        content = " ".join(rest)[:_MAX_HEADING]
        end = content.lower().find("</h")
        return content[:end] if end >= 0 else ""
    below = lines[index + 1].strip() if index + 1 < len(lines) else ""
    return text if below and set(below) == {"="} else ""


def _plain(source: str) -> str:
    """The text of a heading, without tags, images and the addresses of links."""
    text = _TAG.sub(" ", source[:_MAX_HEADING])
    text = _LINK.sub(r"\1", _IMAGE.sub("", text))
    return one_line(html.unescape(text))[:MAX_TITLE]


def first_paragraph(readme: str) -> str:
    """Return the first paragraph of plain text as one line, ``""`` when there is none."""
    words: list[str] = []
    for line in readme.splitlines():
        text = line.strip()
        plain = bool(text) and not text.startswith(("#", "!", "[!", "<", "```", "|", "===", "---"))
        if plain:
            words.append(text)
        elif words and set(text) <= {"=", "-"} and text:
            words = []  # an underlined heading
        elif words:
            break
    return one_line(" ".join(words))[:MAX_PARAGRAPH]
