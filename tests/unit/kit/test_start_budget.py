"""How often a thing that may always fail is started."""

from __future__ import annotations

import pytest

from fyke.kit.start_budget import StartBudget, TooManyStarts


def budget() -> StartBudget:
    return StartBudget("browsers", total=200, a_minute=20)


def test_few_starts_a_minute_and_not_for_ever() -> None:
    starts = budget()
    for number in range(20):
        starts.check(float(number))
        starts.count(float(number))
    with pytest.raises(TooManyStarts, match="started 20 browsers within a minute") as caught:
        starts.check(50.0)
    assert caught.value.retry_after == 10
    at = 60.0
    for _ in range(180):
        starts.check(at)
        starts.count(at)
        at += 60
    with pytest.raises(TooManyStarts, match="started 200 browsers, the most allowed") as caught:
        starts.check(at)
    assert caught.value.retry_after == 0


def test_what_is_given_back_does_not_count() -> None:
    starts = budget()
    starts.give_back()
    for number in range(400):
        starts.count(number / 100)
        starts.give_back()
    for number in range(20):
        starts.count(float(number))
    with pytest.raises(TooManyStarts, match="within a minute"):
        starts.check(50.0)
