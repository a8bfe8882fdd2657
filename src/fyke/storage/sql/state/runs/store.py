"""Runs, their events and their subtasks. Other modules have the other parts of ``RunStore``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    text,
    tuple_,
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
from fyke.reasons import ReasonCode
from fyke.storage.sql.dialects import (
    fetch_one,
    is_sqlite,
    locking,
    run_sql,
    to_storable_text,
)
from fyke.storage.sql.prepared import Prepared
from fyke.storage.sql.state.installation import RunnerTable
from fyke.storage.sql.state.records import SqlStore, columns, many, reason_values, record
from fyke.storage.sql.state.runs.attempts import AttemptTable
from fyke.storage.sql.state.runs.counts import RunCounts
from fyke.storage.sql.state.runs.leases import LeaseTable
from fyke.storage.sql.state.runs.lists import NARROW
from fyke.storage.sql.state.runs.tables import (
    ENDED_COUNTERS,
    attempts,
    run_columns,
    run_events,
    run_of,
    runs,
    runs_by_id,
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

    def ordinals_in_events(self, run_id: str) -> dict[str, int]:
        numbers = select(run_events.c.number).where(run_events.c.run_id == run_id)
        query = select(subtasks.c.number, subtasks.c.ordinal).where(
            subtasks.c.run_id == run_id, subtasks.c.number.in_(numbers)
        )
        return {row.number: row.ordinal for row in self._db.execute(query)}

    def subtask_page(self, run_id: str, *, offset: int, limit: int) -> list[Subtask]:
        query = select(subtasks).where(subtasks.c.run_id == run_id)
        page = query.order_by(subtasks.c.ordinal).limit(limit).offset(offset)
        return many(self._db.execute(page), Subtask)

    def count_subtasks(self, run_id: str, reason: ReasonCode, param: str = "") -> int:
        query = select(func.count()).where(
            subtasks.c.run_id == run_id, subtasks.c.reason_code == reason.value
        )
        if param:  # quotes within the texts of other parameters are escaped
            query = query.where(subtasks.c.reason_params.contains(f'"{param}":', autoescape=True))
        return int(self._db.execute(query).scalar_one())

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
            fetch_one(self._db, _SOME + lock, (to_storable_text(run_id),))


def _end_values(end: End) -> dict[str, str]:
    return {
        "state": str(SubtaskState.ENDED),
        "outcome": str(end.outcome),
        "err_msg": end.message,
        **reason_values(end.reason),
    }


_BY_ID = "SELECT * FROM runs WHERE id = ?"
_SOME = "SELECT 1 FROM runs WHERE id = ?"
_LEFT = "SELECT subtasks - subtasks_ended AS n FROM runs WHERE id = ?"
_COUNT_ENDED = "UPDATE runs SET subtasks_ended = subtasks_ended + ? WHERE id = ?"
_FIXED = {
    "id", "account_id", "worker_id", "version", "task_id", "key_id", "origin", "created_at",
    "cpus", "memory_mb", "timeout_s", "max_charge_micros", "max_traffic_bytes", "bound",
    "browser_cpus", "browser_memory_mb", "browser_mode", "browser_program", "max_retries",
    "pool", "pool_asked", "labels", "region_of_node", "operators_worker", "environment",
    "region", "egress_allow", "browser_block", "input_json", "summary", "callback_url", "subtasks",
    "subtasks_ended", *(f"ended_{name}" for name in ENDED_COUNTERS),
}  # fmt: skip
_NOTHING_ENDED = dict.fromkeys(("subtasks_ended", *(f"ended_{name}" for name in ENDED_COUNTERS)), 0)
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
# of an alias, which SQLAlchemy would write after INDEXED BY
_COLUMNS = {column.name: literal_column(f"newest.{column.name}", column.type) for column in runs.c}
_ALL_FACTS = "ix_runs_account_id_created_at_id_and_facts"
_BY_STATE = "ix_runs_account_id_state_created_at_id"
_OPEN_STATES = tuple(state for state in RunState if not state.terminal)


class SqlRuns(SubtaskTable, AttemptTable, LeaseTable, RunnerTable):
    """Implements ``RunStore``. ``hiding``: the outcomes of attempts whose rows are hidden. ``now``
    returns the time of the transaction, and ``time_sql`` an expression for it with its parameters,
    for a statement that is the only one of its transaction.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        counts: RunCounts,
        hiding: frozenset[str],
        now: Callable[[], int],
        time_sql: Callable[[], tuple[str, tuple[int, ...]]],
    ) -> None:
        self._db = connection
        self._counts = counts
        self._hiding = hiding
        self._now = now
        self._time_sql = time_sql

    def add(self, run: Run, subtasks: Sequence[Subtask]) -> None:
        _ADD.run(self._db, run_columns(run) | _NOTHING_ENDED)
        rows = [columns(subtask) | {"pool": run.pool} for subtask in subtasks]
        _ADD_SUBTASK.run_many(self._db, rows)
        self._counts.add(run.account_id, run.worker_id, run.state, 1)

    def get(self, run_id: str) -> Run | None:
        return self._get(_BY_ID, run_id)

    def get_all(self, run_ids: Collection[str]) -> dict[str, Run]:
        return runs_by_id(self._db, map(to_storable_text, run_ids))

    def lock(self, run_id: str) -> Run | None:
        return self._get(_BY_ID + locking(self._db, "FOR NO KEY UPDATE"), run_id)

    def lock_if_free(self, run_id: str) -> bool:
        clause = locking(self._db, "FOR NO KEY UPDATE SKIP LOCKED")
        return self._get(_BY_ID + clause, run_id) is not None

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
        total = self._counts.total(account_id, filter)
        few = total <= NARROW
        if total and (filter.created_from or filter.created_until):
            total = self._within_times(account_id, filter, few=few)
        if offset >= total:
            return total, []
        limit = min(limit, total - offset)  # a longer scan for more would find none
        query = page_query(self._db, account_id, filter, offset=offset, limit=limit, few=few)
        return total, [run_of(row) for row in self._db.execute(query).mappings()]

    def _within_times(self, account_id: str, filter: RunFilter, *, few: bool) -> int:
        """The number of matches, counted. When few runs of a worker are in other states, these are
        subtracted from all, because the index without states is many times faster. Without a worker
        and states, SQLite would count in the index with all columns of filters, whose entries are
        twice as large as those of the index of states.
        """
        if filter.worker_id is None and not filter.states and is_sqlite(self._db):
            of_all_states = replace(filter, states=tuple(RunState))
            return self._count(_ids_by(self._db, account_id, of_all_states, _BY_STATE))
        if not few and filter.states and filter.worker_id is not None:
            ended = replace(filter, states=_without(filter.states, TERMINAL_STATES))
            open_ = replace(filter, states=_without(filter.states, _OPEN_STATES))
            # open runs are found by their state, so those of other workers are read as well
            of_account = replace(open_, worker_id=None)
            if self._few(account_id, ended) and self._few(account_id, of_account):
                counted = self._count(_ids(self._db, account_id, replace(filter, states=())))
                if ended.states:
                    counted -= self._count(_ids(self._db, account_id, ended, few=True))
                if open_.states:
                    counted -= self._count(_ids_by(self._db, account_id, open_, _BY_STATE))
                return counted
        return self._count(_ids(self._db, account_id, filter, few=few))

    def _few(self, account_id: str, filter: RunFilter) -> bool:
        """Whether few runs are in the states of the filter, at any time."""
        return not filter.states or self._counts.total(account_id, filter) <= NARROW

    def _count(self, ids: Select[Any]) -> int:
        count = select(func.count()).select_from(ids.subquery())
        return int(self._db.execute(count).scalar_one())

    def newest(self, account_id: str, worker_id: str | None) -> str | None:
        return self._db.execute(newest_query(self._db, account_id, worker_id)).scalar()

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

    def reserve_browser(self, run: Run) -> None:
        values = run_columns(run)
        names = "browser_cpus", "browser_memory_mb", "hold_micros", "bound"
        changed = {name: values[name] for name in names}
        self._db.execute(update(runs).where(runs.c.id == run.id).values(**changed))

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

    def finished_after(
        self, last: tuple[int, str], before: int, limit: int
    ) -> list[tuple[int, str]]:
        place = tuple_(runs.c.finished_at, runs.c.id)
        query = (
            select(runs.c.finished_at, runs.c.id)
            .where(_FINISHED, place > tuple_(*last), runs.c.finished_at < before)
            .where(runs.c.state.in_([str(state) for state in TERMINAL_STATES]))
            .order_by(runs.c.finished_at, runs.c.id)
            .limit(limit)
        )
        return [(at, run_id) for at, run_id in self._db.execute(query)]

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


def _without(excluded: tuple[RunState, ...], states: tuple[RunState, ...]) -> tuple[RunState, ...]:
    return tuple(state for state in states if state not in excluded)


def _conditions(account_id: str, filter: RunFilter) -> list[ColumnElement[bool]]:
    conditions = [_COLUMNS["account_id"] == account_id]
    if filter.states:
        conditions.append(_COLUMNS["state"].in_([str(state) for state in filter.states]))
    if filter.worker_id is not None:
        conditions.append(_COLUMNS["worker_id"] == filter.worker_id)
    if filter.created_from:
        conditions.append(_COLUMNS["created_at"] >= filter.created_from)
    if filter.created_until:
        conditions.append(_COLUMNS["created_at"] < filter.created_until)
    return conditions


def page_query(
    connection: Connection,
    account_id: str,
    filter: RunFilter,
    *,
    offset: int,
    limit: int,
    few: bool = False,
) -> Select[Any]:
    """Return the query of one page. The ids come from an index alone. ``few``: only a few runs
    match.

    No index has the order over several states, so the newest of each state are merged.
    """
    if len(filter.states) > 1 and filter.worker_id is None:
        parts = []
        for state in dict.fromkeys(filter.states):
            of_state = replace(filter, states=(state,))
            newest = _newest_first(_ids(connection, account_id, of_state, few=few))
            parts.append(newest.limit(offset + limit).subquery())
        ids = union_all(*(select(part.c.id, part.c.created_at) for part in parts)).subquery()
        newest = _newest_first(select(ids.c.id, ids.c.created_at))
    else:
        newest = _newest_first(_ids(connection, account_id, filter, few=few))
    ids = newest.limit(limit).offset(offset).subquery()
    page = select(runs).where(runs.c.id.in_(select(ids.c.id)))
    return page.order_by(runs.c.created_at.desc(), runs.c.id.desc())


def past_query(account_id: str, worker_id: str, within: int) -> Select[Any]:
    """Return the query of ``past_runs``. It reads only the last runs, from an index."""
    past = runs.alias("past")
    times = "outcome", "started_at", "gap_ms", "created_at", "id"
    names = "version", "cpus", "subtasks", "busy_ms", "cpu_ms", "traffic_bytes", "browser_ms"
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


def newest_query(connection: Connection, account_id: str, worker_id: str | None) -> Select[Any]:
    """Return the query of ``newest``, which reads one index entry."""
    of_worker = RunFilter(worker_id=worker_id)
    return _newest_first(_ids(connection, account_id, of_worker, few=False)).limit(1)


def _newest_first(ids: Select[Any]) -> Select[Any]:
    names = ids.selected_columns
    return ids.order_by(names.created_at.desc(), names.id.desc())


def _ids(
    connection: Connection, account_id: str, filter: RunFilter, *, few: bool = False
) -> Select[Any]:
    """The ids and times of the runs that match.

    The index of ended runs of a Worker is not in the order of the list. If few runs match, it finds
    them, and they are sorted; else the index with all columns of filters is scanned. Without
    statistics SQLite would choose the index of the Worker, and read the rows of its other runs.
    """
    by_end, index = False, ""
    if filter.states and filter.worker_id is not None:
        by_end = few and all(state.terminal for state in filter.states)
        index = "ix_runs_ended_of_worker" if by_end else _ALL_FACTS
    query = _ids_by(connection, account_id, filter, index)
    if not by_end:
        return query
    query = query.where(_COLUMNS["finished_at"] > literal_column("0"))
    if is_sqlite(connection):
        return query
    # without OFFSET, PostgreSQL might scan all runs in list order for the first that match
    found = query.offset(0).subquery()
    return select(found.c.id, found.c.created_at)


def _ids_by(connection: Connection, account_id: str, filter: RunFilter, index: str) -> Select[Any]:
    """The ids and times of the runs that match, on SQLite from ``index`` if there is one."""
    by = f" INDEXED BY {index}" if index and is_sqlite(connection) else ""
    names = (_COLUMNS[name].label(name) for name in ("id", "created_at"))
    conditions = _conditions(account_id, filter)
    return select(*names).select_from(text(f"runs AS newest{by}")).where(*conditions)
