"""A subtask whose attempt was lost with its machine is tried again, if its run has retries.

Only the outcome ``RUNNER_LOST`` is followed by one: the machine or the platform failed or was
stopped, not the Worker. Of a subtask that has been tried again, the rows of one attempt are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fyke.contracts.state import Transaction
from fyke.domain.runs.charge_caps import ChargeCaps, cap_reached
from fyke.domain.runs.lifecycle import LIVE
from fyke.domain.runs.offers import offer_work
from fyke.domain.runs.returns import pause_ms
from fyke.domain.runs.sampling import traffic_so_far
from fyke.domain.runs.transitions import Rules
from fyke.model.run import Attempt, AttemptKey, End, Outcome, Run
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, reason_with_detail, sentence

_CAUSES = {
    ReasonCode.PLATFORM_STOPPED: DetailCode.PLATFORM_STOPPED,
    ReasonCode.NODE_DRAINED: DetailCode.NODE_DRAINED,
}


@dataclass(frozen=True, slots=True)
class Retry:
    """A subtask waits again after an attempt that was lost on ``node``. ``end`` says why."""

    end: End
    node: str


def _will_retry(tx: Transaction, rules: Rules, run: Run, key: AttemptKey, end: End) -> bool:
    """Whether the subtask is tried again after this end of its latest attempt. A run that has
    reached a cap is not continued.
    """
    if not run.limits.max_retries or run.state not in LIVE:
        return False
    if end.outcome is not Outcome.RUNNER_LOST:
        return False
    attempts = tx.runs.attempts_between(run.id, key.ordinal, key.ordinal)
    earlier = (attempt for attempt in attempts if attempt.id != key.id)
    return _lost(earlier) < run.limits.max_retries and not _has_reached_cap(tx, rules, run)


def retry_or_end(
    tx: Transaction, rules: Rules, run: Run, key: AttemptKey, end: End
) -> Retry | None:
    """After the end of an attempt, which is recorded already, let its subtask wait again, or end it
    and return None. The caller has locked ``run``.
    """
    retry = None
    if _will_retry(tx, rules, run, key, end):
        retry = _retry(tx, run, key, end)
    else:
        tx.runs.end_subtask(run.id, key.ordinal, end)
    choose_rows(tx, rules, run, key.ordinal)
    return retry


def _has_reached_cap(tx: Transaction, rules: Rules, run: Run) -> bool:
    charges = ChargeCaps(tx, rules, [run])
    return cap_reached(tx, charges, run, traffic_so_far(tx, run.id)) is not None


def _retry(tx: Transaction, run: Run, key: AttemptKey, end: End) -> Retry:
    attempts = tx.runs.attempts_between(run.id, key.ordinal, key.ordinal)
    times = _lost(attempts)
    # the first retry at once; a Worker that brings machines down gets pauses
    pause = pause_ms(times - 1) if times > 1 else 0
    tx.runs.return_subtask(run.id, key.ordinal, tx.now + pause)
    offer_work(tx, run, pause)
    lost = next(attempt for attempt in attempts if attempt.id == key.id)
    reason = _reason(run, lost, times, sees_nodes=False)
    return Retry(End(end.outcome, sentence(reason), reason), lost.node)


def retry_reason(
    run: Run, attempts: Sequence[Attempt], *, sees_nodes: bool = False
) -> Reason | None:
    """Why a subtask with these attempts is tried again; None when its latest one was not lost, or
    its retries are used up. ``sees_nodes``: name the machine.
    """
    times = _lost(attempts)
    is_lost = bool(attempts) and attempts[-1].outcome is Outcome.RUNNER_LOST
    if not is_lost or times > run.limits.max_retries:
        return None
    return _reason(run, attempts[-1], times, sees_nodes=sees_nodes)


def _reason(run: Run, lost: Attempt, times: int, *, sees_nodes: bool) -> Reason:
    code = lost.reason.code if lost.reason else ReasonCode.RUNNER_LOST
    node = lost.node if sees_nodes else ""
    cause = Detail.of(_CAUSES.get(code, DetailCode.MACHINE_LOST), node=node)
    return reason_with_detail(ReasonCode.RETRY, cause, times=times, most=run.limits.max_retries)


def first_retry(
    run: Run, attempts: Sequence[Attempt], *, sees_nodes: bool = False
) -> Reason | None:
    """Why a run with these attempts, of which none is active, waits for a retry; None if it does
    not.
    """
    of_subtasks: dict[int, list[Attempt]] = {}
    for attempt in attempts:
        of_subtasks.setdefault(attempt.ordinal, []).append(attempt)
    reasons = (retry_reason(run, of, sees_nodes=sees_nodes) for of in of_subtasks.values())
    return next((reason for reason in reasons if reason), None)


def replaced_attempts(attempts: Iterable[Attempt], hiding: frozenset[str]) -> frozenset[str]:
    """The ids of the attempts of one subtask whose rows are not shown, because those of another one
    are: of the latest that has started, while it runs and when it has succeeded; else of the one
    with the most rows, as far as its outcome does not hide them.
    """
    started = [attempt for attempt in attempts if attempt.started_at]
    if len(started) < 2:
        return frozenset()
    # at most one runs or has succeeded; its id may be lower than that of a lost one, because ids
    # follow the clocks of different machines
    current = [a for a in started if a.outcome in (None, Outcome.SUCCEEDED)]
    visible = [a for a in started if a.outcome is not None and a.outcome.value not in hiding]
    most = max(visible, key=lambda attempt: (attempt.rows, attempt.id), default=started[-1])
    shown = current[-1] if current else most
    return frozenset(attempt.id for attempt in started if attempt is not shown)


def choose_rows(tx: Transaction, rules: Rules, run: Run, ordinal: int) -> bool:
    """Write of which attempt of a subtask the rows are shown, after the start or the end of one;
    return whether that has changed.
    """
    if not run.limits.max_retries:
        return False
    attempts = tx.runs.attempts_between(run.id, ordinal, ordinal)
    replaced = replaced_attempts(attempts, rules.hiding)
    changed = [a for a in attempts if a.replaced != (a.id in replaced)]
    for attempt in changed:
        tx.runs.set_replaced(attempt.id, attempt.id in replaced)
    return bool(changed)


def lost_before(tx: Transaction, run: Run, key: AttemptKey) -> list[str]:
    """The ids of the lost attempts that this one, which has just started, replaces."""
    if not run.limits.max_retries:
        return []
    attempts = tx.runs.attempts_between(run.id, key.ordinal, key.ordinal)
    return [a.id for a in attempts if a.id != key.id and a.outcome is Outcome.RUNNER_LOST]


def _lost(attempts: Iterable[Attempt]) -> int:
    return sum(1 for attempt in attempts if attempt.outcome is Outcome.RUNNER_LOST)
