"""Reads JSON typed by users: strictly, with errors that have line and column."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from fyke.domain.workers.jsontext import MAX_DIGITS

MAX_TEXT = 8 * 2**20
MAX_DEPTH = 64

_HINTS = {
    "Expecting property name enclosed in double quotes": (
        "a key in double quotes is expected here; remove a trailing comma, "
        'or write the key as "key"'
    ),
    "Illegal trailing comma before end of object": "remove the comma after the last value",
    "Illegal trailing comma before end of array": "remove the comma after the last value",
    "Expecting ',' delimiter": "a comma is missing between two values, or a closing bracket",
    "Expecting ':' delimiter": "a colon is missing between a key and its value",
    "Expecting value": (
        "a value is expected here; text needs double quotes, except true, false and null"
    ),
    "Extra data": "the JSON ends before this position; remove the rest",
    "Unterminated string starting at": "the text that begins here has no closing quote",
    "Invalid control character at": "a line break or tab in text is written as \\n or \\t",
    "Invalid \\escape": "a backslash in text is written as \\\\",
}


class JsonViewError(ValueError):
    """The text is not usable JSON; line and column are 1-based, 0 = unknown."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def read_json(text: str) -> Any:
    """Return the value, integers with all digits. Raise ``JsonViewError``."""
    if len(text) > MAX_TEXT:
        raise JsonViewError(f"the JSON must have at most {MAX_TEXT:,} characters; shorten it")
    text = text.removeprefix("\ufeff")
    try:
        value = json.loads(
            text,
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_without_duplicate_keys,
        )
    except json.JSONDecodeError as error:
        hint = _HINTS.get(error.msg, error.msg)
        raise JsonViewError(
            f"line {error.lineno}, column {error.colno}: {hint}", error.lineno, error.colno
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except JsonViewError:
        raise
    except ValueError:  # the only other cause is an integer with too many digits
        rule = f"a number has more than {MAX_DIGITS:,} digits; shorten it, or write it as text"
        raise JsonViewError(rule) from None
    _check(value)
    return value


def _no_constant(name: str) -> NoReturn:
    raise JsonViewError(f"{name} is not a JSON value; write null or a number")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise JsonViewError(f"the number {digits[:20]} is too large; give a smaller one")
    return number


def _without_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JsonViewError(
                    f'the key "{key[:80]}" occurs twice in one object; remove one of them'
                )
            seen.add(key)
    return members


def _too_deep() -> JsonViewError:
    return JsonViewError(f"the JSON is nested deeper than {MAX_DEPTH} levels; reduce the nesting")


def _check(value: Any) -> None:
    """Refuse values that are nested too deep, and text that cannot be encoded."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH + 1:
            raise _too_deep()
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, str) and not item.isascii():
                _check_text(item)
        level = below


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise JsonViewError(
            "a \\u escape is half of a surrogate pair; write the character itself"
        ) from None
