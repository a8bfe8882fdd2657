"""What is marked in the usage curves of a run: moments that explain how it went on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

MAX_MARKS = 8  # of each kind


class MarkKind(StrEnum):
    """What ``UsageMark.count`` is: answers, milliseconds, or bytes."""

    FORBIDDEN = "answers_403"  # sites have answered 403
    TOO_MANY = "answers_429"
    CPU_LIMIT = "cpu_limit"  # the Worker had to wait, because it had used up its share of the CPU
    MEMORY_HIGH = "memory_high"  # nearly all of its memory was in use; the highest level


@dataclass(frozen=True, slots=True)
class UsageMark:
    """A time between two moments. ``kind`` is a ``MarkKind``, or one of a newer release."""

    kind: str
    since: int  # ms; of an attempt since the start of its Worker, of a run since the epoch
    until: int
    count: int


def joined(marks: Iterable[UsageMark], near_ms: int = 0) -> list[UsageMark]:
    """The marks in order of time. Marks of a kind that are at most ``near_ms`` apart become one,
    and of more than ``MAX_MARKS`` those that are nearest to each other.
    """
    by_kind: dict[str, list[UsageMark]] = {}
    for mark in sorted(marks, key=lambda mark: (mark.since, mark.until)):
        of_kind = by_kind.setdefault(mark.kind, [])
        if of_kind and mark.since - of_kind[-1].until <= near_ms:
            mark = _sum(of_kind.pop(), mark)
        of_kind.append(mark)
    found = [mark for of_kind in by_kind.values() for mark in _fewer(of_kind)]
    return sorted(found, key=lambda mark: (mark.since, mark.kind))


def _fewer(marks: list[UsageMark]) -> list[UsageMark]:
    """At most ``MAX_MARKS`` of one kind."""
    if len(marks) <= MAX_MARKS:
        return marks
    gaps = sorted(range(1, len(marks)), key=lambda n: marks[n].since - marks[n - 1].until)
    near = {*gaps[: len(marks) - MAX_MARKS]}
    kept: list[UsageMark] = []
    for number, mark in enumerate(marks):
        if number in near:
            mark = _sum(kept.pop(), mark)
        kept.append(mark)
    return kept


def _sum(first: UsageMark, second: UsageMark) -> UsageMark:
    is_level = first.kind == MarkKind.MEMORY_HIGH
    count = max(first.count, second.count) if is_level else first.count + second.count
    return replace(first, until=max(first.until, second.until), count=count)
