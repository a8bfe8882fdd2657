"""Which columns an export has.

A table needs all of its columns before its first row, but rows may have keys that no header names.
So the rows are read once for their keys and a second time for their data: twice the reading, but
memory only for the keys, whose number is limited.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import msgspec

from fyke.domain.results.export.formats import ExportFormat
from fyke.errors import InvalidRequest
from fyke.model.results import Header, Row

Walk = Callable[[], AsyncGenerator[list[Row], None]]  # each call begins at the first row

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


async def choose_columns(
    format: ExportFormat, headers: list[Header], filter_keys: Sequence[str], walk: Walk
) -> list[Header] | None:
    """Return the columns in their order; None when every row may keep its own keys.

    ``filter_keys`` chooses and orders; keys that neither a header nor a row knows are ignored,
    and when that leaves none it is as if none had been given. Without it, a table has the headers
    followed by the further keys of rows in the order first seen. Raises ``InvalidRequest``
    when the format does not allow so many.
    """
    wanted = list(dict.fromkeys(key for key in filter_keys if key))
    if wanted:
        chosen = await _chosen(headers, wanted, walk)
        if chosen:
            check_number(format, len(chosen))
            return chosen
    if not format.max_columns:
        return None
    return await _all(format, headers, walk)


async def _chosen(headers: list[Header], wanted: list[str], walk: Walk) -> list[Header]:
    known = {header.key: header for header in headers}
    missing = {key for key in wanted if key not in known}
    if missing:
        found = await _find(missing, walk)
        known |= {key: _header(key) for key in found}
    return [known[key] for key in wanted if key in known]


async def _find(missing: set[str], walk: Walk) -> set[str]:
    """Those of the missing keys that occur in a row; stops as soon as all are found."""
    found: set[str] = set()
    async with aclosing(walk()) as pages:
        async for rows in pages:
            found |= await asyncio.to_thread(_held, missing - found, rows)
            if found == missing:
                break
    return found


def _held(wanted: set[str], rows: list[Row]) -> set[str]:
    held: set[str] = set()
    for row in rows:
        if not wanted.isdisjoint(keys := _members(row.data).keys()):
            held |= wanted & keys
    return held


async def _all(format: ExportFormat, headers: list[Header], walk: Walk) -> list[Header]:
    columns = {header.key: header for header in headers}
    check_number(format, len(columns))
    async with aclosing(walk()) as pages:
        async for rows in pages:
            await asyncio.to_thread(_add_keys, columns, rows)
            check_number(format, len(columns))
    return list(columns.values())


def _add_keys(columns: dict[str, Header], rows: list[Row]) -> None:
    for row in rows:
        for key in _members(row.data):
            if key not in columns:
                columns[key] = _header(key)


def _header(key: str) -> Header:
    return Header(label=key, key=key, format="text")


def check_number(format: ExportFormat, columns: int) -> None:
    """Raises ``InvalidRequest`` when the format does not allow so many columns."""
    if format.max_columns and columns > format.max_columns:
        raise InvalidRequest(
            f"{format.name} allows at most {format.max_columns:,} columns and this run has "
            "more; name the ones you need in filter_keys, or choose json or jsonl",
            field="format",
        )
