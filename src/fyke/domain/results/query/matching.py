"""Matches rows against filters.

A filter's value has no type of its own. It is compared with a stored number as a number when it is
one, with stored text as text, and with ``true``, ``false`` and ``null`` by name; in JSON quotes it
is always text. Arrays and objects equal nothing. ``ne`` is the opposite of ``eq``, so it matches a
row without the field; all other operators need the field. ``contains`` searches for a part of a
text, or for one element of an array.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from fyke.domain.results.query.model import Filter
from fyke.domain.results.query.ordering import Exact, Value, comparable, number_key, read_values
from fyke.domain.results.query.picker import Column

Matcher = Callable[[Sequence[Column]], list[bool]]
_Test = Callable[[Column], list[bool]]

_text = msgspec.json.Decoder(str).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LITERALS = ("null", "true", "false")


def matcher_of(filters: Sequence[Filter]) -> Matcher:
    """A function from the columns of the filters' fields to whether each row matches them all."""
    tests = [_test(item) for item in filters]

    def matches(columns: Sequence[Column]) -> list[bool]:
        results = [test(column) for test, column in zip(tests, columns, strict=True)]
        return list(map(all, zip(*results, strict=True)))

    return matches


def _test(filter: Filter) -> _Test:
    if filter.operator == "exists":
        exists = filter.value == "true"
        return lambda column: [(token is not None) == exists for token in column]
    if filter.operator == "contains":
        return _contains(filter.value)
    return _comparison(filter.operator, filter.value)


def _comparison(name: str, wanted: str) -> _Test:
    compare: Callable[[Any, Any], bool] = getattr(operator, name)
    text, number, token_of_literal = _forms(wanted)
    nearest = math.nan if number is None else float(wanted)
    without = name == "ne"

    def rare(value: Value, token: msgspec.Raw) -> bool:
        """Numbers that are or round to the same float, and what is neither number nor text."""
        if number is not None and isinstance(value, float | tuple):
            key = value if isinstance(value, tuple) else number_key(value, bytes(token))
            return compare(comparable((key,))[0], number)
        if name in ("eq", "ne"):
            return compare(bytes(token), token_of_literal)
        return False

    def test(column: Column) -> list[bool]:
        # every number is different from NaN and not less or greater, like any value that is none
        return [
            without
            if token is None
            else compare(value, text)
            if type(value) is str
            else compare(value, nearest)
            if type(value) is float and value != nearest
            else rare(value, token)
            for value, token in zip(read_values(column), column, strict=True)
        ]

    return test


def _contains(wanted: str) -> _Test:
    equals, text = _comparison("eq", wanted), _forms(wanted)[0]

    def test(column: Column) -> list[bool]:
        return [
            text in value
            if isinstance(value, str)
            else isinstance(value, bytes)
            and value[:1] == b"["
            and any(equals([element])[0] for element in _elements(value))
            for value in read_values(column)
        ]

    return test


def _forms(wanted: str) -> tuple[str, Exact | None, bytes]:
    """A filter's value in the forms in which it is compared: as text, as the key of a number and as
    the token of a literal; None and empty when it is none.
    """
    try:
        text = _text(wanted.encode()) if wanted[:1] == '"' else wanted
    except (msgspec.DecodeError, UnicodeError):
        text = wanted  # it starts with a quotation mark, but is not a JSON string
    number = None
    if _NUMBER.fullmatch(wanted):
        (number,) = comparable((number_key(float(wanted), wanted.encode()),))
    return text, number, wanted.encode() if wanted in _LITERALS else b""
