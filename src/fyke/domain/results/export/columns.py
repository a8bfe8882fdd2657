"""Chooses the columns of an export.

A table needs all of its columns before its first row, but rows may have keys that no header names.
So the rows are read once for their keys and again for their data: that takes memory only for the
keys, whose number is limited.
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
    """Return the columns in their order; None when each row may have its own keys.

    ``filter_keys`` selects and orders the columns; keys that occur neither in a header nor in a row
    are ignored. If no key remains, or ``filter_keys`` is empty, a table has the headers followed by
    the other keys of rows in the order of their first occurrence. Raises ``InvalidRequest`` when
    the format does not allow so many columns.
    """
    keys = list(dict.fromkeys(key for key in filter_keys if key))
    if keys:
        columns = await _filtered(headers, keys, walk)
        if columns:
            check_number(format, len(columns))
            return columns
    if not format.max_columns:
        return None
    return await _all(format, headers, walk)


async def _filtered(headers: list[Header], keys: list[str], walk: Walk) -> list[Header]:
    by_key = {header.key: header for header in headers}
    without_header = {key for key in keys if key not in by_key}
    if without_header:
        occurring = await _occurring(without_header, walk)
        by_key |= {key: _header(key) for key in occurring}
    return [by_key[key] for key in keys if key in by_key]


async def _occurring(keys: set[str], walk: Walk) -> set[str]:
    """The ``keys`` that occur in any row; stops when all have been found."""
    occurring: set[str] = set()
    async with aclosing(walk()) as pages:
        async for rows in pages:
            occurring |= await asyncio.to_thread(_keys_in, rows, keys - occurring)
            if occurring == keys:
                break
    return occurring


def _keys_in(rows: list[Row], keys: set[str]) -> set[str]:
    occurring: set[str] = set()
    for row in rows:
        occurring |= keys & _members(row.data).keys()
    return occurring


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
