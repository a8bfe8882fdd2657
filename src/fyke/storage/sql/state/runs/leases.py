"""Leasing: which waiting subtasks go to a runner that has room.

On SQLite the transaction has the database to itself, and one look at the queue settles it. On
PostgreSQL several runners lease at once. The order of locks is the same for all who change a
run's subtasks, the run first, which rules out a deadlock:

1. look at the queue without locks and see what fits and what the plans allow to start;
2. lock their runs in shared mode, which waits for a transaction that is ending one of them, and
   then see which may still start something;
3. lock waiting subtasks of these runs, skipping those that another runner has locked;
4. lock those accounts whose plan has a limit and of which a run would start, and count again.

When others were quicker with all subtasks of these runs, look again without these runs. Runs that
wait for the plan of their account are skipped, unlike what is only too large for now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text, tuple_, update

from fyke.kit.ids import new_ulid
from fyke.model.run import Attempt, Subtask, SubtaskState
from fyke.model.runner import Capacity, Lease
from fyke.storage.sql.dialects import driver_sql, is_sqlite
from fyke.storage.sql.state.records import SqlStore, columns, record
from fyke.storage.sql.state.runs.admission import PlanCapacity, WaitingSubtask
from fyke.storage.sql.state.runs.tables import attempts, runs, runs_by_id, subtasks

# Sums of shares such as 0.1 + 0.2 must not cost a slot.
_TOLERANCE = 1e-9

# CROSS JOIN keeps SQLite from starting at the runs: the queue is short, their history is not.
QUEUE = (
    "SELECT s.run_id, s.ordinal, r.cpus, r.memory_mb, r.account_id, r.state = 'running'"
    " FROM subtasks s {join} runs r {on} r.id = s.run_id"
    " WHERE s.state = 'waiting' AND r.state IN ('ready', 'running'){besides}"
    " ORDER BY s.run_id, s.ordinal LIMIT {limit}"
)

# The same where some accounts are full: by run, for one that is held may have many subtasks. SQLite
# has to name the index, because without statistics it would go through the runs of all time.
QUEUE_PAST_FULL = (
    "SELECT s.run_id, s.ordinal, r.cpus, r.memory_mb, r.account_id, r.state = 'running'"
    " FROM runs r{by} {join} subtasks s {on} s.run_id = r.id"
    " WHERE r.state IN ('ready', 'running') AND s.state = 'waiting'"
    " AND (r.state = 'running' OR r.account_id NOT IN ({full}){started}){besides}"
    " ORDER BY r.id, s.ordinal LIMIT {limit}"
)


class _CapacityLeft:
    """Counts down while subtasks are fitted in."""

    def __init__(self, room: Capacity) -> None:
        self.cpus = room.cpus
        self.memory_mb = room.memory_mb
        self.slots = room.slots

    def copy(self) -> _CapacityLeft:
        return _CapacityLeft(Capacity(self.cpus, self.memory_mb, self.slots))

    def take(self, waiting: WaitingSubtask) -> bool:
        """Use up the room for one attempt; False when it does not fit."""
        fits = (
            self.slots > 0
            and waiting.cpus <= self.cpus + _TOLERANCE
            and waiting.memory_mb <= self.memory_mb
        )
        if fits:
            self.cpus -= waiting.cpus
            self.memory_mb -= waiting.memory_mb
            self.slots -= 1
        return fits


def queue_query(
    connection: Connection, limit: int, besides: int = 0, full: int = 0, started: int = 0
) -> str:
    """Return the query for the head of the queue, without what begins of ``full`` accounts, but
    with their ``started`` runs, and without ``besides`` runs: so many values, in this order.
    """
    form = QUEUE_PAST_FULL if full else QUEUE
    sqlite = is_sqlite(connection)
    statement = form.format(
        by=" INDEXED BY ix_runs_open" if sqlite else "",
        join="CROSS JOIN" if sqlite else "JOIN",
        on="ON",
        full=_marks(full),
        started=f" OR r.id IN ({_marks(started)})" if started else "",
        besides=f" AND s.run_id NOT IN ({_marks(besides)})" if besides else "",
        limit=int(limit),
    )
    return driver_sql(connection, statement)


def _marks(count: int) -> str:
    return ", ".join("?" * count)


class LeaseTable(SqlStore):
    """The part of ``RunStore`` that hands out work."""

    def lease(self, runner_id: str, room: Capacity, lease_until: int) -> list[Lease]:
        left = _CapacityLeft(room)
        plans = PlanCapacity(self._db)
        passed: list[str] = []  # runs whose waiting subtasks are all in other hands
        taken: list[WaitingSubtask] = []
        while left.slots > 0:
            limit = left.slots
            full = plans.full
            waiting = self._queue(limit, passed, plans)
            permitted = plans.permit(waiting)
            if len(permitted) < len(waiting) and plans.full != full:
                continue  # look past the accounts that have just turned out to be full
            planned = _fitting(permitted, left.copy())
            if not planned:
                break
            got = self._claim(planned, left, plans)
            taken += got
            if not got:
                passed += {item.run_id: None for item in planned}
            elif len(got) == len(planned) < max(len(permitted), limit):
                break  # the next one does not fit, or there is none
        return self._make_attempts(runner_id, lease_until, taken) if taken else []

    def _queue(self, limit: int, passed: list[str], plans: PlanCapacity) -> list[WaitingSubtask]:
        full = plans.full
        started = plans.started_of(full)
        statement = queue_query(self._db, limit, len(passed), len(full), len(started))
        found = self._db.exec_driver_sql(statement, (*full, *started, *passed))
        return [WaitingSubtask(*row) for row in found]

    def _claim(
        self, planned: list[WaitingSubtask], left: _CapacityLeft, plans: PlanCapacity
    ) -> list[WaitingSubtask]:
        """Mark as running what can be had of the plan's runs, and count the room down."""
        if not is_sqlite(self._db):
            planned = plans.confirm(self._lock(planned))
        got = []
        for item in planned:
            if not left.take(item):
                break
            got.append(item)
        if got:
            change = (
                update(subtasks)
                .where(
                    subtasks.c.run_id == bindparam("of_run"),
                    subtasks.c.ordinal == bindparam("at_ordinal"),
                )
                .values(state=str(SubtaskState.RUNNING))
            )
            keys = [{"of_run": item.run_id, "at_ordinal": item.ordinal} for item in got]
            self._db.execute(change, keys)
            plans.take(got)
        return got

    def _lock(self, planned: list[WaitingSubtask]) -> list[WaitingSubtask]:
        """Steps 2 and 3 above: at most as many as planned, of the same runs, in order."""
        of_run = {item.run_id: item for item in planned}
        shared = (
            select(runs.c.id, runs.c.state)
            .where(runs.c.id.in_(of_run))
            .order_by(runs.c.id)
            .with_for_update(read=True)
        )
        open_runs = [
            row.id for row in self._db.execute(shared) if row.state in ("ready", "running")
        ]
        free = (
            select(subtasks.c.run_id, subtasks.c.ordinal)
            .where(text("state = 'waiting'"), subtasks.c.run_id.in_(open_runs))
            .order_by(subtasks.c.run_id, subtasks.c.ordinal)
            .limit(len(planned))
            .with_for_update(skip_locked=True)
        )
        return [replace(of_run[row.run_id], ordinal=row.ordinal) for row in self._db.execute(free)]

    def _make_attempts(
        self, runner_id: str, lease_until: int, taken: Sequence[WaitingSubtask]
    ) -> list[Lease]:
        run_of = runs_by_id(self._db, {item.run_id for item in taken})
        subtask_of = self._subtasks_by_key([(item.run_id, item.ordinal) for item in taken])
        leases = []
        for item in taken:
            subtask = subtask_of[item.run_id, item.ordinal]
            attempt = _fresh_attempt(subtask, runner_id, lease_until)
            leases.append(Lease(attempt, subtask, run_of[item.run_id]))
        rows = [columns(lease.attempt) | {"memory_bytes": 0} for lease in leases]
        self._db.execute(insert(attempts), rows)
        return leases

    def _subtasks_by_key(self, keys: list[tuple[str, int]]) -> dict[tuple[str, int], Subtask]:
        query = select(subtasks).where(tuple_(subtasks.c.run_id, subtasks.c.ordinal).in_(keys))
        found = (record(row, Subtask) for row in self._db.execute(query).mappings())
        return {(subtask.run_id, subtask.ordinal): subtask for subtask in found}


def _fitting(waiting: list[WaitingSubtask], left: _CapacityLeft) -> list[WaitingSubtask]:
    """Return the head of the queue up to the first that does not fit: were it passed over,
    small ones behind it could keep it waiting for ever.
    """
    fitting = []
    for item in waiting:
        if not left.take(item):
            break
        fitting.append(item)
    return fitting


def _fresh_attempt(subtask: Subtask, runner_id: str, lease_until: int) -> Attempt:
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
        **counters,
    )
