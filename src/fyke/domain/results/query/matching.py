"""Whether a row meets a filter.

A filter's value has no type of its own. It is compared with a stored number as a number when it
is one, with a stored text as text, and with ``true``, ``false`` and ``null`` by name; in JSON
quotes it is text and nothing else. Arrays and objects equal nothing. ``ne`` is the opposite of
``eq``, so a row without the field meets it; every other operator needs the field. ``contains``
looks for a part of a text, or for one element of an array.
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
_WORDS = (b"null", b"true", b"false")


def matcher_of(filters: Sequence[Filter]) -> Matcher:
    """Whether a row, given as its JSON text, meets all of them."""
    pick = Picker([each.field for each in filters])
    tests = [_test(each) for each in filters]

    def matches(data: bytes) -> bool:
        return all(test(token) for test, token in zip(tests, pick(data), strict=True))

    return matches


class _MatchedValue:
    """A filter's value in each of the forms in which it may be compared."""

    def __init__(self, written: str) -> None:
        self.text, self.number, self.word = written, b"", b""
        try:
            self.text = _text(written.encode()) if written[:1] == '"' else written
        except (msgspec.DecodeError, UnicodeError):
            self.text = written  # a quotation mark that is just the first character
        if self.text == written:
            if _NUMBER.fullmatch(written):
                self.number = number_key(written.encode())
            if written.encode("utf-8", "replace") in _WORDS:
                self.word = written.encode()

    def equals(self, token: bytes) -> bool:
        first = token[:1]
        if first == b'"':
            return _text(token) == self.text
        if _is_number(first):
            return bool(self.number) and number_key(token) == self.number
        return bool(self.word) and token == self.word

    def compare(self, token: bytes) -> int | None:
        """Whether the stored value is before (-1), equal (0) or after this one; None: neither."""
        if token[:1] == b'"':
            own = _text(token)
            return (own > self.text) - (own < self.text)
        if self.number and _is_number(token[:1]):
            key = number_key(token)
            return (key > self.number) - (key < self.number)
        return None

    def within(self, token: bytes) -> bool:
        if token[:1] == b'"':
            return self.text in _text(token)
        if token[:1] == b"[":
            return any(self.equals(bytes(element)) for element in _elements(token))
        return False


def _is_number(first: bytes) -> bool:
    return first == b"-" or first.isdigit()


_SIDES = {"lt": (-1,), "le": (-1, 0), "gt": (1,), "ge": (0, 1)}


def _test(wanted: Filter) -> Test:
    if wanted.operator == "exists":
        there = wanted.value == "true"
        return lambda token: (token is not None) == there
    value = _MatchedValue(wanted.value)
    if wanted.operator == "eq":
        return lambda token: token is not None and value.equals(token)
    if wanted.operator == "ne":
        return lambda token: token is None or not value.equals(token)
    if wanted.operator == "contains":
        return lambda token: token is not None and value.within(token)
    sides = _SIDES[wanted.operator]
    return lambda token: token is not None and value.compare(token) in sides
