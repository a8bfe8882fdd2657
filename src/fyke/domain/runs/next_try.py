"""What follows the return of an attempt to the queue: another one, or the end of its subtask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fyke.contracts.state import Transaction
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS, can_run, takes_attempts
from fyke.domain.runs.lifecycle import LIVE
from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.returns import is_too_often, pause_ms, returned_in_a_row
from fyke.model.run import Attempt, AttemptKey, End, Outcome, Run
from fyke.reasons import Reason


@dataclass(frozen=True, slots=True)
class NextTry:
    """What follows the return of an attempt. ``times``: how often in a row its fault has occurred;
    ``end``: that of its subtask, None when it is tried again after ``pause_ms``. ``node``: where
    the attempt was.
    """

    times: int
    node: str
    end: End | None
    pause_ms: int = 0


def next_try(tx: Transaction, run: Run, key: AttemptKey, fault: Reason) -> NextTry:
    """What follows the return of the subtask's latest attempt, which may be recorded already."""
    attempts = tx.runs.attempts_between(run.id, key.ordinal, key.ordinal)
    earlier = [attempt for attempt in attempts if attempt.id != key.id]
    latest = [
        replace(attempt, outcome=Outcome.RETURNED, reason=fault, finished_at=tx.now)
        for attempt in attempts
        if attempt.id == key.id
    ]
    in_a_row = returned_in_a_row([*earlier, *latest], fault)
    times, node = len(in_a_row), latest[0].node if latest else ""
    if run.state not in LIVE:
        end = End(run.outcome or Outcome.ABORTED, run.err_msg, run.reason)
        return NextTry(times, node, end)
    if is_too_often(fault, in_a_row) and not _another_could(tx, run, in_a_row):
        end = end_of(replace(fault, params={**fault.params, "times": times}))
        return NextTry(times, node, end)
    return NextTry(times, node, None, pause_ms(times))


def _another_could(tx: Transaction, run: Run, returned: Sequence[Attempt]) -> bool:
    """Whether all of these attempts were on one machine, and another one could take the next."""
    machines = {attempt.node for attempt in returned}
    return len(machines) == 1 and any(
        runner.node not in machines and takes_attempts(runner) and can_run(runner, run)
        for runner in tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
    )
