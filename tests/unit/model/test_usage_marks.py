"""Marks of usage curves, of which a long run has few."""

from __future__ import annotations

from fyke.model.usage_marks import MAX_MARKS, MarkKind, UsageMark, joined


def mark(since: int, until: int, count: int = 1, kind: str = MarkKind.TOO_MANY) -> UsageMark:
    return UsageMark(kind, since, until, count)


def test_marks_that_are_near_or_overlap_become_one() -> None:
    marks = [mark(30, 40), mark(0, 10, 2), mark(15, 20, 3), mark(5, 8, 4)]
    assert joined(marks, near_ms=5) == [mark(0, 20, 9), mark(30, 40)]
    assert joined(marks) == [mark(0, 10, 6), mark(15, 20, 3), mark(30, 40)]


def test_kinds_are_kept_apart_and_of_a_level_the_highest_counts() -> None:
    high = MarkKind.MEMORY_HIGH
    marks = [mark(0, 5, 70, high), mark(5, 10, 90, high), mark(5, 9, 80, high), mark(4, 6)]
    assert joined(marks) == [mark(0, 10, 90, high), mark(4, 6)]


def test_of_many_marks_the_nearest_become_one_and_nothing_is_lost() -> None:
    marks = [mark(n * 100, n * 100 + (90 if n == 3 else 10)) for n in range(MAX_MARKS + 1)]
    found = joined(marks)
    assert len(found) == MAX_MARKS
    assert sum(one.count for one in found) == MAX_MARKS + 1
    assert mark(300, 410, 2) in found
    many = joined(mark(n * 7, n * 7 + 1) for n in range(1000))
    assert len(many) == MAX_MARKS
    assert sum(one.count for one in many) == 1000
