"""RSS 2.0 with one item per row, for feed readers.

A feed has no columns, so a row's title and link come from members with common names, and all
members are listed in the description, which readers show as HTML.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from urllib.parse import quote

from fyke.domain.results.export.markup import XML_HEAD, xml_text
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.values import Value, read_row, text_of, without_forbidden
from fyke.domain.results.headers import data_id
from fyke.model.results import Header, RowBlock

_TITLES = ("title", "name", "headline")
_LINKS = ("link", "url", "href")
_TITLE_LENGTH = 200
_URL = ":/?#[]@!$&'()*+,;=%~"  # characters of an address that are not encoded


class RssWriter:
    """Writes one feed."""

    def __init__(self, columns: list[Header] | None, meta: ExportMeta) -> None:
        self._keys = None if columns is None else [column.key for column in columns]
        self._meta = meta
        self._date = format_datetime(datetime.fromtimestamp(meta.at / 1000, UTC), usegmt=True)

    def head(self) -> bytes:
        meta = self._meta
        link = meta.link or f"urn:fyke:run:{meta.run_id}"
        text = (
            '<rss version="2.0"><channel>\n'
            f"<title>{xml_text(meta.title)}</title><link>{xml_text(link)}</link>"
            f"<description>{xml_text(f'Results of run {meta.run_id}')}</description>"
            f"<lastBuildDate>{self._date}</lastBuildDate>\n"
        )
        return XML_HEAD + text.encode("utf-8", "replace")

    def page(self, block: RowBlock) -> bytes:
        items = map(self._item, block.positions, block.texts())
        return "".join(items).encode("utf-8", "replace")

    def tail(self) -> bytes:
        return b"</channel></rss>\n"

    def _item(self, position: int, data: bytes) -> str:
        members = read_row(data)
        selected = members
        if self._keys is not None:
            selected = {key: members[key] for key in self._keys if key in members}
        title = _first(selected, _TITLES) or f"Row {position}"
        link = _first(selected, _LINKS)
        parts = [f"<title>{xml_text(title[:_TITLE_LENGTH])}</title>"]
        if link.startswith(("http://", "https://")):
            parts.append(f"<link>{xml_text(quote(link, safe=_URL))}</link>")
        identity = data_id(self._meta.run_id, position)
        parts.append(f'<guid isPermaLink="false">{identity}</guid><pubDate>{self._date}</pubDate>')
        parts.append(f"<description>{xml_text(_description(selected))}</description>")
        return f"<item>{''.join(parts)}</item>\n"


def _first(members: dict[str, Value], names: tuple[str, ...]) -> str:
    """The first of the named members that has text, on one line."""
    for name in names:
        text = " ".join(without_forbidden(text_of(members.get(name))).split())
        if text:
            return text
    return ""


def _description(members: dict[str, Value]) -> str:
    return "".join(
        f"<p><b>{escape(key)}</b>: {escape(text_of(value))}</p>" for key, value in members.items()
    )
