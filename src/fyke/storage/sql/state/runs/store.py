"""Runs, their events and their subtasks. Other modules have the other parts of ``RunStore``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    text,
    union_all,
    update,
)

from fyke.model.run import (
    TERMINAL_STATES,
    End,
    Outcome,
    PastRun,
    Run,
    RunEvent,
    RunFilter,
    RunState,
    Subtask,
    SubtaskState,
)
from fyke.storage.sql.dialects import driver_sql, fetch_one, locking, run_sql, to_storable_text
from fyke.storage.sql.prepared import Prepared
from fyke.storage.sql.state.installation import RunnerTable
from fyke.storage.sql.state.records import SqlStore, columns, many, reason_values, record
from fyke.storage.sql.state.runs.attempts import AttemptTable
from fyke.storage.sql.state.runs.counts import RunCounts
from fyke.storage.sql.state.runs.leases import LeaseTable
from fyke.storage.sql.state.runs.tables import (
    attempts,
    run_columns,
    run_events,
    run_of,
    runs,
    subtasks,
)

# literals, because a partial index is used only if the statement has its condition verbatim
_WAITING = text("state = 'waiting'")

_SUBTASKS = Prepared(
    select(subtasks).where(subtasks.c.run_id == bindparam("of_run")).order_by(subtasks.c.ordinal)
)
_ADD_SUBTASK = Prepared(insert(subtasks), *(column.name for column in subtasks.c))
_END_SUBTASK = Prepared(
    update(subtasks).where(
        subtasks.c.run_id == bindparam("of_run"),
        subtasks.c.ordinal == bindparam("at_ordinal"),
        subtasks.c.state != str(SubtaskState.ENDED),
    ),
    *("state", "outcome", "err_msg", "reason_code", "reason_params"),
)


class SubtaskTable(SqlStore):
    """The part of ``RunStore`` for subtasks."""

    def subtasks(self, run_id: str) -> list[Subtask]:
        return [record(row, Subtask) for row in _SUBTASKS.rows(self._db, {"of_run": run_id})]

    def subtask_page(self, run_id: str, *, offset: int, limit: int) -> list[Subtask]:
        query = select(subtasks).where(subtasks.c.run_id == run_id)
        page = query.order_by(subtasks.c.ordinal).limit(limit).offset(offset)
        return many(self._db.execute(page), Subtask)

    def end_subtask(self, run_id: str, ordinal: int, end: End) -> bool:
        self._lock_run(run_id)
        values = _end_values(end) | {"of_run": run_id, "at_ordinal": ordinal}
        ended = _END_SUBTASK.run(self._db, values) > 0
        if ended:
            self._count_ended(run_id, 1)
        return ended

    def return_subtask(self, run_id: str, ordinal: int, not_before: int) -> None:
        self._lock_run(run_id)
        change = update(subtasks).where(
            subtasks.c.run_id == run_id,
            subtasks.c.ordinal == ordinal,
            subtasks.c.state == str(SubtaskState.RUNNING),
        )
        waiting = str(SubtaskState.WAITING)
        self._db.execute(change.values(state=waiting, not_before=not_before))

    def end_waiting_subtasks(self, run_id: str, end: End) -> int:
        self._lock_run(run_id)
        change = update(subtasks).where(subtasks.c.run_id == run_id, _WAITING)
        ended = self._db.execute(change.values(**_end_values(end))).rowcount
        if ended:
            self._count_ended(run_id, ended)
        return ended

    def subtasks_left(self, run_id: str) -> int:
        row = fetch_one(self._db, _LEFT, (to_storable_text(run_id),))
        return 0 if row is None else int(row["n"])

    def _count_ended(self, run_id: str, n: int) -> None:
        run_sql(self._db, _COUNT_ENDED, (n, to_storable_text(run_id)))

    def _lock_run(self, run_id: str) -> None:
        """Lock the run: no subtask may change while another transaction has ``RunStore.lock``."""
        lock = locking(self._db, "FOR NO KEY UPDATE")
        if lock:
            statement = driver_sql(self._db, "SELECT 1 FROM runs WHERE id = ?") + lock
            self._db.exec_driver_sql(statement, (to_storable_text(run_id),))


def _end_values(end: End) -> dict[str, str]:
    return {
        "state": str(SubtaskState.ENDED),
        "outcome": str(end.outcome),
        "err_msg": end.message,
        **reason_values(end.reason),
    }


_BY_ID = "SELECT * FROM runs WHERE id = ?"
_LEFT = "SELECT subtasks - subtasks_ended AS n FROM runs WHERE id = ?"
_COUNT_ENDED = "UPDATE runs SET subtasks_ended = subtasks_ended + ? WHERE id = ?"
_FIXED = {
    "id", "account_id", "worker_id", "version", "task_id", "key_id", "origin", "created_at",
    "cpus", "memory_mb", "timeout_s", "max_charge_micros", "max_traffic_bytes", "bound",
    "region", "egress_allow", "input_json", "summary", "callback_url", "subtasks",
    "subtasks_ended",
}  # fmt: skip
_MUTABLE = tuple(column.name for column in runs.c if column.name not in _FIXED)
_ADD = Prepared(insert(runs), *(column.name for column in runs.c))
_MOVE = Prepared(
    update(runs).where(
        runs.c.id == bindparam("of_id"), runs.c.state == bindparam("expected_state")
    ),
    *_MUTABLE,
)
_ADD_EVENT = Prepared(
    insert(run_events), *(column.name for column in run_events.c if column.name != "seq")
)
_USED_FOR_ESTIMATES = (str(Outcome.SUCCEEDED), str(Outcome.TIMEOUT))
_FINISHED = runs.c.finished_at > literal_column("0")


class SqlRuns(SubtaskTable, AttemptTable, LeaseTable, RunnerTable):
    """Implements ``RunStore``. ``hiding``: the outcomes of attempts whose rows are hidden. ``now``
    returns the time of the transaction.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        counts: RunCounts,
        hiding: frozenset[str],
        now: Callable[[], int],
    ) -> None:
        self._db = connection
        self._counts = counts
        self._hiding = hiding
        self._now = now

    def add(self, run: Run, subtasks: Sequence[Subtask]) -> None:
        _ADD.run(self._db, run_columns(run) | {"subtasks_ended": 0})
        self._add_subtasks(subtasks)
        self._counts.add(run.account_id, run.worker_id, run.state, 1)

    def _add_subtasks(self, new: Sequence[Subtask]) -> None:
        _ADD_SUBTASK.run_many(self._db, [columns(subtask) for subtask in new])

    def get(self, run_id: str) -> Run | None:
        return self._get(_BY_ID, run_id)

    def lock(self, run_id: str) -> Run | None:
        return self._get(_BY_ID + locking(self._db, "FOR NO KEY UPDATE"), run_id)

    def lock_all(self, run_ids: Collection[str]) -> list[Run]:
        if not run_ids:
            return []
        query = select(runs).where(runs.c.id.in_(run_ids)).order_by(runs.c.id)
        locked = self._db.execute(query.with_for_update(key_share=True))  # FOR NO KEY UPDATE
        return [run_of(row) for row in locked.mappings()]

    def _get(self, statement: str, run_id: str) -> Run | None:
        row = fetch_one(self._db, statement, (to_storable_text(run_id),))
        return None if row is None else run_of(row)

    def open_of_task(self, task_id: str, other_than: str = "") -> str | None:
        is_open = text("runs.finished_at = 0 AND runs.task_id <> ''")
        of_task = runs.c.task_id == task_id, runs.c.id != other_than
        query = select(runs.c.id).where(is_open, *of_task).order_by(runs.c.id).limit(1)
        return self._db.execute(query).scalars().first()

    def page(
        self, account_id: str, filter: RunFilter, *, offset: int, limit: int
    ) -> tuple[int, list[Run]]:
        if filter.created_from or filter.created_until:
            conditions = _conditions(runs, account_id, filter)
            count = select(func.count()).select_from(runs).where(*conditions)
            total = self._db.execute(count).scalar_one()
        else:
            total = self._counts.total(account_id, filter)
        rows = self._db.execute(page_query(account_id, filter, offset=offset, limit=limit))
        return total, [run_of(row) for row in rows.mappings()]

    def newest(self, account_id: str, worker_id: str | None) -> str | None:
        return self._db.execute(newest_query(account_id, worker_id)).scalar()

    def move(self, run: Run, expected: RunState) -> bool:
        values = run_columns(run)
        changed = {name: values[name] for name in _MUTABLE}
        moved = (
            _MOVE.run(self._db, changed | {"of_id": run.id, "expected_state": str(expected)}) > 0
        )
        if moved:
            self._counts.add(run.account_id, run.worker_id, expected, -1)
            self._counts.add(run.account_id, run.worker_id, run.state, 1)
        return moved

    def add_event(self, event: RunEvent) -> None:
        _ADD_EVENT.run(self._db, columns(event))

    def events(self, run_id: str) -> list[RunEvent]:
        query = select(run_events).where(run_events.c.run_id == run_id)
        return many(self._db.execute(query.order_by(run_events.c.seq)), RunEvent)

    def delete(self, run_id: str) -> None:
        # subtasks, attempts, events and deliveries are deleted by cascade
        run = self.lock(run_id)
        if run is not None:
            self._db.execute(delete(runs).where(runs.c.id == run_id))
            self._counts.add(run.account_id, run.worker_id, run.state, -1)

    def past_runs(self, account_id: str, worker_id: str, within: int) -> list[PastRun]:
        return many(self._db.execute(past_query(account_id, worker_id, within)), PastRun)

    def finished_before(self, at: int, limit: int) -> list[str]:
        query = (
            select(runs.c.id)
            .where(_FINISHED, runs.c.finished_at < at)
            .where(runs.c.state.in_([str(state) for state in TERMINAL_STATES]))
            .order_by(runs.c.finished_at, runs.c.id)
            .limit(limit)
        )
        return list(self._db.execute(query).scalars())

    def not_started(self, worker_id: str, limit: int) -> list[str]:
        # from the queue, which is short, however many past runs there are
        waiting = select(subtasks.c.run_id).where(text("subtasks.state = 'waiting'"))
        active = select(attempts.c.run_id).where(attempts.c.outcome.is_(None))
        query = (
            select(runs.c.id)
            .where(runs.c.worker_id == worker_id, runs.c.state == str(RunState.READY))
            .where(runs.c.id.in_(waiting), runs.c.id.not_in(active))
        )
        return list(self._db.execute(query.order_by(runs.c.id).limit(limit)).scalars())


def _conditions(table: FromClause, account_id: str, filter: RunFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [table.c.account_id == account_id]
    if filter.states:
        conditions.append(table.c.state.in_([str(state) for state in filter.states]))
    if filter.worker_id is not None:
        conditions.append(table.c.worker_id == filter.worker_id)
    if filter.created_from:
        conditions.append(table.c.created_at >= filter.created_from)
    if filter.created_until:
        conditions.append(table.c.created_at < filter.created_until)
    return conditions


def page_query(account_id: str, filter: RunFilter, *, offset: int, limit: int) -> Select[Any]:
    """Return the query of one page. The ids come from an index alone.

    No index has the order over several states, so the newest of each state are merged.
    """
    if len(filter.states) > 1:
        parts = []
        for state in dict.fromkeys(filter.states):
            of_state = replace(filter, states=(state,))
            parts.append(_newest_ids(account_id, of_state).limit(offset + limit).subquery())
        merged = union_all(*(select(part.c.id, part.c.created_at) for part in parts)).subquery()
        newest = select(merged).order_by(merged.c.created_at.desc(), merged.c.id.desc())
    else:
        newest = _newest_ids(account_id, filter)
    ids = newest.limit(limit).offset(offset).subquery()
    page = select(runs).where(runs.c.id.in_(select(ids.c.id)))
    return page.order_by(runs.c.created_at.desc(), runs.c.id.desc())


def past_query(account_id: str, worker_id: str, within: int) -> Select[Any]:
    """Return the query of ``past_runs``. It reads only the last runs, from an index."""
    past = runs.alias("past")
    times = "outcome", "started_at", "gap_ms", "created_at", "id"
    names = "version", "cpus", "subtasks", "busy_ms", "cpu_ms", "traffic_bytes"
    last = (
        select(
            *(past.c[name] for name in (*names, *times)),
            past.c.finished_at.label("at"),
        )
        .where(past.c.account_id == account_id, past.c.worker_id == worker_id)
        .order_by(past.c.created_at.desc(), past.c.id.desc())
        .limit(within)
        .subquery()
    )
    duration = (last.c.at - last.c.started_at - last.c.gap_ms).label("wall_ms")
    query = select(*(last.c[name] for name in names), last.c.at, duration)
    query = query.where(
        last.c.started_at > 0, last.c.at > 0, last.c.outcome.in_(_USED_FOR_ESTIMATES)
    )
    return query.order_by(last.c.created_at.desc(), last.c.id.desc())


def newest_query(account_id: str, worker_id: str | None) -> Select[Any]:
    """Return the query of ``newest``, which reads one index entry."""
    return _newest_ids(account_id, RunFilter(worker_id=worker_id)).limit(1)


def _newest_ids(account_id: str, filter: RunFilter) -> Select[Any]:
    """An alias, so that the subquery is not correlated with the table of the page."""
    newest = runs.alias("newest")
    conditions = _conditions(newest, account_id, filter)
    query = select(newest.c.id, newest.c.created_at).where(*conditions)
    return query.order_by(newest.c.created_at.desc(), newest.c.id.desc())
