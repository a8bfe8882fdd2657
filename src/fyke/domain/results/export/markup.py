"""HTML and XML; all scraped text is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from xml.sax.saxutils import escape as xml_escape
from xml.sax.saxutils import quoteattr

from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.values import (
    Column,
    TableReader,
    Value,
    has_forbidden,
    read_row,
    text_of,
    texts_of,
    without_forbidden,
)
from fyke.model.results import Header, RowBlock

XML_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_NAME = re.compile(r"(?!xml)[A-Za-z_][A-Za-z0-9_.-]*", re.IGNORECASE)
_STYLE = (
    "body{font-family:sans-serif}table{border-collapse:collapse}"
    "th,td{border:1px solid #999;padding:.2em .5em;text-align:left;vertical-align:top}"
    "td{white-space:pre-wrap}"
)


def xml_text(text: str) -> str:
    """Return the text escaped for the content of an element; carriage returns are preserved."""
    return xml_escape(without_forbidden(text), {"\r": "&#13;"})


class XmlWriter:
    """``<items>`` with one ``<item>`` per row. A member is an element of the same name when that is
    a simple XML name, else ``<field name="...">``. Objects and arrays are JSON text.
    """

    def __init__(self, columns: list[Header] | None, meta: ExportMeta) -> None:
        self._keys = None if columns is None else [column.key for column in columns]
        self._tags: dict[str, tuple[str, str]] = {}

    def head(self) -> bytes:
        return XML_HEAD + b"<items>\n"

    def page(self, block: RowBlock) -> bytes:
        items = [self._item(read_row(data)) for data in block.texts()]
        return "".join(items).encode("utf-8", "replace")

    def tail(self) -> bytes:
        return b"</items>\n"

    def _item(self, row: dict[str, Value]) -> str:
        keys = row if self._keys is None else [key for key in self._keys if key in row]
        return f"<item>{''.join([self._element(key, row[key]) for key in keys])}</item>\n"

    def _element(self, key: str, value: Value) -> str:
        start, end = self._tag(key)
        return f"<{start}/>" if value is None else f"<{start}>{xml_text(text_of(value))}</{end}>"

    def _tag(self, key: str) -> tuple[str, str]:
        """The content of the start tag, and that of the end tag."""
        tag = self._tags.get(key)
        if tag is None:
            if _NAME.fullmatch(key):
                tag = (key, key)
            else:
                tag = (f"field name={quoteattr(without_forbidden(key))}", "field")
            if len(self._tags) < 1000:  # keys come from rows, so their number has no limit
                self._tags[key] = tag
        return tag


class HtmlWriter:
    """One table. The header shows labels, with the key as a tooltip."""

    def __init__(self, columns: list[Header], meta: ExportMeta) -> None:
        self._columns = columns
        self._read = TableReader([column.key for column in columns])
        self._title = meta.title

    def head(self) -> bytes:
        cells = "".join(
            f'<th title="{_html(c.key)}">{_html(c.label or c.key)}</th>' for c in self._columns
        )
        title = _html(self._title)
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n"
            f"<table>\n<thead><tr>{cells}</tr></thead>\n<tbody>\n"
        ).encode("utf-8", "replace")

    def page(self, block: RowBlock) -> bytes:
        lines = []
        if not self._columns:
            lines = [_line([])] * len(block)
        else:
            for columns in self._read.columns(block):
                lines += map(_line, zip(*map(_html_texts, columns), strict=True))
        return "".join(lines).encode("utf-8", "replace")

    def tail(self) -> bytes:
        return b"</tbody>\n</table></body></html>\n"


def _line(cells: Sequence[str]) -> str:
    return f"<tr><td>{'</td><td>'.join(cells)}</td></tr>\n" if cells else "<tr></tr>\n"


def _html_texts(column: Column) -> Sequence[str]:
    """The cells of a column. Most columns need no change, which one search in all texts shows."""
    texts = texts_of(column)
    joined = "".join(texts)
    if has_forbidden(joined):
        return list(map(_html, texts))
    return texts if escape(joined) == joined else list(map(escape, texts))


def _html(text: str) -> str:
    return escape(without_forbidden(text))
