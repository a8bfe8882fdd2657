"""The page in a query of v2 that has no other parameter."""

from __future__ import annotations

from typing import NamedTuple

from fyke.wire.fields import FieldError
from fyke.wire.v2.fields import DEFAULT_LIMIT, to_limit, to_offset

_NAMES = (b"offset", b"limit")
_DIGITS = 9


class PageNumbers(NamedTuple):
    """The number of a page, from 1, and the number of its entries."""

    number: int
    size: int


def page_in(query: bytes) -> PageNumbers | None:
    """The page; None for a query that has anything but each of ``_NAMES`` once, in digits."""
    numbers: dict[bytes, int] = {}
    for part in query.split(b"&") if query else ():
        name, _, text = part.partition(b"=")
        if name not in _NAMES or name in numbers or not text.isdigit() or len(text) > _DIGITS:
            return None
        numbers[name] = int(text)
    try:
        return PageNumbers(
            to_offset(numbers.get(b"offset", 1)), to_limit(numbers.get(b"limit", DEFAULT_LIMIT))
        )
    except FieldError:
        return None
