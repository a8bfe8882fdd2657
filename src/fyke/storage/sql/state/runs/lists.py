"""Lists of an account's runs, with any combination of filters.

A query costs the same with a million past runs as with a thousand. The filters determine the
index. A filter only by states, reasons, outcomes of runs that did not succeed, origins, worker,
task or version has an index in list order, of which one page is read. All other combinations scan
one index that covers all filter columns, so that a run that does not match costs a fraction of a
microsecond: that of one reason or outcome if the search names one, else that of all runs. A search
in error messages reads the runs with an error. Both scan in steps until a page is full, stop at a
limit and return the last scanned run. A search for a worker and states that no run has, by the
counters, scans nothing.

When the first step does not fill the page, and one of the filters alone is *narrow* (at most
``NARROW`` runs match it, counted in its index), these runs are read instead, and the search is
complete.

The statements are text, because on SQLite they name the index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, case, func, literal_column, select, text

from fyke.domain.runs.summary import MAX_INPUT_CHARS
from fyke.model.run import Origin, RunFilter, RunState
from fyke.model.run_list import (
    AttemptPoint,
    ListCursor,
    ListWalk,
    RunLine,
    RunPoint,
    RunSearch,
    RunsOf,
    RunsOverTime,
    TimeSteps,
)
from fyke.storage.sql.dialects import is_sqlite, to_storable_text
from fyke.storage.sql.state.records import SqlStore, record
from fyke.storage.sql.state.runs import pictures
from fyke.storage.sql.state.runs.counts import RunCounts
from fyke.storage.sql.state.runs.list_query import BY_ERROR, BY_WORKER, NEWEST, IndexScan, ListQuery
from fyke.storage.sql.state.runs.tables import run_counts, runs

SCAN_LIMIT = 100_000  # runs, in an index
FIRST_STEP = 1_000
COUNT_SCAN_LIMIT = 20_000  # of these, once there are enough for a page
ERROR_SCAN_LIMIT = 10_000  # runs whose message is read
NARROW = 1_000  # runs that are read without a scan
INPUTS_SEARCHED = 500  # runs, for recent inputs
INPUTS_READ = 50  # runs whose input is read, which may be long
INPUTS_STEP = 10

_COUNTED = frozenset({"states", "worker_id"})
_NOTHING: Any = literal_column("''")
_SHORT = func.length(runs.c.input_json) <= MAX_INPUT_CHARS
_SHORT_INPUT = case((_SHORT, runs.c.input_json), else_=_NOTHING)
_INPUT = case(((runs.c.summary == "") & _SHORT, runs.c.input_json), else_=_NOTHING).label(
    "input_json"
)
_COMPUTED = ("input_json", "reason")
_LINE = [
    _INPUT,
    runs.c.reason_code,
    runs.c.reason_params,
    *(runs.c[field.name] for field in fields(RunLine) if field.name not in _COMPUTED),
]


class SqlRunLists(SqlStore):
    """Implements ``RunListStore``."""

    def __init__(self, connection: Connection, counts: RunCounts) -> None:
        super().__init__(connection)
        self._counts = counts

    # --- walking ---------------------------------------------------------------------------

    def walk(
        self,
        account_id: str,
        search: RunSearch,
        start: ListCursor | None,
        *,
        limit: int,
        newer: bool = False,
        enough: int | None = None,
    ) -> ListWalk:
        query = ListQuery(self._db, account_id, search, start, newer=newer)
        scans = query.scans()
        if not any(scan.checked for scan in scans):
            return ListWalk(self._page(query, scans, None, limit))
        if not self._counted(account_id, search):
            return ListWalk([])
        most = ERROR_SCAN_LIMIT if scans[0].index == BY_ERROR else SCAN_LIMIT
        found: list[ListCursor] = []
        stopped = start
        scanned = 0
        for number, step in enumerate(_steps(most)):
            # an id is narrow, a part usually; other filters are usually found in the first step
            if number == (0 if search.run_id else 1):
                query = ListQuery(self._db, account_id, search, start, newer=newer)
                if narrow := self._narrow(query):
                    return ListWalk(self._run(query.of_narrow(narrow), query, limit))
            query = ListQuery(self._db, account_id, search, stopped, newer=newer)
            [scan] = query.scans()
            stopped = self._scan_end(query, scan, step)
            found += self._page(query, [scan], stopped, limit - len(found))
            if len(found) == limit or stopped is None:
                return ListWalk(found)
            scanned += step
            if enough is not None and len(found) >= enough and scanned >= COUNT_SCAN_LIMIT:
                return ListWalk(found, stopped)
        all_scanned = self._counts.total(account_id, RunFilter()) <= most
        return ListWalk(found, None if all_scanned else stopped)

    def _page(
        self, query: ListQuery, scans: list[IndexScan], stop: ListCursor | None, limit: int
    ) -> list[ListCursor]:
        return self._run(query.page(scans, stop), query, limit)

    def _run(self, statement: str, query: ListQuery, limit: int) -> list[ListCursor]:
        rows = self._rows(statement, query.values | {"limit": limit})
        return [ListCursor(at, run_id) for at, run_id in rows]

    def _scan_end(self, query: ListQuery, scan: IndexScan, count: int) -> ListCursor | None:
        """The last of the next ``count`` runs of a scan; None when there are fewer."""
        rows = self._rows(query.scan_end(scan), query.values | {"skip": count - 1})
        return ListCursor(*rows[0]) if rows else None

    def _narrow(self, query: ListQuery) -> IndexScan | None:
        """The first filter that at most ``NARROW`` runs match."""
        for scan in query.single_filters():
            [(found,)] = self._rows(query.count(scan), query.values | {"limit": NARROW + 1})
            if found <= NARROW:
                return scan
        return None

    def _rows(self, statement: str, values: dict[str, Any]) -> Sequence[Any]:
        if is_sqlite(self._db):
            return self._db.exec_driver_sql(statement, values).all()
        return self._db.execute(text(statement), values).all()

    def total(self, account_id: str, search: RunSearch) -> int | None:
        return None if search.filters - _COUNTED else self._counted(account_id, search)

    def _counted(self, account_id: str, search: RunSearch) -> int:
        """The number of runs with the states and the worker of the search."""
        counted = RunFilter(states=search.states, worker_id=search.worker_id or None)
        return self._counts.total(account_id, counted)

    # --- lines of runs ---------------------------------------------------------------------

    def lines(self, account_id: str, run_ids: Collection[str]) -> dict[str, RunLine]:
        if not run_ids:
            return {}
        # compared in Python, because in SQL the database might scan all runs of the account
        query = select(*_LINE).where(
            runs.c.id.in_([to_storable_text(run_id) for run_id in run_ids])
        )
        rows = self._db.execute(query).mappings()
        return {row["id"]: record(row, RunLine) for row in rows if row["account_id"] == account_id}

    def last_runs(
        self, account_id: str, of: RunsOf, values: Collection[str], limit: int
    ) -> dict[str, list[RunPoint]]:
        return pictures.last_runs(self._db, account_id, of, values, limit)

    def last_attempts(self, runs: int, limit: int) -> dict[str, list[AttemptPoint]]:
        return pictures.last_attempts(self._db, runs, limit)

    def over_time(
        self, account_id: str, search: RunSearch, steps: TimeSteps, most: int
    ) -> RunsOverTime:
        few = self._counts.total(account_id, RunFilter()) <= most
        return pictures.over_time(self._db, account_id, search, steps, None if few else most)

    def recent_inputs(self, account_id: str, worker_id: str, limit: int) -> list[str]:
        newest = (
            f"SELECT id, origin, created_at FROM runs{self._indexed_by(BY_WORKER)}"  # noqa: S608 - only our own names
            " WHERE account_id = :account AND worker_id = :worker"
            " ORDER BY created_at DESC, id DESC LIMIT :searched"
        )
        query = (
            f"SELECT id FROM ({newest}) AS newest WHERE origin <> :schedule"  # noqa: S608 - only our own names
            " ORDER BY created_at DESC, id DESC LIMIT :read"
        )
        values = {
            "account": account_id,
            "worker": to_storable_text(worker_id),
            "schedule": str(Origin.SCHEDULE),
            "searched": INPUTS_SEARCHED,
            "read": INPUTS_READ,
        }
        ids = list(self._db.execute(text(query), values).scalars())
        found: dict[str, str] = {}  # input to run
        for start in range(0, len(ids), INPUTS_STEP):
            step = ids[start : start + INPUTS_STEP]
            inputs = select(runs.c.id, _SHORT_INPUT).where(runs.c.id.in_(step))
            by_id = {row[0]: row[1] for row in self._db.execute(inputs)}
            for run_id in step:  # a large input, which is not read, counts as different
                found.setdefault(by_id[run_id] or run_id, run_id)
            if len(found) >= limit:
                break
        return list(found.values())[:limit]

    def workers(self, account_id: str) -> list[str]:
        used = run_counts.c.account_id == account_id, run_counts.c.n > 0
        query = select(run_counts.c.worker_id).distinct().where(*used)
        return list(self._db.execute(query.order_by(run_counts.c.worker_id)).scalars())

    def recent_workers(self, account_id: str, runs: int) -> list[str]:
        latest = (
            f"SELECT worker_id, created_at FROM runs{self._indexed_by(NEWEST)}"  # noqa: S608 - only our own names
            " WHERE account_id = :account ORDER BY created_at DESC, id DESC LIMIT :limit"
        )
        query = (
            f"SELECT worker_id FROM ({latest}) AS latest"  # noqa: S608 - only our own names
            " GROUP BY worker_id ORDER BY max(created_at) DESC, worker_id"
        )
        parameters = {"account": account_id, "limit": runs}
        return list(self._db.execute(text(query), parameters).scalars())

    def states_since(self, account_id: str, created_from: int) -> dict[RunState, int]:
        query = (
            f"SELECT state, count(*) FROM runs{self._indexed_by(NEWEST)}"  # noqa: S608 - only our own names
            " WHERE account_id = :account AND created_at >= :since GROUP BY state"
        )
        rows = self._db.execute(text(query), {"account": account_id, "since": created_from})
        return {RunState(state): int(count) for state, count in rows}

    def empty_since(self, account_id: str, created_from: int, limit: int) -> int:
        latest = (
            select(runs.c.results)
            .where(runs.c.account_id == account_id, runs.c.state == RunState.SUCCEEDED)
            .where(runs.c.created_at >= created_from)
            .order_by(runs.c.created_at.desc(), runs.c.id.desc())
            .limit(limit)
            .subquery()
        )
        count = select(func.count()).select_from(latest).where(latest.c.results == 0)
        return int(self._db.execute(count).scalar_one())

    def states(self, account_id: str) -> dict[RunState, int]:
        self._counts.flush()
        query = (
            select(run_counts.c.state, func.sum(run_counts.c.n))
            .where(run_counts.c.account_id == account_id)
            .group_by(run_counts.c.state)
        )
        rows = self._db.execute(query)
        return {RunState(state): int(count) for state, count in rows if count}

    def _indexed_by(self, index: str) -> str:
        return f" INDEXED BY {index}" if is_sqlite(self._db) else ""


def _steps(most: int) -> Iterator[int]:
    """Numbers of runs that are scanned one after another, in total ``most``.

    A page of frequent matches is found in the first step, and costs the same with any history.
    """
    step = FIRST_STEP
    while most > 0:
        yield min(step, most)
        most -= step
        step *= 4
