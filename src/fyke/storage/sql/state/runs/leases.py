"""Leasing of waiting subtasks to runners.

Each pool has a queue of its own; a runner reads that of its pool. On SQLite the transaction is
exclusive, and one query of the queue is enough. On PostgreSQL several runners lease at the same
time. All transactions that change subtasks lock the run first, which rules out deadlocks:

1. read the queue without locks; select the subtasks that fit and that plans allow to start;
2. lock their runs in shared mode, which waits for a transaction that is ending one of them, and
   drop runs that are not ready or running any more;
3. lock waiting subtasks of these runs, skipping those that another runner has locked;
4. lock the accounts with a limited plan for which a run would start, and count again.

If other runners got all subtasks of these runs, repeat without these runs. Runs that wait for the
plan of their account are skipped, as are those with a browser while no place for one is free,
those that require one if the runner has none, those of Workers that it may not execute, those for
machines of another region or with labels that its machine lacks, those that are larger than the
whole runner, if another one is large enough, and for a while those that its machine has returned,
if another one has not, and new ones whose environment another one has; any other subtask that does
not fit ends the search. Labels are compared once the queue has shown a run that asks for some, and
other runners are read only when it has a subtask that may be left to them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    bindparam,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)

from fyke.domain.runs.affinity import HoldersFirst
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS, placement_of, takes_attempts
from fyke.domain.runs.returns import OTHERS_FIRST_MS
from fyke.domain.runs.spread import share, with_room
from fyke.kit.ids import new_ulid
from fyke.model.browser import BrowserOffer
from fyke.model.placement import ANYTHING, Placement
from fyke.model.run import MAX_PAUSE_MS, Attempt, Run, Subtask, SubtaskState
from fyke.model.runner import TOLERANCE, Capacity, Lease, RunnerInfo, RunnerLoad
from fyke.storage.sql.dialects import fetch_all, fetch_tuples, is_sqlite
from fyke.storage.sql.prepared import Prepared
from fyke.storage.sql.state.installation import RunnerTable
from fyke.storage.sql.state.records import SqlStore, columns, record
from fyke.storage.sql.state.runs.admission import PlanCapacity, SqlAdmission, WaitingSubtask
from fyke.storage.sql.state.runs.queues import (
    ALL,
    Condition,
    OpenLabels,
    for_others_condition,
    open_labels_query,
    placed_condition,
    queue_query,
)
from fyke.storage.sql.state.runs.tables import attempts, runs, runs_by_id, subtasks

_CLAIM = Prepared(
    update(subtasks).where(
        subtasks.c.run_id == bindparam("of_run"), subtasks.c.ordinal == bindparam("at_ordinal")
    ),
    "state",
)
COMPARED = 32  # other runners, to share with them what waits
_UNREPORTED = {
    "memory_bytes": 0,
    "browser_memory_bytes": 0,
    "progress_done": 0,
    "progress_total": 0,
    "progress_text": "",
}
_ADD_ATTEMPT = Prepared(insert(attempts), *(column.name for column in attempts.c))


class _CapacityLeft:
    """The free capacity, reduced by each subtask that is taken."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity

    @property
    def slots(self) -> int:
        return self._capacity.slots

    @property
    def offer(self) -> BrowserOffer | None:
        """What runs may ask of their browsers; None if none may be leased that requires one."""
        return self._capacity.offer if self._capacity.browser_ready else None

    @property
    def lacks_places(self) -> bool:
        """Whether no attempt with a browser fits."""
        return self._capacity.browsers is not None and self._capacity.browsers <= 0

    def is_larger(self, waiting: WaitingSubtask) -> bool:
        """Whether an attempt needs more than the whole runner has."""
        if self._capacity.total is None:
            return False
        browser = waiting.browser_cpus, waiting.browser_memory_mb
        cpus, memory_mb, _ = self._capacity.browser_reserve(*browser)
        total_cpus, total_mb = self._capacity.total
        needed_cpus, needed_mb = waiting.cpus + cpus, waiting.memory_mb + memory_mb
        return needed_cpus > total_cpus + TOLERANCE or needed_mb > total_mb

    def copy(self) -> _CapacityLeft:
        return _CapacityLeft(self._capacity)

    def take(self, waiting: WaitingSubtask) -> bool:
        """Reserve capacity for one attempt; False when it does not fit."""
        *_, places = self._capacity.browser_reserve(waiting.browser_cpus, waiting.browser_memory_mb)
        if places and self.lacks_places:
            return False
        left = self._capacity.without_browser(waiting.browser_cpus, waiting.browser_memory_mb)
        left = replace(
            left,
            cpus=left.cpus - waiting.cpus,
            memory_mb=left.memory_mb - waiting.memory_mb,
            slots=left.slots - 1,
        )
        if left.is_possible:
            self._capacity = left
        return left.is_possible


class _PoolRunners:
    """What one lease asks of the other runners of its pool, each read once, and only if needed."""

    def __init__(self, table: LeaseTable, runner_id: str, pool: str) -> None:
        self._table = table
        self._runner_id = runner_id
        self._pool = pool

    @cached_property
    def all_others(self) -> list[RunnerInfo]:
        """The other runners of the pool that take attempts now."""
        return self._table.others(self._runner_id, self._pool)

    @cached_property
    def others(self) -> list[RunnerInfo]:
        """At most ``COMPARED`` of them: a lease must not cost more the more machines there are."""
        if "all_others" in self.__dict__:  # they were read
            return self.all_others[:COMPARED]
        return self._table.some_others(self._runner_id, self._pool)

    @cached_property
    def loads(self) -> dict[str, RunnerLoad]:
        """The loads of this runner and of ``others``, if any, without those of this lease."""
        return self._table.loads([self._runner_id, *(other.id for other in self.others)])

    def runs(self, ids: Iterable[str]) -> dict[str, Run]:
        return self._table.runs_of(ids)

    def share(self, first: WaitingSubtask, waiting: int) -> int:
        """How many subtasks this runner takes of those that wait and fit it, beside the others that
        have room for the first of them.
        """
        if waiting == 1:
            return 1
        labels = json.loads(first.labels or "{}")
        others = [
            other
            for other in self.others
            if (placement := placement_of(other)) and placement.has(labels)
        ]
        own = self.loads.get(self._runner_id, RunnerLoad(self._runner_id)).attempts
        return share(waiting, own, with_room(others, self.loads, first.load))


class _Elsewhere:
    """What of the queue of a pool is for other machines than that of one runner."""

    def __init__(
        self,
        table: LeaseTable,
        runners: _PoolRunners,
        node: str,
        capacity: Capacity,
        placement: Placement,
    ) -> None:
        self._table = table
        self._runners = runners
        self._node = node
        self._capacity = capacity
        self._others: list[RunnerInfo] | None = None  # read only when something may be theirs
        self.labels = OpenLabels(placement, lambda: table.open_labels(placement.pool))
        self.condition = ALL

    @property
    def is_used(self) -> bool:
        """Whether subtasks of one run may be for different machines."""
        return any(other.node != self._node for other in self._others or ())

    def has_some(self, waiting: list[WaitingSubtask], left: _CapacityLeft) -> bool:
        """Whether some of these are for others, so that the queue has to be read again."""
        has_new, has_foreign = self.labels.see(waiting)
        is_first = self._others is None and any(
            left.is_larger(item) or self._table.was_returned(item) for item in waiting
        )
        if is_first:
            self._others = self._runners.all_others
        if not is_first and not (has_new and self._others):
            return has_foreign
        self.condition = for_others_condition(
            self._capacity, self._node, self._others or (), self.labels, self._table.now
        )
        return has_foreign or bool(self.condition.text)


class _PassedOver:
    """What one lease does not take: ``runs`` with all waiting subtasks locked by other runners, and
    ``subtasks`` that are locked, or left to machines with their environment.
    """

    def __init__(self, holders: HoldersFirst | None) -> None:
        self._holders = holders
        self.runs: list[str] = []
        self.subtasks = set[tuple[str, int]]()

    def rest(self, waiting: list[WaitingSubtask]) -> list[WaitingSubtask]:
        """These without those that are passed over."""
        if not self.subtasks:
            return waiting
        return [item for item in waiting if item.key not in self.subtasks]

    def leave(self, waiting: list[WaitingSubtask]) -> bool:
        """Add those of these that are left to other machines; whether the queue has to be read
        again, for what follows them. That is at most once, whatever follows.
        """
        if self._holders is None:
            return False
        is_first = not self._holders.left_ms
        left = self._holders.leave(waiting)
        self.subtasks |= left
        return is_first and bool(left)

    def add_locked(self, planned: list[WaitingSubtask], *, exact: bool) -> None:
        """None of these was free. If subtasks of one run may be for different machines (``exact``),
        others of the same runs may be.
        """
        if exact:
            self.subtasks |= {item.key for item in planned}
        else:
            self.runs += dict.fromkeys(item.run_id for item in planned)


class LeaseTable(SqlStore):
    """The part of ``RunStore`` for leasing."""

    _now: Callable[[], int]
    left_ms = 0  # see ``RunStore.left_ms``
    took_all = False  # see ``RunStore.took_all``
    left_none = False  # see ``RunStore.left_none``

    @property
    def now(self) -> int:
        """The time of the transaction."""
        return self._now()

    def lease(
        self,
        runner_id: str,
        capacity: Capacity,
        lease_until: int,
        *,
        node: str = "",
        placement: Placement = ANYTHING,
        spread: bool = False,
        environments: Collection[str] = (),
    ) -> list[Lease]:
        self.took_all = is_rest_empty = False
        left = _CapacityLeft(capacity)
        plans = PlanCapacity(self._db)
        leased: list[WaitingSubtask] = []
        runners = _PoolRunners(self, runner_id, placement.pool)
        elsewhere = _Elsewhere(self, runners, node, capacity, placement)
        holders = HoldersFirst(runner_id, environments, self._now(), runners)
        passed = _PassedOver(holders if spread else None)
        most = None if spread else left.slots  # that are taken; known with the first planned ones
        while left.slots > 0 and (most is None or len(leased) < most):
            limit = left.slots
            full = plans.full
            # runs that need a browser do not delay others while all places for one are taken
            placeless = left.lacks_places
            found = self._queue(
                limit + len(passed.subtasks),
                passed.runs,
                plans,
                placement,
                elsewhere.labels,
                placeless=placeless,
                offer=left.offer,
                for_others=elsewhere.condition,
            )
            waiting = passed.rest(found)
            if elsewhere.has_some(waiting, left) or passed.leave(waiting):
                continue  # read the queue again, without what is for other machines
            waiting = passed.rest(waiting)
            permitted = plans.permit(waiting)
            if len(permitted) < len(waiting) and plans.full != full:
                continue  # read the queue again, without the accounts that are full now
            planned = fitting = _fitting(permitted, left.copy())
            if not fitting:
                self.took_all = True
                is_rest_empty = not permitted and not placeless
                break
            if most is None:
                most = runners.share(planned[0], len(permitted))
            planned = planned[: most - len(leased)]
            exact = elsewhere.is_used or bool(passed.subtasks)
            claimed = self._claim(planned, left, plans, placement, fitting if exact else ())
            leased += claimed
            if not claimed:
                passed.add_locked(fitting if exact else planned, exact=exact)
            elif left.lacks_places and not placeless:
                continue
            elif len(claimed) == len(planned) < max(len(permitted), limit):
                # the next one does not fit, is left to others, or there is none
                self.took_all = len(planned) == len(fitting)
                is_rest_empty = len(planned) == len(permitted) and not placeless
                break
        self.left_ms = holders.left_ms
        # what others have locked may be free again when they fail
        is_all_seen = is_rest_empty and not (passed.runs or passed.subtasks)
        self.left_none = is_all_seen and not (holders.left_ms or elsewhere.condition.text)
        return self._add_attempts(runner_id, node, lease_until, leased) if leased else []

    def has_startable(self, offer: BrowserOffer | None, placement: Placement = ANYTHING) -> bool:
        plans = PlanCapacity(self._db)
        labels = OpenLabels(placement, lambda: self.open_labels(placement.pool))
        while True:
            full = plans.full
            waiting = self._queue(1, [], plans, placement, labels, offer=offer)
            if labels.see(waiting)[1]:
                continue
            if plans.permit(waiting):
                return True
            if plans.full == full:
                return False

    def _queue(
        self,
        limit: int,
        excluded: list[str],
        plans: PlanCapacity,
        placement: Placement,
        labels: OpenLabels,
        *,
        placeless: bool = False,
        offer: BrowserOffer | None,
        for_others: Condition = ALL,
    ) -> list[WaitingSubtask]:
        full = plans.full
        started = plans.started_of(full)
        where = placed_condition(placement)
        if labels.condition.text or for_others.text:
            where = where.and_also(labels.condition, for_others)
        statement = queue_query(
            self._db,
            limit,
            len(excluded),
            len(full),
            len(started),
            placeless=placeless,
            offer=offer,
            conditions=where.text,
        )
        now = self._now()
        times = now, now + MAX_PAUSE_MS
        values = (placement.pool, *times, *full, *started, *excluded, *where.values)
        rows = fetch_tuples(self._db, statement, values)
        return [WaitingSubtask(*row) for row in rows]

    def open_labels(self, pool: str) -> list[str]:
        """The labels that open runs of the pool ask for, as they are stored."""
        rows = self._db.exec_driver_sql(open_labels_query(self._db), (pool,))
        return [text for (text,) in rows]

    def others(self, runner_id: str, pool: str) -> list[RunnerInfo]:
        """The other runners of the pool that take attempts now."""
        active = RunnerTable(self._db).runners(self._now() - RUNNER_SILENCE_MS)
        others = [other for other in active if other.id != runner_id and other.pool == pool]
        return [other for other in others if takes_attempts(other)]

    def some_others(self, runner_id: str, pool: str) -> list[RunnerInfo]:
        """Those among the next ``COMPARED`` runners of the pool, in the order of their ids."""
        since = self._now() - RUNNER_SILENCE_MS
        some = RunnerTable(self._db).some_after(runner_id, pool, since, COMPARED)
        return [other for other in some if takes_attempts(other)]

    def loads(self, runner_ids: Collection[str]) -> dict[str, RunnerLoad]:
        """The loads of those that have attempts, by their ids."""
        return {load.runner_id: load for load in SqlAdmission(self._db).loads(runner_ids)}

    def runs_of(self, ids: Iterable[str]) -> dict[str, Run]:
        """The runs that exist among these ids."""
        return runs_by_id(self._db, ids)

    def was_returned(self, item: WaitingSubtask) -> bool:
        """Whether the subtask may be left to machines that have not returned it."""
        now = self._now()
        return now - OTHERS_FIRST_MS < item.not_before <= now

    def _claim(
        self,
        planned: list[WaitingSubtask],
        left: _CapacityLeft,
        plans: PlanCapacity,
        placement: Placement,
        among: Sequence[WaitingSubtask],
    ) -> list[WaitingSubtask]:
        """Mark subtasks of the planned runs as running, as far as they are still free and fit; if
        ``among`` some are given, only such ones.
        """
        if not is_sqlite(self._db):
            planned = plans.confirm(self._lock(planned, placement.pool, among))
        claimed = _fitting(planned, left)
        if claimed:
            running = str(SubtaskState.RUNNING)
            keys = [
                {"of_run": item.run_id, "at_ordinal": item.ordinal, "state": running}
                for item in claimed
            ]
            _CLAIM.run_many(self._db, keys)
            plans.take(claimed)
        return claimed

    def _due(self) -> ColumnElement[bool]:
        now, at = self._now(), subtasks.c.not_before
        return or_(at <= now, at > now + MAX_PAUSE_MS)

    def _lock(
        self, planned: list[WaitingSubtask], pool: str, among: Sequence[WaitingSubtask]
    ) -> list[WaitingSubtask]:
        """Steps 2 and 3 above. Returns at most as many subtasks as planned, of the same runs. If
        ``among`` some are given, only such ones: of one run some may be left to other machines.
        """
        by_run = {item.run_id: item for item in among or planned}
        shared = (
            select(runs.c.id, runs.c.state)
            .where(runs.c.id.in_(by_run))
            .order_by(runs.c.id)
            .with_for_update(read=True)
        )
        open_runs = [
            row.id for row in self._db.execute(shared) if row.state in ("ready", "running")
        ]
        free = (
            select(subtasks.c.run_id, subtasks.c.ordinal)
            .where(text("state = 'waiting'"), subtasks.c.pool == pool, self._due())
            .where(subtasks.c.run_id.in_(open_runs))
            .order_by(subtasks.c.run_id, subtasks.c.ordinal)
            .limit(len(planned))
            .with_for_update(skip_locked=True)
        )
        if among:
            keys = [item.key for item in among]
            free = free.where(tuple_(subtasks.c.run_id, subtasks.c.ordinal).in_(keys))
        return [replace(by_run[row.run_id], ordinal=row.ordinal) for row in self._db.execute(free)]

    def _add_attempts(
        self, runner_id: str, node: str, lease_until: int, leased: Sequence[WaitingSubtask]
    ) -> list[Lease]:
        run_by_id = runs_by_id(self._db, {item.run_id for item in leased})
        subtask_by_key = self._subtasks_by_key([(item.run_id, item.ordinal) for item in leased])
        leases = []
        for item in leased:
            subtask = subtask_by_key[item.run_id, item.ordinal]
            attempt = _new_attempt(subtask, runner_id, node, lease_until)
            leases.append(Lease(attempt, subtask, run_by_id[item.run_id]))
        rows = [columns(lease.attempt) | _UNREPORTED for lease in leases]
        _ADD_ATTEMPT.run_many(self._db, rows)
        return leases

    def _subtasks_by_key(self, keys: list[tuple[str, int]]) -> dict[tuple[str, int], Subtask]:
        ordinals: dict[str, list[int]] = {}
        for run_id, ordinal in keys:
            ordinals.setdefault(run_id, []).append(ordinal)
        found: dict[tuple[str, int], Subtask] = {}
        for run_id, wanted in ordinals.items():
            marks = ", ".join("?" * len(wanted))
            statement = f"SELECT * FROM subtasks WHERE run_id = ? AND ordinal IN ({marks})"  # noqa: S608
            for row in fetch_all(self._db, statement, (run_id, *wanted)):
                found[run_id, row["ordinal"]] = record(row, Subtask)
        return found


def _fitting(waiting: list[WaitingSubtask], left: _CapacityLeft) -> list[WaitingSubtask]:
    """Take subtasks up to the first that does not fit. It is not skipped, because smaller ones
    behind it could starve it.
    """
    fitting = []
    for item in waiting:
        if not left.take(item):
            break
        fitting.append(item)
    return fitting


def _new_attempt(subtask: Subtask, runner_id: str, node: str, lease_until: int) -> Attempt:
    counters: dict[str, Any] = dict.fromkeys(
        ("rows", "traffic_bytes", "cpu_ms", "memory_peak_bytes", "started_at", "finished_at"), 0
    )
    return Attempt(
        id=new_ulid(),
        run_id=subtask.run_id,
        ordinal=subtask.ordinal,
        number=subtask.number,
        runner_id=runner_id,
        token=1,
        lease_until=lease_until,
        outcome=None,
        err_msg="",
        node=node,
        **counters,
    )
