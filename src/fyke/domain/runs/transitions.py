"""Changes the state of a run; all changes of state use ``apply``, in one transaction.

``advance`` (pure) decides the transition; this module executes it: history, waiting subtasks, the
ledger, the worker's figures, the callback, signals. The loser of a race gets ``None``, because the
run has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fyke.contracts.signals import STOP, WORK, run_topic
from fyke.contracts.state import Transaction
from fyke.domain.alerts.outbox import queue_rule_checks
from fyke.domain.billing.days import add_run_usage
from fyke.domain.billing.pricing import charge, receipt, rounded_down
from fyke.domain.billing.service import settle
from fyke.domain.callbacks.outbox import enqueue_running, enqueue_terminal
from fyke.domain.runs.final_rows import NOT_COUNTED, KeptRows, visible_rows
from fyke.domain.runs.lifecycle import (
    AbortRequested,
    AttemptLost,
    AttemptReturned,
    AttemptStarted,
    Event,
    Instruction,
    Transition,
    advance,
)
from fyke.domain.runs.outcome import end_of
from fyke.domain.webhooks.outbox import queue_run_event
from fyke.domain.workers.facts import verdict
from fyke.model.billing import Prices
from fyke.model.placement import DEFAULT_POOL
from fyke.model.run import Attempt, Outcome, Run, RunEvent, RunLimits
from fyke.reasons import Reason, ReasonCode


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of the installation for runs."""

    prices: Prices
    hiding: frozenset[str]
    max_subtasks: int
    default_region: str
    running_callbacks: bool = True  # runs of v2 also send a callback when they start
    browser_cpus: float = 0.0  # the limits of a browser; both are 0 where Workers get none
    browser_memory_mb: int = 0
    browser_memory_max_mb: int = 0  # that a start may ask for
    default_pool: str = DEFAULT_POOL
    own_pool: str = DEFAULT_POOL  # of runners that are no nodes
    proxy_regions: frozenset[str] = frozenset()  # with proxies; "*" for all others

    def with_browser(self, limits: RunLimits) -> RunLimits:
        """The limits of a run whose attempts have a browser each, with the memory that its start
        has asked for.
        """
        memory_mb = limits.browser_memory_mb or self.browser_memory_mb
        return replace(limits, browser_cpus=self.browser_cpus, browser_memory_mb=memory_mb)


def apply(
    tx: Transaction,
    rules: Rules,
    run: Run,
    event: Event,
    actor: str,
    kept: KeptRows = NOT_COUNTED,
) -> Run | None:
    """Apply ``event`` to ``run``; return the changed run, or None when another process was faster.
    Raises ``RunNotAbortable``, and ``RowsNotCounted`` if it ends a run whose attempts have pushed
    rows: see ``final_rows.write_end``.
    """
    step = advance(run.state, event)
    if step == Transition(run.state):
        is_retry = isinstance(event, AttemptStarted) and event.is_retry
        if is_retry or isinstance(event, AttemptReturned | AttemptLost):
            _record(tx, run, event, step, actor)
        return run
    changed = _changed_run(tx, rules, run, step, kept)
    if not tx.runs.move(changed, run.state):
        return None
    _record(tx, run, event, step, actor)
    _execute(tx, rules, changed, step)
    return changed


def _record(tx: Transaction, run: Run, event: Event, step: Transition, actor: str) -> None:
    """Add the event to the history of the run."""
    end = event.fault if isinstance(event, AttemptReturned | AttemptLost) else step.end
    of_attempt = (
        event if isinstance(event, AttemptStarted | AttemptReturned | AttemptLost) else None
    )
    tx.runs.add_event(
        RunEvent(
            run_id=run.id,
            at=tx.now,
            kind=type(event).__name__,
            before=run.state.value,
            after=step.state.value,
            actor=actor,
            detail=end.message if end else "",
            reason=end.reason if end else None,
            number=of_attempt.number if of_attempt else "",
            node=of_attempt.node if of_attempt else "",
        )
    )


def abort_run(
    tx: Transaction, rules: Rules, run_id: str, actor: str, kept: KeptRows = NOT_COUNTED
) -> tuple[Run, Run] | None:
    """Abort a run; return it before and afterwards, None if it does not exist. Raises what
    ``apply`` raises.

    The run is locked before its attempts are counted: a runner that is just leasing one would start
    it after the end of the run.
    """
    run = tx.runs.lock(run_id)
    if run is None:
        return None
    active = sum(1 for attempt in tx.runs.attempts(run_id) if attempt.outcome is None)
    aborted = apply(tx, rules, run, AbortRequested(active), actor, kept)
    assert aborted is not None  # noqa: S101 - no other process changes a locked run
    return run, aborted


def _changed_run(tx: Transaction, rules: Rules, run: Run, step: Transition, kept: KeptRows) -> Run:
    changed = replace(run, state=step.state)
    if step.end is not None:
        end = step.end
        changed = replace(changed, outcome=end.outcome, err_msg=end.message, reason=end.reason)
    if Instruction.MARK_STARTED in step.instructions:
        changed = replace(changed, started_at=tx.now)
    if Instruction.MARK_WAITING in step.instructions:
        changed = replace(changed, started_at=0)
    if Instruction.FINISH in step.instructions:
        changed = _with_totals(tx, rules, replace(changed, finished_at=tx.now), kept)
    return changed


def _with_totals(tx: Transaction, rules: Rules, run: Run, kept: KeptRows) -> Run:
    """The run with its final figures: the visible rows, the traffic and cost of all attempts."""
    attempts = tx.runs.attempts(run.id)
    subtasks = tx.runs.subtasks(run.id)
    succeeded = sum(1 for s in subtasks if s.outcome is Outcome.SUCCEEDED)
    return replace(
        run,
        results=visible_rows(run.id, attempts, rules.hiding, kept),
        traffic_bytes=sum(a.traffic_bytes for a in attempts),
        busy_ms=sum(a.busy_ms for a in attempts),
        cpu_ms=sum(a.cpu_ms for a in attempts),
        memory_mb_ms=sum(a.memory_mb_ms for a in attempts),
        browser_ms=sum(a.browser_ms for a in attempts),
        gap_ms=_gap_ms(attempts),
        usage_micros=charged(tx, rules, run),
        subtasks_succeeded=succeeded,
        subtasks_failed=sum(
            1 for s in subtasks if s.outcome not in (None, Outcome.SUCCEEDED, Outcome.ABORTED)
        ),
    )


def _gap_ms(attempts: Sequence[Attempt]) -> int:
    """See ``Run.gap_ms``. A lost attempt has been over for a while when that is noticed, so its gap
    counts only where no other attempt shows how long the run took.
    """
    others = [a for a in attempts if a.outcome is not Outcome.RUNNER_LOST] or attempts
    return max((a.gap_ms for a in others), key=abs, default=0)


def cost_micros(tx: Transaction, rules: Rules, run: Run) -> int:
    """The cost of the run so far in micros: time and traffic of all attempts."""
    return cost_of(rules, run, tx.runs.attempts(run.id)) if rules.prices.any() else 0


def cost_of(rules: Rules, run: Run, attempts: Iterable[Attempt]) -> int:
    """``cost_micros`` of a run whose attempts are known."""
    return sum(
        charge(
            rules.prices,
            run.limits,
            milliseconds=attempt.busy_ms,
            traffic_bytes=attempt.traffic_bytes,
            browser_ms=attempt.browser_ms,
        )
        for attempt in attempts
    )


def charged(tx: Transaction, rules: Rules, run: Run) -> int:
    """The charged part of the cost, as the receipt shows it, at most the reserved amount. So cost
    that arises after the reserved amount is used up is not charged, and a run that started while
    all prices were 0 is free.
    """
    return _charged(run, cost_micros(tx, rules, run))


def charged_of(rules: Rules, run: Run, attempts: Iterable[Attempt]) -> int:
    """``charged`` of a run whose attempts are known."""
    return _charged(run, cost_of(rules, run, attempts) if rules.prices.any() else 0)


def _charged(run: Run, cost: int) -> int:
    return min(receipt(cost), rounded_down(run.hold_micros))


def _execute(tx: Transaction, rules: Rules, run: Run, step: Transition) -> None:
    for instruction in step.instructions:
        if instruction is Instruction.END_WAITING:
            end = step.end or end_of(Reason(ReasonCode.ABORTED))
            tx.runs.end_waiting_subtasks(run.id, end)
        elif instruction is Instruction.STOP_ATTEMPTS:
            tx.notify(STOP)
        elif instruction is Instruction.MARK_STARTED:
            if rules.running_callbacks:
                enqueue_running(tx, run)
            queue_run_event(tx, run)
            tx.notify(run_topic(run.id))
        elif instruction is Instruction.MARK_WAITING:
            tx.notify(run_topic(run.id))
        elif instruction is Instruction.FINISH:
            settle(tx, rules.prices, run)
            add_run_usage(tx, run)
            tx.worker_facts.note_end(run.worker_id, verdict(run.outcome), tx.now)
            enqueue_terminal(tx, run)
            queue_run_event(tx, run)
            queue_rule_checks(tx, run)
            tx.notify(run_topic(run.id))
            _notify_runners(tx, run)


def _notify_runners(tx: Transaction, run: Run) -> None:
    """Notify the runners when another run of the account may start after the end of ``run``."""
    account = tx.accounts.get(run.account_id)
    if account is not None and account.plan.max_runs is not None:
        tx.notify(WORK)
