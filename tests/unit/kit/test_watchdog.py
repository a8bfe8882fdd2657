"""Terms, and gaps in which the watchdog itself did not check."""

from __future__ import annotations

import pytest

from fyke.kit.clock import ManualClock
from fyke.kit.watchdog import Watchdog


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def watchdog(clock: ManualClock) -> Watchdog[str]:
    return Watchdog(gap=5, clock=clock.monotonic)


def looks(watchdog: Watchdog[str], clock: ManualClock, seconds: int) -> list[str]:
    """Check every second; return the result of the first check that finds something."""
    for _ in range(seconds):
        clock.advance(1)
        if found := watchdog.silent():
            return found
    return []


def test_silent_participants_are_found_after_their_own_term(
    watchdog: Watchdog[str], clock: ManualClock
) -> None:
    watchdog.watch("short", 3)
    watchdog.watch("long", 20)
    assert looks(watchdog, clock, 3) == []
    assert watchdog.silent_seconds("short") == 3
    assert looks(watchdog, clock, 1) == ["short"]
    watchdog.forget("short")
    assert looks(watchdog, clock, 16) == []
    assert looks(watchdog, clock, 1) == ["long"]


def test_a_report_renews_the_term(watchdog: Watchdog[str], clock: ManualClock) -> None:
    watchdog.watch("a", 3)
    for _ in range(10):
        assert looks(watchdog, clock, 3) == []
        watchdog.renew("a")
    assert looks(watchdog, clock, 4) == ["a"]


@pytest.mark.parametrize(("pause", "found"), [(5, ["a"]), (5.1, []), (3600, [])])
def test_after_a_gap_every_participant_has_a_full_term(
    watchdog: Watchdog[str], clock: ManualClock, pause: float, found: list[str]
) -> None:
    watchdog.watch("a", 3)
    clock.advance(pause)
    assert watchdog.silent() == found
    watchdog.renew("unknown")
    if not found:
        assert looks(watchdog, clock, 3) == []
        assert looks(watchdog, clock, 1) == ["a"]


def test_what_is_not_watched_is_not_silent(watchdog: Watchdog[str], clock: ManualClock) -> None:
    clock.advance(4)
    watchdog.forget("a")
    assert (watchdog.silent_seconds("a"), watchdog.silent()) == (0, [])
