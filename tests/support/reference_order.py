"""A slow reference implementation of filters and sorting."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import cmp_to_key
from typing import Any

from fyke.model.results import Row

MISSING = object()
_CUT = 512


class Number(str):
    """The digits of a number that is not an integer."""


def load(data: bytes) -> Any:
    return json.loads(data, parse_float=Number)


def value_at(row: Any, field: str) -> Any:
    """The member named ``field``, or else the member at that dotted path."""
    if field in row:
        return row[field]
    for part in field.split("."):
        if not isinstance(row, dict) or part not in row:
            return MISSING
        row = row[part]
    return row


def is_number(value: Any) -> bool:
    return isinstance(value, int | Number) and not isinstance(value, bool)


def exact(value: Any) -> Fraction:
    return Fraction(value) if isinstance(value, int) else Fraction(str(value))


def rank(value: Any) -> int:
    if value is None:
        return 1
    if isinstance(value, bool):
        return 2
    if is_number(value):
        return 3
    if isinstance(value, str):
        return 4
    return 5 if isinstance(value, list) else 6


def compare(left: Any, right: Any) -> int:
    if rank(left) != rank(right):
        return rank(left) - rank(right)
    if is_number(left):
        left, right = exact(left), exact(right)
    elif isinstance(left, str):
        left, right = left.encode()[:_CUT], right.encode()[:_CUT]
    elif isinstance(left, list | dict):
        left, right = text(left)[:_CUT], text(right)[:_CUT]
    elif left is None:
        return 0
    return (left > right) - (left < right)


def text(value: Any) -> bytes:
    """Compact JSON, with numbers as they were written."""
    if isinstance(value, Number):
        return value.encode()
    if isinstance(value, dict):
        parts = [
            json.dumps(k, ensure_ascii=False).encode() + b":" + text(v) for k, v in value.items()
        ]
        return b"{" + b",".join(parts) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(text, value)) + b"]"
    return json.dumps(value, ensure_ascii=False).encode()


def ordered(rows: list[Row], field: str, *, descending: bool) -> list[int]:
    """Positions sorted by the field: ties by position, rows without the field last."""
    pairs = [(value_at(load(row.data), field), row.position) for row in rows]
    present = [pair for pair in pairs if pair[0] is not MISSING]
    sign = -1 if descending else 1

    def compare_pairs(a: Any, b: Any) -> int:
        return sign * compare(a[0], b[0]) or a[1] - b[1]

    present.sort(key=cmp_to_key(compare_pairs))
    return [p for _, p in present] + [p for value, p in pairs if value is MISSING]


def meets(data: bytes, field: str, operator: str, operand: str) -> bool:
    value = value_at(load(data), field)
    if operator == "exists":
        return (value is not MISSING) == (operand == "true")
    if operator == "ne":
        return value is MISSING or not equal(value, operand)
    if value is MISSING:
        return False
    if operator == "eq":
        return equal(value, operand)
    if operator == "contains":
        if isinstance(value, list):
            return any(equal(element, operand) for element in value)
        return is_text(value) and plain(operand) in value
    order = comparison(value, operand)
    return (
        order is not None
        and {"lt": order < 0, "le": order <= 0, "gt": order > 0, "ge": order >= 0}[operator]
    )


def is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)


def plain(operand: str) -> str:
    inner = quoted(operand)
    return operand if inner is None else inner


def quoted(operand: str) -> str | None:
    try:
        inner = json.loads(operand)
    except ValueError:
        return None
    return inner if is_text(inner) and operand.startswith('"') else None


def number(operand: str) -> Any:
    if quoted(operand) is not None or operand.strip() != operand:
        return None
    try:
        inner = json.loads(operand, parse_float=Number, parse_constant=lambda name: None)
    except ValueError:
        return None
    return inner if is_number(inner) else None


def equal(value: Any, operand: str) -> bool:
    if is_text(value):
        return value == plain(operand)
    if is_number(value):
        other = number(operand)
        return other is not None and exact(value) == exact(other)
    if value is None or isinstance(value, bool):
        return operand == {None: "null", True: "true", False: "false"}[value]
    return False


def comparison(value: Any, operand: str) -> int | None:
    if is_text(value):
        other = plain(operand)
        return (value > other) - (value < other)
    if is_number(value) and (other := number(operand)) is not None:
        return (exact(value) > exact(other)) - (exact(value) < exact(other))
    return None
