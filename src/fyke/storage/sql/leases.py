"""Leasing: which waiting subtasks go to a runner that has room.

On SQLite the transaction has the database to itself, and one look at the queue settles it. On
PostgreSQL several runners lease at once. The order of locks is the same for all who change a
run's subtasks, the run first, so that nobody waits in a circle:

1. look at the queue without locks and see what fits;
2. lock the runs of it in shared mode, which waits for whoever is ending one of them, and then
   tells truly which may still start something;
3. lock waiting subtasks of these runs, passing over those that another runner has in hand.

When others were quicker with all subtasks of these runs, look again without these runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text, tuple_, update

from fyke.domain.contracts import Lease, Room
from fyke.domain.runs.model import Attempt, Subtask, SubtaskState
from fyke.kit.ids import new_ulid
from fyke.storage.sql.dialects import driver_sql, is_sqlite
from fyke.storage.sql.records import columns, record
from fyke.storage.sql.run_rows import runs_by_id
from fyke.storage.sql.tables import attempts, runs, subtasks

# Sums of shares such as 0.1 + 0.2 must not cost a slot.
_TOLERANCE = 1e-9

# CROSS JOIN keeps SQLite from starting at the runs: the queue is short, their history is not.
QUEUE = (
    "SELECT s.run_id, s.ordinal, r.cpus, r.memory_mb"
    " FROM subtasks s {join} runs r {on} r.id = s.run_id"
    " WHERE s.state = 'waiting' AND r.state IN ('ready', 'running'){besides}"
    " ORDER BY s.run_id, s.ordinal LIMIT {limit}"
)


@dataclass(frozen=True, slots=True)
class _Waiting:
    run_id: str
    ordinal: int
    cpus: float
    memory_mb: int


class _RoomLeft:
    """Counts down while subtasks are fitted in."""

    def __init__(self, room: Room) -> None:
        self.cpus = room.cpus
        self.memory_mb = room.memory_mb
        self.slots = room.slots

    def copy(self) -> _RoomLeft:
        return _RoomLeft(Room(self.cpus, self.memory_mb, self.slots))

    def take(self, waiting: _Waiting) -> bool:
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


def queue_query(connection: Connection, limit: int, besides: int = 0) -> str:
    """Return the query for the head of the queue, without ``besides`` runs named as values."""
    sqlite = is_sqlite(connection)
    marks = ", ".join("?" * besides)
    statement = QUEUE.format(
        join="CROSS JOIN" if sqlite else "JOIN",
        on="ON",
        besides=f" AND s.run_id NOT IN ({marks})" if besides else "",
        limit=int(limit),
    )
    return driver_sql(connection, statement)


class LeaseTable:
    """The part of ``contracts.RunStore`` that hands out work."""

    _db: Connection

    def lease(self, runner_id: str, room: Room, lease_until: int) -> list[Lease]:
        left = _RoomLeft(room)
        passed: list[str] = []  # runs whose waiting subtasks are all in other hands
        taken: list[_Waiting] = []
        while left.slots > 0:
            limit = left.slots
            waiting = self._queue(limit, passed)
            planned = _fitting(waiting, left.copy())
            if not planned:
                break
            got = self._claim(planned, left)
            taken += got
            if not got:
                passed += {item.run_id: None for item in planned}
            elif len(got) == len(planned) < max(len(waiting), limit):
                break  # the next one does not fit, or there is none
        return self._make_attempts(runner_id, lease_until, taken) if taken else []

    def _queue(self, limit: int, passed: list[str]) -> list[_Waiting]:
        statement = queue_query(self._db, limit, len(passed))
        found = self._db.exec_driver_sql(statement, tuple(passed))
        return [_Waiting(*row) for row in found]

    def _claim(self, planned: list[_Waiting], left: _RoomLeft) -> list[_Waiting]:
        """Mark as running what can be had of the plan's runs, and count the room down."""
        if not is_sqlite(self._db):
            planned = self._lock(planned)
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
        return got

    def _lock(self, planned: list[_Waiting]) -> list[_Waiting]:
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
        return [
            _Waiting(row.run_id, row.ordinal, of_run[row.run_id].cpus, of_run[row.run_id].memory_mb)
            for row in self._db.execute(free)
        ]

    def _make_attempts(
        self, runner_id: str, lease_until: int, taken: Sequence[_Waiting]
    ) -> list[Lease]:
        run_of = runs_by_id(self._db, {item.run_id for item in taken})
        subtask_of = self._subtasks_by_key([(item.run_id, item.ordinal) for item in taken])
        leases = []
        for item in taken:
            subtask = subtask_of[item.run_id, item.ordinal]
            attempt = _fresh_attempt(subtask, runner_id, lease_until)
            leases.append(Lease(attempt, subtask, run_of[item.run_id]))
        self._db.execute(insert(attempts), [columns(lease.attempt) for lease in leases])
        return leases

    def _subtasks_by_key(self, keys: list[tuple[str, int]]) -> dict[tuple[str, int], Subtask]:
        query = select(subtasks).where(tuple_(subtasks.c.run_id, subtasks.c.ordinal).in_(keys))
        found = (record(row, Subtask) for row in self._db.execute(query).mappings())
        return {(subtask.run_id, subtask.ordinal): subtask for subtask in found}


def _fitting(waiting: list[_Waiting], left: _RoomLeft) -> list[_Waiting]:
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
