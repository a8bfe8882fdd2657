"""Chooses the columns of an export.

A table needs all of its columns before its first row, but rows may have keys that no header names.
So the rows are read once for their keys and again for their data: that takes memory only for the
keys, whose number is limited. The keys of an ended run are kept for its other exports, and those of
rows in a file were noted when it was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import msgspec

from fyke.domain.results.export.formats import FORMATS, ExportFormat
from fyke.errors import InvalidRequest
from fyke.kit.members import Keys
from fyke.model.results import Header, RowBlock

Walk = Callable[[], AsyncGenerator[RowBlock, None]]  # each call begins at the first row

_members = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


async def choose_columns(
    format: ExportFormat, headers: list[Header], filter_keys: Sequence[str], walk: Walk | None
) -> list[Header] | None:
    """Return the columns in their order; None when each row may have its own keys.

    ``filter_keys`` selects and orders the columns; keys that occur neither in a header nor in a row
    are ignored. ``walk`` is None when all keys of rows have a header. If no key remains, or
    ``filter_keys`` is empty, a table has the headers followed by the other keys of rows in the
    order of their first occurrence. Raises ``InvalidRequest`` when the format does not allow so
    many columns.
    """
    keys = list(dict.fromkeys(key for key in filter_keys if key))
    if keys:
        columns = await _filtered(headers, keys, walk)
        if columns:
            check_number(format, len(columns))
            _check_keys(format, sum(len(column.key) for column in columns))
            return columns
    if not format.max_columns:
        return None
    return await _all(format, headers, walk)


async def _filtered(headers: list[Header], keys: list[str], walk: Walk | None) -> list[Header]:
    by_key = {header.key: header for header in headers}
    without_header = {key for key in keys if key not in by_key}
    if without_header and walk is not None:
        occurring = await _occurring(without_header, walk)
        by_key |= {key: _header(key) for key in occurring}
    return [by_key[key] for key in keys if key in by_key]


async def _occurring(keys: set[str], walk: Walk) -> set[str]:
    """The ``keys`` that occur in any row; stops when all have been found."""
    occurring: set[str] = set()
    async with aclosing(walk()) as blocks:
        async for block in blocks:
            occurring |= await asyncio.to_thread(_keys_in, block, keys - occurring)
            if occurring == keys:
                break
    return occurring


def _keys_in(block: RowBlock, keys: set[str]) -> set[str]:
    occurring: set[str] = set()
    for members in _members(block.data):
        occurring |= keys & members.keys()
    return occurring


async def _all(format: ExportFormat, headers: list[Header], walk: Walk | None) -> list[Header]:
    columns = _Columns(headers)
    check_number(format, len(columns.by_key))
    _check_keys(format, columns.characters)
    if walk is None:
        return list(columns.by_key.values())
    async with aclosing(walk()) as blocks:
        async for block in blocks:
            await asyncio.to_thread(columns.add, block)
            check_number(format, len(columns.by_key))
            _check_keys(format, columns.characters)
    return list(columns.by_key.values())


class _Columns:
    """Columns by key: the headers, then the other keys of rows as they are added."""

    def __init__(self, headers: list[Header]) -> None:
        self.by_key = {header.key: header for header in headers}
        self.characters = sum(map(len, self.by_key))  # of all keys
        self._keys = Keys(self.by_key)

    def add(self, block: RowBlock) -> None:
        for _, key in self._keys.add(block.data):
            self.by_key[key] = _header(key)
            self.characters += len(key)


def with_keys(headers: list[Header], keys: Sequence[str]) -> list[Header]:
    """The headers and then the other ``keys``, as columns."""
    known = {header.key for header in headers}
    return headers + [_header(key) for key in keys if key not in known]


def _header(key: str) -> Header:
    return Header(label=key, key=key, format="text")


def check_number(format: ExportFormat, columns: int) -> None:
    """Raises ``InvalidRequest`` when the format does not allow so many columns."""
    if format.max_columns and columns > format.max_columns:
        wider = [other.name for other in FORMATS.values() if other.max_columns >= columns]
        raise InvalidRequest(
            f"{format.name} allows at most {format.max_columns:,} columns and this run has more",
            remedy="name the ones you need in filter_keys, or choose "
            f"{', '.join([*wider, 'json'])} or jsonl",
            field="format",
        )


def _check_keys(format: ExportFormat, characters: int) -> None:
    """Raises ``InvalidRequest`` when the keys are too long together for the format."""
    if format.max_columns and characters > format.max_key_characters:
        wider = [
            other.name
            for other in FORMATS.values()
            if other.max_columns >= format.max_columns and other.max_key_characters >= characters
        ]
        raise InvalidRequest(
            f"{format.name} allows at most {format.max_key_characters:,} characters in the names "
            "of all columns and this run has more",
            remedy="name the columns you need in filter_keys, or "
            f"choose {', '.join([*wider, 'json'])} or jsonl",
            field="format",
        )
