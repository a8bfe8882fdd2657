"""The types of the columns of a Parquet file, which has one for all values of a column.

A column of whole numbers that fit into 64 bits is ``int64``; of numbers that a float of 64 bits
keeps, ``double``; of truth values, ``boolean``; of texts, ``text``. Every other column is ``json``:
the JSON text of each value, so that nothing is rounded, and the text "1" is not the number 1.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from itertools import compress
from types import NoneType

import msgspec

from fyke.domain.results.export.values import Column, Nested, Number, TableReader
from fyke.domain.results.query.ordering import exact_number
from fyke.errors import Unavailable
from fyke.model.results import Header, RowBlock

INT64, DOUBLE, BOOLEAN, TEXT, JSON = "int64", "double", "boolean", "text", "json"

_EXACT_INTEGERS = 2**53  # all below are floats
_EXACT_CHARS = 15  # a number of so many digits without an exponent is that of its float
_BITS = {bool: 1, str: 2, int: 4}
_LARGE, _NUMBER, _OTHER = 8, 16, 32
_TYPES = {
    0: TEXT,
    1: BOOLEAN,
    2: TEXT,
    4: INT64,
    4 | _LARGE: INT64,
    _NUMBER: DOUBLE,
    4 | _NUMBER: DOUBLE,
}
_encode = msgspec.json.Encoder().encode


class ColumnTypes:
    """The types of ``columns``, which become more general with the rows that are added."""

    def __init__(self, columns: Sequence[Header]) -> None:
        self._columns = columns
        self._read = TableReader([column.key for column in columns])
        self._found = [0] * len(columns)  # bits of what has occurred

    def add(self, block: RowBlock) -> None:
        if self._columns:
            for columns in self._read.columns(block):
                self._found = [
                    found if found >= _OTHER else found | _kinds(column)
                    for found, column in zip(self._found, columns, strict=True)
                ]

    def headers(self) -> list[Header]:
        """The columns with their type as the format."""
        return [
            replace(column, format=_TYPES.get(found, JSON))
            for column, found in zip(self._columns, self._found, strict=True)
        ]


async def unchanged(
    blocks: AsyncGenerator[RowBlock, None], types: ColumnTypes, last: int
) -> AsyncGenerator[RowBlock, None]:
    """The rows of an active run at positions up to ``last``, from which ``types`` were made. Raises
    ``Unavailable`` when an upsert has changed the type of a column.
    """
    before = types.headers()

    def checked(block: RowBlock) -> RowBlock:
        kept = [position <= last for position in block.positions]
        if not all(kept):
            block = RowBlock.of(compress(block.positions, kept), compress(block.texts(), kept))
        types.add(block)
        if types.headers() != before:
            raise Unavailable(
                "A row was changed while the file was written. Start the export again"
            )
        return block

    async for block in blocks:
        if some := await asyncio.to_thread(checked, block):
            yield some


def _kinds(column: Column) -> int:
    found = 0
    for kind in set(map(type, column)):
        if kind is int:
            found |= _integers([value for value in column if type(value) is int])
        elif kind is Number:
            numbers = [value for value in column if type(value) is Number]
            found |= _NUMBER if all_exact(numbers) else _OTHER
        elif kind is not NoneType:
            found |= _OTHER if kind is Nested else _BITS[kind]
    return found


def _integers(values: list[int]) -> int:
    lowest, highest = min(values), max(values)
    if lowest < -(2**63) or highest >= 2**63:
        return _OTHER
    large = lowest < -_EXACT_INTEGERS or highest > _EXACT_INTEGERS
    return _BITS[int] | (_LARGE if large else 0)


def all_exact(numbers: Sequence[str]) -> bool:
    """Whether each number is the shortest decimal of its float, so that it can be read again."""
    joined = ",".join(numbers)
    short = 0 if "e" in joined or "E" in joined else _EXACT_CHARS
    if max(map(len, numbers)) <= short:
        return True
    floats = list(map(float, numbers))
    if _encode(floats)[1:-1] == joined.encode():
        return True
    return all(
        len(number) <= short
        or (
            math.isfinite(value)
            and exact_number(number.encode()) == exact_number(repr(value).encode())
        )
        for number, value in zip(numbers, floats, strict=True)
    )
