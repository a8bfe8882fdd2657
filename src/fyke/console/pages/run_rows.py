"""The query for rows of a run, and the rows as a page shows them.

Long cells and rows are truncated and link to the full row, so that a cell of five megabytes or ten
thousand columns do not slow down the page.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import QueryParams

from fyke.domain.results.export.values import Nested, Number, read_row, text_of
from fyke.domain.results.query.model import MAX_FIELDS, Query, parse_query
from fyke.errors import InvalidFields
from fyke.model.results import Header, Row

SIZES = (50, 20, 10, 5, 2, 1)
PAGE_BYTES = 4 * 2**20  # of the rows of each page, estimated by the run's average
CELL_CHARS = 300
RECORD_CHARS = 2_000
JSON_CHARS = 20_000
OVERVIEW = 8  # columns
ALL = 40  # columns, when all are requested
CHOOSER = 200  # columns that the chooser lists
RECORD_FIELDS = 200
FORMS = ("table", "record", "json")


@dataclass(frozen=True, slots=True)
class RowsAddress:
    """The query of the output tab."""

    form: str = "table"
    page: int = 1
    sort: str = ""
    filters: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    every: bool = False
    wrap: bool = False
    failed: bool = False  # include the rows of Workers that failed

    @property
    def modified(self) -> bool:
        """Whether rows are sorted or filtered."""
        return bool(self.sort or self.filters)

    def query(self) -> Query:
        """The query for rows. Raise ``InvalidFields``."""
        return parse_query(sort=self.sort, filters=self.filters, failed_rows=self.failed)

    def pairs(self) -> list[tuple[str, str]]:
        pairs = [("form", self.form)] if self.form != "table" else []
        pairs += [("sort", self.sort)] if self.sort else []
        pairs += [("filter", item) for item in self.filters]
        pairs += [("col", column) for column in self.columns]
        pairs += [("pin", pin) for pin in self.pins]
        pairs += [("all", "1")] if self.every else []
        pairs += [("wrap", "1")] if self.wrap else []
        pairs += [("failed", "1")] if self.failed else []
        return pairs + ([("page", str(self.page))] if self.page > 1 else [])

    def with_(self, **changes: Any) -> str:
        """The query with changes, at the first page unless ``page`` is given."""
        changes.setdefault("page", 1)
        text = urlencode(replace(self, **changes).pairs())
        return f"?{text}" if text else "?"

    def sorted_by(self, key: str) -> str:
        """The query of a column header: ascending, then descending, then stored order."""
        following = {key: f"-{key}", f"-{key}": ""}.get(self.sort, key)
        return self.with_(sort=following)

    def pinned(self, key: str) -> str:
        rest = tuple(pin for pin in self.pins if pin != key)
        pins = rest if key in self.pins else (*self.pins, key)
        return self.with_(pins=pins, page=self.page)

    def without_filter(self, filter: str) -> str:
        return self.with_(filters=tuple(item for item in self.filters if item != filter))


def read(query: QueryParams) -> RowsAddress:
    """The address of these parameters. Invalid numbers and forms are ignored. ``field``, ``op`` and
    ``value`` are a new filter; the form without both has none.
    """
    filters = [item for item in query.getlist("filter") if item]
    field, value = query.get("field", ""), query.get("value", "")
    if query.get("op") and (field or value):
        filters.append(f"{field}:{query['op']}:{value}")
    form = query.get("form", "table")
    page = query.get("page", "1")
    columns = [item for item in query.getlist("col") if item]
    columns += [line.strip() for line in query.get("more", "").splitlines() if line.strip()]
    return RowsAddress(
        form=form if form in FORMS else "table",
        page=int(page) if page.isdecimal() and len(page) < 10 else 1,
        sort=query.get("sort", ""),
        filters=tuple(dict.fromkeys(filters)),
        columns=tuple(dict.fromkeys(columns))[:MAX_FIELDS],
        pins=tuple(dict.fromkeys(query.getlist("pin")))[:4],
        every=query.get("all") == "1",
        wrap=query.get("wrap") == "1",
        failed=query.get("failed") == "1",
    )


def page_size(rows: int, row_bytes: int) -> int:
    """The number of rows of a page, smaller for large rows."""
    average = max(1, row_bytes // max(1, rows))
    return next((size for size in SIZES if size * average <= PAGE_BYTES), 1)


@dataclass(frozen=True, slots=True)
class TableCell:
    """``kind`` is text, number, flag, nested, none or absent; ``length`` that of the full value."""

    text: str
    kind: str
    length: int
    link: str = ""

    @property
    def cut(self) -> bool:
        return self.length > len(self.text)


@dataclass(frozen=True, slots=True)
class Record:
    """A row as a page shows it. ``json`` is filled for the JSON form only."""

    position: int
    cells: list[tuple[str, TableCell]]
    more: int = 0  # number of fields that are not shown
    json: str = ""
    json_length: int = 0


def columns_of(address: RowsAddress, headers: Sequence[Header]) -> list[Header]:
    """Pinned columns first, then the requested ones or the first few."""
    known = {header.key: header for header in headers}
    if address.columns:
        requested = [known.get(key) or Header(key, key, "text") for key in address.columns]
    else:
        requested = list(headers[: ALL if address.every else OVERVIEW])
    pins = [known.get(key) or Header(key, key, "text") for key in address.pins]
    names = {pin.key for pin in pins}
    return [*pins, *(header for header in requested if header.key not in names)]


def records(rows: Iterable[Row], form: str, columns: Sequence[Header]) -> list[Record]:
    """The rows for a page. Call it in a thread, because rows may be large."""
    if form == "json":
        return [_as_json(row) for row in rows]
    if form == "record":
        return [record(row, RECORD_CHARS) for row in rows]
    table_rows = []
    for row in rows:
        values = read_row(row.data)
        cells = [(column.key, _cell(values, column.key, CELL_CHARS)) for column in columns]
        table_rows.append(Record(row.position, cells))
    return table_rows


def record(row: Row, chars: int) -> Record:
    """Field by field, in the order of the row."""
    values = read_row(row.data)
    names = list(values)[:RECORD_FIELDS]
    cells = [(name, _cell(values, name, chars)) for name in names]
    return Record(row.position, cells, more=len(values) - len(names))


def number_columns(rows: Iterable[Record]) -> set[str]:
    """The columns of a table that have numbers and no other values."""
    kinds: dict[str, set[str]] = {}
    for row in rows:
        for key, cell in row.cells:
            kinds.setdefault(key, set()).add(cell.kind)
    return {key for key, found in kinds.items() if found - {"none", "absent"} == {"number"}}


def has_more_columns(rows: Sequence[Record], seen: int) -> bool:
    """Whether the rows of a table after the first ``seen`` have columns that those do not have."""
    shown = {key for row in rows[:seen] for key, cell in row.cells if cell.kind != "absent"}
    more = {key for row in rows[seen:] for key, cell in row.cells if cell.kind != "absent"}
    return not more <= shown


def _as_json(row: Row) -> Record:
    short = len(row.data) <= JSON_CHARS
    text = pretty(row.data) if short else row.data.decode("utf-8", "replace")
    return Record(row.position, [], json=text[:JSON_CHARS], json_length=len(text))


def pretty(data: bytes) -> str:
    """JSON with line breaks, numbers digit for digit; invalid JSON is unchanged."""
    with contextlib.suppress(msgspec.DecodeError, RecursionError):
        data = msgspec.json.format(data, indent=2)
    return data.decode("utf-8", "replace")


def _cell(values: Mapping[str, Any], key: str, chars: int) -> TableCell:
    if key not in values:
        return TableCell("", "absent", 0)
    value = values[key]
    text = text_of(value)
    kind = _kind(value)
    link = ""
    if kind == "text" and text.startswith(("http://", "https://")) and len(text) <= 2_000:
        link = text if not any(c.isspace() for c in text) else ""
    return TableCell(text[:chars], kind, len(text), link)


def _kind(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | Number):
        return "number"
    return "nested" if isinstance(value, Nested) else "text"


def whole_value(row: Row, key: str) -> str:
    """A full value as text. Raise ``InvalidFields`` when the row has no field ``key``."""
    values = read_row(row.data)
    if key not in values:
        raise InvalidFields("this row has no field of that name", field="field")
    return text_of(values[key])
