"""Exports in tests: rows from values, and files from streams."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from fyke.domain.results.export.column_types import ColumnTypes
from fyke.domain.results.export.formats import FORMATS, write
from fyke.domain.results.export.meta import ExportMeta
from fyke.model.results import Header, Row, RowBlock

RUN = "01KSFDS8XWTJME33C08XMCR6B9"


def rows_of(*values: dict[str, Any] | bytes) -> list[Row]:
    """Rows from values or from JSON bytes."""
    data = [v if isinstance(v, bytes) else dump(v) for v in values]
    return [Row(RUN, position, "a", text) for position, text in enumerate(data, 1)]


def block_of(rows: Sequence[Row]) -> RowBlock:
    return RowBlock.of([row.position for row in rows], [row.data for row in rows])


def dump(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def headers(*keys: str) -> list[Header]:
    return [Header(label=key.title(), key=key, format="text") for key in keys]


def keys_of(rows: Iterable[Row]) -> list[Header]:
    """Headers for all keys, in the order of an export."""
    return headers(*dict.fromkeys(key for row in rows for key in json.loads(row.data)))


async def in_pages(rows: Sequence[Row], size: int = 2) -> AsyncIterator[RowBlock]:
    for start in range(0, len(rows), size):
        yield block_of(rows[start : start + size])


async def exported(
    name: str,
    rows: Sequence[Row],
    columns: list[Header] | None = None,
    *,
    page: int = 2,
    **meta: Any,
) -> bytes:
    """Return the content of the file. By default tables have all keys as columns."""
    export_format = FORMATS[name]
    if columns is None and export_format.max_columns:
        columns = keys_of(rows)
        if name == "parquet":
            types = ColumnTypes(columns)
            types.add(block_of(rows))
            columns = types.headers()
    export_meta = ExportMeta(**{"run_id": RUN, "title": "Prices", "at": 1773383784438, **meta})
    chunks = write(export_format, columns, in_pages(rows, page), export_meta)
    return b"".join([chunk async for chunk in chunks])
