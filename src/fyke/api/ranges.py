"""Reads ``Range`` and ``If-Range`` (RFC 9110, 14 and 13.1.5): one range of bytes or none."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes\s*=\s*(?P<first>[0-9]*)\s*-\s*(?P<last>[0-9]*)\s*", re.IGNORECASE)
_MAX_DIGITS = 18  # no file has that many bytes


class Unsatisfiable(Exception):
    """The range starts after the end of the file."""


def byte_range(range_header: str | None, size: int) -> tuple[int, int] | None:
    """Start and end (exclusive) of the requested part of ``size`` bytes.

    None for the whole file, when the header is absent or ignored: several ranges, another unit or a
    syntax error. Raises ``Unsatisfiable``.
    """
    match = _RANGE.fullmatch(range_header.strip()) if range_header else None
    if match is None:
        return None
    first, last = match["first"], match["last"]
    if not first and not last:
        return None
    if not first:
        length = min(_number(last), size)
        if not length:
            raise Unsatisfiable
        return size - length, size
    begin, end = _number(first), _number(last) + 1 if last else size
    if end <= begin and last:
        return None  # the last byte is before the first
    if begin >= size:
        raise Unsatisfiable
    return begin, min(end, size)


def is_current(if_range: str | None, tag: str) -> bool:
    """Whether a range may be sent, because the client has a part of the same file. A date or a weak
    tag does not prove that."""
    return if_range is None or if_range.strip() == tag


def _number(digits: str) -> int:
    return int(digits) if len(digits.lstrip("0")) <= _MAX_DIGITS else 10**_MAX_DIGITS
