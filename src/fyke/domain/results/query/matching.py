"""Matches rows against filters.

A filter's value has no type of its own. It is compared with a stored number as a number when it is
one, with stored text as text, and with ``true``, ``false`` and ``null`` by name; in JSON quotes it
is always text. Arrays and objects equal nothing. ``ne`` is the opposite of ``eq``, so it matches a
row without the field; all other operators need the field. ``contains`` searches for a part of a
text, or for one element of an array.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from fyke.domain.results.query.model import Filter
from fyke.domain.results.query.ordering import number_key
from fyke.domain.results.query.picker import Picker

Test = Callable[[bytes | None], bool]
Matcher = Callable[[bytes], bool]

_text = msgspec.json.Decoder(str).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LITERALS = (b"null", b"true", b"false")


def matcher_of(filters: Sequence[Filter]) -> Matcher:
    """A function that returns whether a row, as JSON text, matches all ``filters``."""
    pick = Picker([item.field for item in filters])
    tests = [_test(item) for item in filters]

    def matches(data: bytes) -> bool:
        return all(test(token) for test, token in zip(tests, pick(data), strict=True))

    return matches


class _FilterValue:
    """A filter's value in the forms in which it is compared: as text, as the key of a number
    (empty if it is not a number) and as a literal (empty if it is not one of ``_LITERALS``).
    """

    def __init__(self, value: str) -> None:
        self.text, self.number, self.literal = value, b"", b""
        try:
            self.text = _text(value.encode()) if value[:1] == '"' else value
        except (msgspec.DecodeError, UnicodeError):
            self.text = value  # it starts with a quotation mark, but is not a JSON string
        if self.text == value:
            if _NUMBER.fullmatch(value):
                self.number = number_key(value.encode())
            if value.encode("utf-8", "replace") in _LITERALS:
                self.literal = value.encode()

    def equals(self, token: bytes) -> bool:
        first = token[:1]
        if first == b'"':
            return _text(token) == self.text
        if _is_number(first):
            return bool(self.number) and number_key(token) == self.number
        return bool(self.literal) and token == self.literal

    def compare(self, token: bytes) -> int | None:
        """-1, 0 or 1 when the stored value is less than, equal to or greater than this one; None
        when they cannot be compared.
        """
        if token[:1] == b'"':
            text = _text(token)
            return (text > self.text) - (text < self.text)
        if self.number and _is_number(token[:1]):
            key = number_key(token)
            return (key > self.number) - (key < self.number)
        return None

    def is_contained_in(self, token: bytes) -> bool:
        if token[:1] == b'"':
            return self.text in _text(token)
        if token[:1] == b"[":
            return any(self.equals(bytes(element)) for element in _elements(token))
        return False


def _is_number(first: bytes) -> bool:
    return first == b"-" or first.isdigit()


_COMPARISONS = {"lt": (-1,), "le": (-1, 0), "gt": (1,), "ge": (0, 1)}  # accepted results


def _test(filter: Filter) -> Test:
    if filter.operator == "exists":
        exists = filter.value == "true"
        return lambda token: (token is not None) == exists
    value = _FilterValue(filter.value)
    if filter.operator == "eq":
        return lambda token: token is not None and value.equals(token)
    if filter.operator == "ne":
        return lambda token: token is None or not value.equals(token)
    if filter.operator == "contains":
        return lambda token: token is not None and value.is_contained_in(token)
    accepted = _COMPARISONS[filter.operator]
    return lambda token: token is not None and value.compare(token) in accepted
