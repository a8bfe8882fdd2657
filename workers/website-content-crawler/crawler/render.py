"""Converts the HTML of the content to Markdown and to text."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

_TABLE_PARTS = ("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption")
_IN_CELLS = ("table", "p", "div", "dl", "ul", "ol", "pre", "blockquote", "h1", "h2", "h3", "h4")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS = ("p", "pre", "table", "ul", "ol", "dl", "blockquote", "article", "section", "main")
_PARAGRAPHS = frozenset((*_HEADINGS, *_BLOCKS, "figure", "hr"))
_PARTS = ("div", "li", "dt", "dd", "tr", "br", "header", "address", "details", "summary")
_LINES = frozenset((*_PARTS, "figcaption", "caption"))
_CELL_TAGS = ("td", "th")
_LINES_IN_CELLS = 4  # a cell with as many lines is a list, not a value
_SPACES = re.compile(r"[ \t\r\n\f]+")
_MANY_LINES = re.compile(r"\n{3,}")
_TRAILING = re.compile(r"[ \t]+\n")
_LINK_CHARACTERS = 2000


def to_markdown_and_text(html: str, base: str) -> tuple[str, str]:
    """Return Markdown and text of a piece of HTML, with absolute links."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "lxml")
    _make_absolute(soup, base)
    _unfold_layout(soup)
    text = _text(soup)
    try:
        return _markdown(soup), text
    except RecursionError:  # deeply nested
        return text, text


def _make_absolute(soup: Any, base: str) -> None:
    for tag, name in (("a", "href"), ("img", "src")):
        for node in soup.find_all(tag):
            value = str(node.get(name) or "").strip()
            try:
                target = urljoin(base, value)
            except ValueError:
                target = ""
            if value and target.startswith(("http://", "https://", "mailto:", "tel:")):
                node[name] = target[:_LINK_CHARACTERS]
            else:  # a script or a data URL; removing the node would take far longer
                node.name, node.attrs = "span", {}


def _unfold_layout(soup: Any) -> None:
    """Convert tables that are used for layout to plain blocks.

    A table with data contains no other table, so one pass is enough.
    """
    table_parts = set()
    for table in soup.find_all("table"):
        if _holds_data(table):
            table_parts.add(id(table))
            table_parts.update(map(id, table.find_all(_TABLE_PARTS)))
    for part in soup.find_all(_TABLE_PARTS):
        if id(part) not in table_parts:
            part.name, part.attrs = "div", {}


def _holds_data(table: Any) -> bool:
    """Whether a table has several rows and columns with short plain cells."""
    if table.find(_IN_CELLS) is not None:
        return False
    rows = table.find_all("tr")
    widest = max((len(row.find_all(_CELL_TAGS)) for row in rows), default=0)
    if len(rows) < 2 or widest < 2:
        return False
    return all(len(cell.find_all("br")) < _LINES_IN_CELLS for cell in table.find_all(_CELL_TAGS))


def _markdown(soup: Any) -> str:
    from markdownify import ATX, MarkdownConverter

    converter = MarkdownConverter(heading_style=ATX, bullets="-", escape_underscores=False)
    markdown = _TRAILING.sub("\n", converter.convert_soup(soup))
    return _MANY_LINES.sub("\n\n", markdown).strip()


def _text(soup: Any) -> str:
    """Text with a line for each block and an empty line between paragraphs; ``pre`` unchanged."""
    parts: list[str] = []
    stack: list[tuple[Any, bool, str]] = [(soup, False, "")]
    while stack:
        node, preformatted, closing = stack.pop()
        if node is None:
            parts.append(closing)
        elif getattr(node, "name", None) is None:
            if type(node).__name__ == "NavigableString":  # not a comment or a declaration
                parts.append(str(node) if preformatted else _SPACES.sub(" ", str(node)))
        else:
            gap = _gap(node.name)
            if node.name != "br":
                parts.append(gap)
            stack.append((None, False, gap))
            inside = preformatted or node.name == "pre"
            stack.extend((child, inside, "") for child in reversed(node.contents))
    return _tidy("".join(parts))


def _gap(name: str) -> str:
    if name in _PARAGRAPHS:
        return "\n\n"
    if name in _CELL_TAGS:
        return "\t"
    return "\n" if name in _LINES else ""


def _tidy(text: str) -> str:
    lines = []
    for line in text.split("\n"):
        stripped = line.rstrip()
        if line[:1] == "\t" or (line[:1] == " " and line[:2] != "  "):
            stripped = stripped.strip()
        lines.append(re.sub(r"[ \t]*\t[ \t]*", "\t", stripped) if "\t" in stripped else stripped)
    return _MANY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")
