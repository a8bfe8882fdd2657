"""Attempts that are returned to the queue: their Worker has not executed its first instruction.

Nothing has been scraped or charged yet, so the subtask waits again, with growing pauses. Only a
fault that occurs too often in a row ends it; the returned attempts of the subtask are counted. A
package registry has a time instead, because its clients need from seconds to minutes to give up,
and so has the storage of bundles, whose outage shall end no run.

What one machine has returned, others take first. Only where none of them could take it, or they
have returned it too, does a fault end the subtask.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fyke.kit.backoff import delay
from fyke.model.run import MAX_PAUSE_MS, Attempt, Outcome
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, reason_with_detail

TRIES = 10
BUG_TRIES = 3  # a bug seldom disappears after a pause
REGISTRY_MS = 120_000  # after the first attempt that a registry has failed
REGISTRY_TRIES = 2  # at least
BLOBS_MS = 86_400_000
FIRST_PAUSE_MS = 1000
OTHERS_FIRST_MS = 30_000  # after its pause a subtask is left to machines that have not returned it


def fault_of(detail: Detail) -> Reason:
    """The reason of an attempt that is returned because of ``detail``."""
    return reason_with_detail(ReasonCode.NOT_STARTED, detail)


def returned_in_a_row(attempts: Iterable[Attempt], fault: Reason) -> list[Attempt]:
    """The latest attempts of one subtask, as far as they were returned because of the same fault
    without another attempt between them; ``attempts`` and the result have the oldest first.
    """
    found: list[Attempt] = []
    for attempt in attempts:
        repeats = attempt.outcome is Outcome.RETURNED and _code(attempt.reason) == _code(fault)
        found = [*found, attempt] if repeats else []
    return found


def is_too_often(fault: Reason, returned: Sequence[Attempt]) -> bool:
    """Whether a fault that has returned these attempts in a row ends the subtask."""
    times = len(returned)
    lasted = returned[-1].finished_at - returned[0].finished_at if returned else 0
    if _code(fault) == DetailCode.REGISTRY_AWAY:
        return times >= REGISTRY_TRIES and lasted >= REGISTRY_MS
    if _code(fault) == DetailCode.BLOBS_AWAY:
        return lasted >= BLOBS_MS
    return times >= (BUG_TRIES if _code(fault) == DetailCode.UNFORESEEN else TRIES)


def pause_ms(times: int, longest: int = MAX_PAUSE_MS) -> int:
    """How long to wait after the same fault has occurred ``times`` times in a row."""
    return round(delay(times, base=FIRST_PAUSE_MS, cap=longest, jitter=0))


def _code(reason: Reason | None) -> object:
    return reason.params.get("detail_code") if reason else None
