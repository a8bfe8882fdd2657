"""Receivers are disabled after five days of failures, and enabled again."""

from __future__ import annotations

from fyke.domain.callbacks.receivers import DISABLE_AFTER_MS, after_attempt, enable_receiver
from fyke.model.callback import Receiver

T = 1_700_000_000_000
FRESH = Receiver("a", "https://a.example:443")


def test_five_days_are_counted_from_the_first_failure() -> None:
    first = after_attempt(FRESH, accepted=False, now=T)
    assert first == Receiver("a", FRESH.receiver, T, 0, T, 0)
    almost = after_attempt(first, accepted=False, now=T + DISABLE_AFTER_MS - 1)
    assert (almost.failing_since, almost.disabled_at) == (T, 0)
    over = after_attempt(almost, accepted=False, now=T + DISABLE_AFTER_MS)
    assert over == Receiver("a", FRESH.receiver, T, 0, T + DISABLE_AFTER_MS, T + DISABLE_AFTER_MS)
    assert DISABLE_AFTER_MS == 5 * 24 * 60 * 60 * 1000


def test_a_disabled_receiver_is_not_disabled_again() -> None:
    off = Receiver("a", FRESH.receiver, failing_since=T, disabled_at=T + DISABLE_AFTER_MS)
    later = after_attempt(off, accepted=False, now=T + 2 * DISABLE_AFTER_MS)
    assert later.disabled_at == T + DISABLE_AFTER_MS


def test_a_success_resets_the_five_days_and_enables() -> None:
    failing = after_attempt(FRESH, accepted=False, now=T)
    good = after_attempt(failing, accepted=True, now=T + DISABLE_AFTER_MS - 1)
    assert good == Receiver("a", FRESH.receiver, 0, T + DISABLE_AFTER_MS - 1, T, 0)
    again = after_attempt(good, accepted=False, now=T + 2 * DISABLE_AFTER_MS)
    assert (again.failing_since, again.disabled_at) == (T + 2 * DISABLE_AFTER_MS, 0)


def test_enabling_restarts_the_five_days_and_keeps_the_history() -> None:
    off = Receiver("a", FRESH.receiver, T, 1, 2, T + DISABLE_AFTER_MS)
    on = enable_receiver(off)
    assert on == Receiver("a", FRESH.receiver, 0, 1, 2, 0)
    failed = after_attempt(on, accepted=False, now=T + 2 * DISABLE_AFTER_MS)
    assert (failed.failing_since, failed.disabled_at) == (T + 2 * DISABLE_AFTER_MS, 0)
