"""Attempts that are returned to the queue: their Worker has not executed its first instruction.

Nothing has been scraped or charged yet, so the subtask waits again, with growing pauses. Only a
fault that occurs too often in a row ends it; the returned attempts of the subtask are counted.
"""

from __future__ import annotations

from collections.abc import Iterable

from fyke.kit.backoff import delay
from fyke.model.run import MAX_PAUSE_MS, Attempt, Outcome
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, reason_with_detail

TRIES = 10
FEW_TRIES = 3
# a bug and a missing network, which seldom disappear after a pause
_SELDOM_REMOVED = frozenset({DetailCode.UNFORESEEN, DetailCode.REGISTRY_AWAY})
FIRST_PAUSE_MS = 1000


def fault_of(detail: Detail) -> Reason:
    """The reason of an attempt that is returned because of ``detail``."""
    return reason_with_detail(ReasonCode.NOT_STARTED, detail)


def times_in_a_row(attempts: Iterable[Attempt], fault: Reason) -> int:
    """How often in a row the latest attempts of one subtask were returned because of the same
    fault; ``attempts`` has the oldest first.
    """
    times = 0
    for attempt in attempts:
        repeats = attempt.outcome is Outcome.RETURNED and _code(attempt.reason) == _code(fault)
        times = times + 1 if repeats else 0
    return times


def is_too_often(fault: Reason, times: int) -> bool:
    """Whether a fault that has occurred ``times`` times in a row ends the subtask."""
    return times >= (FEW_TRIES if _code(fault) in _SELDOM_REMOVED else TRIES)


def pause_ms(times: int) -> int:
    """How long the subtask waits after it was returned ``times`` times in a row."""
    return round(delay(times, base=FIRST_PAUSE_MS, cap=MAX_PAUSE_MS, jitter=0))


def _code(reason: Reason | None) -> object:
    return reason.params.get("detail_code") if reason else None
