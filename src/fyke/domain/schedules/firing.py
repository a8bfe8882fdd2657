"""Starts runs at their planned times.

A planned time is processed in one transaction: the schedule advances if it has not changed since it
was read, and the record of the time and the run are added. A second try, by another server or by
this one after the clock jumped, finds the schedule advanced or the record present and starts
nothing. A refused start is recorded with its reason, and the schedule continues, until it is paused
after ``Firing.pause_after`` failed starts and runs in a row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from fyke.contracts.signals import run_topic
from fyke.contracts.state import Storage, Transaction
from fyke.domain.schedules.due import LATE_MS, ON_TIME_MS, DueDecision, due_fires
from fyke.domain.schedules.editing import skip_waiting, zone_of
from fyke.domain.schedules.times import zone
from fyke.errors import FykeError, Unavailable
from fyke.kit.clock import Clock
from fyke.model.account import Account, Caller
from fyke.model.run import Origin, Run, RunState
from fyke.model.schedule import Fire, FireState, LatePolicy, OverlapPolicy, Schedule

log = structlog.get_logger()

BATCH = 50  # due schedules of one read
MAX_WAITING = 500  # at most one for each task, so there are never many
RETRY_SECONDS = 10.0  # after an internal error
KEEP_MS = 90 * 24 * 3600 * 1000  # of the records of past times
MAX_REASON = 500


class ScheduledStarter(Protocol):
    """The part of the runs service that firing needs."""

    async def start_task(
        self,
        caller: Caller,
        task_ref: str,
        callback_url: str,
        origin: Origin,
        *,
        in_transaction: Callable[[Transaction, Run], None] | None = None,
    ) -> Run: ...


ReportRefusal = Callable[[Transaction, Schedule, FykeError], None]


def _no_report(_tx: Transaction, _schedule: Schedule, _error: FykeError) -> None:
    pass


class FireOvertaken(Exception):
    """Another server has processed this time, or the schedule was changed in the meantime."""


class FireOverlapping(Exception):
    """A run of the same task has not ended."""


@dataclass(frozen=True, slots=True)
class DueItem:
    """A schedule that is due, as it was read."""

    schedule: Schedule
    account: Account
    open_run: str | None
    now: int
    failures: int  # in a row, including the last run


@dataclass(frozen=True, slots=True)
class WaitingFire:
    """A waiting fire, and the run that it waits for."""

    fire: Fire
    account: Account
    open_run: str | None


@dataclass(frozen=True, slots=True)
class RemainingFires:
    """Seconds until the next schedule is due, None when there is none; and the topics of the runs
    that fires wait for.
    """

    seconds: float | None
    topics: frozenset[str]


@dataclass(slots=True)
class Firing:
    """Starts the runs that are due, by the clock of the storage; ``clock`` is only for retries.
    ``report_refusal`` is called in the transaction that records a refused start.
    """

    storage: Storage
    runs: ScheduledStarter
    clock: Clock
    pause_after: int = 0  # failures in a row, 0 = never
    report_refusal: ReportRefusal = _no_report
    _not_before: dict[str, float] = field(default_factory=dict)  # by task, monotonic seconds

    async def process_pending(self) -> RemainingFires:
        """Process everything that is due now, and the fires that waited for another run."""
        while True:
            due = [i for i in await self.storage.read(_due) if self._may_try(i.schedule.task_id)]
            for item in due:
                await self._try(item.schedule.task_id, self._fire(item))
            if not due:
                break
        waiting = await self.storage.read(_waiting)
        for entry in waiting:
            if entry.open_run is None:
                await self._try(entry.fire.task_id, self._release(entry))
        return await self._remaining(waiting)

    async def remove_old(self) -> None:
        """Remove the records of times that are older than ``KEEP_MS``."""
        await self.storage.write(lambda tx: tx.schedules.remove_fires(tx.now - KEEP_MS))

    def _may_try(self, task_id: str) -> bool:
        until = self._not_before.get(task_id)
        return until is None or until <= self.clock.monotonic()

    async def _try(self, task_id: str, work: Awaitable[None]) -> None:
        """Process one schedule; a failure must not delay the others."""
        try:
            await work
            self._not_before.pop(task_id, None)
        except Exception as error:
            self._not_before[task_id] = self.clock.monotonic() + RETRY_SECONDS
            if not isinstance(error, Unavailable):
                log.exception("schedule_failed", task=task_id)
            else:
                log.warning("schedule_postponed", task=task_id, reason=error.message)

    async def _remaining(self, waiting: list[WaitingFire]) -> RemainingFires:
        next_due, now = await self.storage.read(lambda tx: (tx.schedules.next_due(), tx.now))
        topics = frozenset(run_topic(item.open_run) for item in waiting if item.open_run)
        if next_due is None:
            return RemainingFires(None, topics)
        seconds = (next_due - now) / 1000
        if seconds <= 0:  # it failed and is retried, see _not_before
            seconds = RETRY_SECONDS
        return RemainingFires(seconds, topics)

    # --- due schedules ---------------------------------------------------------------------

    async def _fire(self, item: DueItem) -> None:
        schedule = item.schedule
        tz = zone(zone_of(schedule, item.account))
        # may count many times after a long downtime, so not in the event loop
        due = await asyncio.to_thread(
            due_fires,
            schedule.spec,
            tz,
            schedule.anchor_at,
            schedule.next_at,
            item.now,
            LATE_MS if schedule.late is LatePolicy.START else ON_TIME_MS,
        )
        if self.pause_after and item.failures >= self.pause_after:
            await self._pause(item, due)
        elif not due.fire_at:
            await self._note(schedule, due)
        elif item.open_run and schedule.overlap is not OverlapPolicy.ALLOW:
            await self._record_overlap(schedule, due, item.open_run)
        else:
            await self._start(item, due)

    async def _start(self, item: DueItem, due: DueDecision) -> None:
        schedule = item.schedule

        def in_transaction(tx: Transaction, run: Run) -> None:
            if schedule.overlap is not OverlapPolicy.ALLOW:
                _refuse_overlap(tx, schedule.task_id, run)
            if not _advance(tx, replace(schedule, failures=item.failures), due, started=True):
                raise FireOvertaken
            fire = _fire(schedule, due.fire_at, FireState.STARTED, tx.now, run_id=run.id)
            if not tx.schedules.add_fire(fire):
                raise FireOvertaken

        try:
            run = await self._start_task(item.account, schedule.task_id, in_transaction)
        except FireOvertaken:
            await self._note(schedule, due)  # the time has its record; only advance
        except FireOverlapping as error:
            await self._record_overlap(schedule, due, str(error))
        except Unavailable:
            raise
        except FykeError as error:
            counted = replace(schedule, failures=item.failures)
            await self._record_refusal(counted, due, error)
            log.info("schedule_refused", task=schedule.task_id, reason=error.message)
        else:
            log.info("schedule_fired", task=schedule.task_id, run=run.id, planned=due.fire_at)

    async def _start_task(
        self, account: Account, task_id: str, in_transaction: Callable[[Transaction, Run], None]
    ) -> Run:
        caller = Caller(account.id, account.name, account.operator, user_id="", key_id="")
        return await self.runs.start_task(
            caller, task_id, "", Origin.SCHEDULE, in_transaction=in_transaction
        )

    async def _pause(self, item: DueItem, due: DueDecision) -> None:
        """Pause the schedule, because its next run would probably fail too."""
        reason = _pause_reason(item.failures, item.schedule.last_error)

        def work(tx: Transaction) -> None:
            before = replace(item.schedule, failures=item.failures)
            paused = replace(due, next_at=0)
            if _advance(tx, before, paused, refused=reason, paused_at=tx.now) and due.fire_at:
                fire = _fire(before, due.fire_at, FireState.SKIPPED, tx.now, reason=reason)
                tx.schedules.add_fire(fire)

        await self.storage.write(work)
        log.warning("schedule_paused", task=item.schedule.task_id, failures=item.failures)

    async def _record_overlap(self, schedule: Schedule, due: DueDecision, open_run: str) -> None:
        if schedule.overlap is OverlapPolicy.QUEUE:
            reason = f"waits for the end of the run {open_run}"
            await self._note(schedule, due, FireState.WAITING, reason)
        else:
            reason = f"the run {open_run} of the same task had not ended"
            await self._note(schedule, due, FireState.SKIPPED, reason)

    async def _note(
        self, schedule: Schedule, due: DueDecision, state: FireState | None = None, reason: str = ""
    ) -> None:
        """Advance the schedule without a run; record the time when it has a state."""

        def work(tx: Transaction) -> None:
            if not _advance(tx, schedule, due) or state is None:
                return
            final, why = state, reason
            if state is FireState.WAITING and tx.schedules.waiting_of(schedule.task_id):
                final, why = FireState.SKIPPED, "another run of this schedule was waiting already"
            tx.schedules.add_fire(_fire(schedule, due.fire_at, final, tx.now, reason=why))

        await self.storage.write(work)

    async def _record_refusal(self, schedule: Schedule, due: DueDecision, error: FykeError) -> None:
        reason = _reason(error)

        def work(tx: Transaction, report: ReportRefusal) -> None:
            if not self._advance_refused(tx, schedule, due, reason):
                return
            fire = _fire(schedule, due.fire_at, FireState.REFUSED, tx.now, reason=reason)
            if tx.schedules.add_fire(fire):
                report(tx, schedule, error)

        await self._write_refusal(work)

    def _advance_refused(
        self, tx: Transaction, schedule: Schedule, due: DueDecision, reason: str
    ) -> bool:
        """Advance after a refused start; pause after too many in a row."""
        counted = replace(schedule, failures=schedule.failures + 1)
        if not self.pause_after or counted.failures < self.pause_after:
            return _advance(tx, counted, due, refused=reason)
        why = _pause_reason(counted.failures, reason)
        return _advance(tx, counted, replace(due, next_at=0), refused=why, paused_at=tx.now)

    # --- waiting fires ---------------------------------------------------------------------

    async def _release(self, waiting: WaitingFire) -> None:
        fire = waiting.fire

        def in_transaction(tx: Transaction, run: Run) -> None:
            _refuse_overlap(tx, fire.task_id, run)
            started = replace(fire, state=FireState.STARTED, run_id=run.id, reason="", at=tx.now)
            if not _settle(tx, started):
                raise FireOvertaken

        try:
            await self._start_task(waiting.account, fire.task_id, in_transaction)
        except (FireOvertaken, FireOverlapping):
            return  # started elsewhere, or still waiting
        except Unavailable:
            raise
        except FykeError as error:
            await self._refuse(fire, error)

    async def _refuse(self, fire: Fire, error: FykeError) -> None:
        refused = replace(fire, state=FireState.REFUSED, reason=_reason(error))

        def work(tx: Transaction, report: ReportRefusal) -> None:
            schedule = tx.schedules.lock(fire.task_id)
            if _settle(tx, replace(refused, at=tx.now)) and schedule is not None:
                report(tx, schedule, error)

        await self._write_refusal(work)

    async def _write_refusal(self, work: Callable[[Transaction, ReportRefusal], None]) -> None:
        """Write a refused start and report it. A report that fails must not stop the schedule."""
        try:
            await self.storage.write(lambda tx: work(tx, self.report_refusal))
        except Unavailable:
            raise
        except Exception:
            log.exception("refused_start_not_reported")
            await self.storage.write(lambda tx: work(tx, _no_report))


def _due(tx: Transaction) -> list[DueItem]:
    items = []
    for schedule in tx.schedules.due(tx.now, BATCH):
        account = tx.accounts.get(schedule.account_id)
        if account is not None:
            open_run = tx.runs.open_of_task(schedule.task_id)
            failures = _failures(tx, schedule)
            items.append(DueItem(schedule, account, open_run, tx.now, failures))
    return items


def _failures(tx: Transaction, schedule: Schedule) -> int:
    """Failures in a row since the schedule was enabled, including the last run. If ``last_error``
    is set, a start was refused after the last run, and ``failures`` already includes that run.
    """
    last = tx.schedules.last_started(schedule.task_id)
    run = tx.runs.get(last.run_id) if last and last.at >= schedule.anchor_at else None
    if schedule.last_error or run is None or not run.state.terminal:
        return schedule.failures
    return schedule.failures + 1 if run.state is RunState.FAILED else 0


def _waiting(tx: Transaction) -> list[WaitingFire]:
    items = []
    for fire in tx.schedules.waiting(MAX_WAITING):
        schedule = tx.schedules.get(fire.task_id)
        account = tx.accounts.get(schedule.account_id) if schedule else None
        if account is not None:
            open_run = tx.runs.open_of_task(fire.task_id)
            items.append(WaitingFire(fire, account, open_run))
    return items


def _refuse_overlap(tx: Transaction, task_id: str, run: Run) -> None:
    """Raise ``FireOverlapping`` when another run than the new one is active."""
    other = tx.runs.open_of_task(task_id, other_than=run.id)
    if other is not None:
        raise FireOverlapping(other)


def _advance(
    tx: Transaction,
    before: Schedule,
    due: DueDecision,
    *,
    started: bool = False,
    refused: str = "",
    paused_at: int = 0,
) -> bool:
    """Advance the schedule to its next time and record missed times; False when it was changed
    since it was read. Without a next time it is disabled.
    """
    error = refused or ("" if started else before.last_error)
    after = replace(
        before,
        next_at=due.next_at,
        enabled=bool(due.next_at),
        missed=before.missed + due.missed,
        last_error=error,
        last_fired_at=due.fire_at if started else before.last_fired_at,
        paused_at=paused_at,
    )
    if not tx.schedules.advance(before, after):
        return False
    if paused_at:
        skip_waiting(tx, before.task_id, refused)
    if due.missed:
        reason = "no server was running in time to start a run"
        missed_fire = _fire(before, due.first_missed, FireState.MISSED, tx.now, reason=reason)
        tx.schedules.add_fire(replace(missed_fire, count=due.missed))
    return True


def _settle(tx: Transaction, fire: Fire) -> bool:
    """Record that a waiting fire has started a run or was refused; False when it does not wait any
    more.
    """
    schedule = tx.schedules.lock(fire.task_id)
    failures = _failures(tx, schedule) if schedule else 0
    if not tx.schedules.settle(fire):
        return False
    if schedule is not None:
        refused = fire.state is FireState.REFUSED
        updated = replace(
            schedule,
            last_error=fire.reason,
            last_fired_at=schedule.last_fired_at if refused else fire.planned_at,
            failures=failures + refused,
        )
        tx.schedules.advance(schedule, updated)
    return True


def _fire(
    schedule: Schedule,
    planned_at: int,
    state: FireState,
    now: int,
    *,
    run_id: str = "",
    reason: str = "",
) -> Fire:
    return Fire(schedule.task_id, planned_at, state, run_id, reason, 1, now)


def _pause_reason(failures: int, last_error: str) -> str:
    last = f"; the last one: {last_error}" if last_error else ""
    return f"paused after {failures} failures in a row{last}"[:MAX_REASON]


def _reason(error: FykeError) -> str:
    return error.message[:MAX_REASON]
