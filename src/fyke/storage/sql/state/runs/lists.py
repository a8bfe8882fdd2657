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
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, case, func, literal_column, select, text

from fyke.domain.runs.summary import MAX_INPUT_CHARS
from fyke.model.run import Origin, Outcome, RunFilter, RunState
from fyke.model.run_list import ListCursor, ListWalk, RunLine, RunSearch
from fyke.storage.sql.dialects import is_sqlite, to_storable_text
from fyke.storage.sql.state.records import SqlStore, record
from fyke.storage.sql.state.runs.counts import RunCounts
from fyke.storage.sql.state.runs.tables import run_counts, runs

SCAN_LIMIT = 100_000  # runs, in an index
FIRST_STEP = 1_000
ID_CHARS = 26
ERROR_SCAN_LIMIT = 10_000  # runs whose message is read
NARROW = 1_000  # runs that are read without a scan
INPUTS_SEARCHED = 500  # runs, for recent inputs
INPUTS_READ = 50  # runs whose input is read, which may be long
INPUTS_STEP = 10

_NEWEST = "ix_runs_account_id_created_at_id_and_facts"
_BY_STATE = "ix_runs_account_id_state_created_at_id"
_BY_WORKER = "ix_runs_account_id_worker_id_created_at_id"
_BY_TASK = "ix_runs_of_task"
_BY_ERROR = "ix_runs_with_error"
_BY_REASON = "ix_runs_with_reason"
_BY_OUTCOME = "ix_runs_not_succeeded"
_BY_ORIGIN = "ix_runs_account_id_origin_created_at_id"
_BY_VERSION = "ix_runs_account_id_version_created_at_id"
_ENDED_BY_WORKER = "ix_runs_ended_of_worker"
_BY_ID = "sqlite_autoindex_runs_1"  # the primary key
_TIMES = frozenset({"created_from", "created_until"})
_COUNTED = frozenset({"states", "worker_id"})
_INPUT = case(
    (
        (runs.c.summary == "") & (func.length(runs.c.input_json) <= MAX_INPUT_CHARS),
        runs.c.input_json,
    ),
    else_=literal_column("''"),
).label("input_json")
_COMPUTED = ("input_json", "reason")
_FILTERED = (
    "account_id, created_at, id, worker_id, state, outcome, reason_code, origin, version, task_id"
)
_LINE = [
    _INPUT,
    runs.c.reason_code,
    runs.c.reason_params,
    *(runs.c[field.name] for field in fields(RunLine) if field.name not in _COMPUTED),
]


@dataclass(frozen=True, slots=True)
class _IndexScan:
    """A scan of one index. ``indexed`` conditions select its entries, ``checked`` ones are
    evaluated for each entry.
    """

    index: str
    indexed: list[str]
    checked: list[str]


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
    ) -> ListWalk:
        query = _Query(self._db, account_id, search, start, newer=newer)
        scans = query.scans()
        if not any(scan.checked for scan in scans):
            return ListWalk(self._page(query, scans, None, limit))
        if not self._counted(account_id, search):
            return ListWalk([])
        most = ERROR_SCAN_LIMIT if scans[0].index == _BY_ERROR else SCAN_LIMIT
        found: list[ListCursor] = []
        stopped = start
        for number, step in enumerate(_steps(most)):
            # an id is narrow, a part usually; other filters are usually found in the first step
            if number == (0 if search.run_id else 1):
                query = _Query(self._db, account_id, search, start, newer=newer)
                if narrow := self._narrow(query):
                    return ListWalk(self._run(query.of_narrow(narrow), query, limit))
            query = _Query(self._db, account_id, search, stopped, newer=newer)
            [scan] = query.scans()
            stopped = self._scan_end(query, scan, step)
            found += self._page(query, [scan], stopped, limit - len(found))
            if len(found) == limit or stopped is None:
                return ListWalk(found)
        all_scanned = self._counts.total(account_id, RunFilter()) <= most
        return ListWalk(found, None if all_scanned else stopped)

    def _page(
        self, query: _Query, scans: list[_IndexScan], stop: ListCursor | None, limit: int
    ) -> list[ListCursor]:
        return self._run(query.page(scans, stop), query, limit)

    def _run(self, statement: str, query: _Query, limit: int) -> list[ListCursor]:
        rows = self._rows(statement, query.values | {"limit": limit})
        return [ListCursor(at, run_id) for at, run_id in rows]

    def _scan_end(self, query: _Query, scan: _IndexScan, count: int) -> ListCursor | None:
        """The last of the next ``count`` runs of a scan; None when there are fewer."""
        rows = self._rows(query.scan_end(scan), query.values | {"skip": count - 1})
        return ListCursor(*rows[0]) if rows else None

    def _narrow(self, query: _Query) -> _IndexScan | None:
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

    def recent_inputs(self, account_id: str, worker_id: str, limit: int) -> list[str]:
        newest = (
            f"SELECT id, origin, created_at FROM runs{self._indexed_by(_BY_WORKER)}"  # noqa: S608 - only our own names
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
            inputs = select(runs.c.id, runs.c.input_json).where(runs.c.id.in_(step))
            by_id = {row.id: row.input_json for row in self._db.execute(inputs)}
            for run_id in step:
                found.setdefault(by_id[run_id], run_id)
            if len(found) >= limit:
                break
        return list(found.values())[:limit]

    def workers(self, account_id: str) -> list[str]:
        used = run_counts.c.account_id == account_id, run_counts.c.n > 0
        query = select(run_counts.c.worker_id).distinct().where(*used)
        return list(self._db.execute(query.order_by(run_counts.c.worker_id)).scalars())

    def recent_workers(self, account_id: str, runs: int) -> list[str]:
        latest = (
            f"SELECT worker_id, created_at FROM runs{self._indexed_by(_NEWEST)}"  # noqa: S608 - only our own names
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
            f"SELECT state, count(*) FROM runs{self._indexed_by(_NEWEST)}"  # noqa: S608 - only our own names
            " WHERE account_id = :account AND created_at >= :since GROUP BY state"
        )
        rows = self._db.execute(text(query), {"account": account_id, "since": created_from})
        return {RunState(state): int(count) for state, count in rows}

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


class _Query:
    """The statements of one walk and their parameters."""

    def __init__(
        self,
        connection: Connection,
        account_id: str,
        search: RunSearch,
        start: ListCursor | None,
        *,
        newer: bool,
    ) -> None:
        self._sqlite = is_sqlite(connection)
        self._search = search
        self._order = "ASC" if newer else "DESC"
        self._beyond, self._within = (">", "<=") if newer else ("<", ">=")
        self.values: dict[str, Any] = {"account": account_id}
        self._range = ["account_id = :account"]
        if start is not None:
            self._range.append(f"(created_at, id) {self._beyond} (:start_at, :start_id)")
            self.values |= {
                "start_at": start.created_at,
                "start_id": to_storable_text(start.run_id),
            }
        if search.created_from:
            self._range.append("created_at >= :created_from")
            self.values["created_from"] = search.created_from
        if search.created_until:
            self._range.append("created_at < :created_until")
            self.values["created_until"] = search.created_until

    def scans(self) -> list[_IndexScan]:
        filters = self._search.filters - _TIMES
        if len(self._search.run_id) == ID_CHARS:
            return [_IndexScan(_BY_ID, self._of_id(), self._checked())]
        if "error" in filters:
            return [_IndexScan(_BY_ERROR, ["err_msg <> ''"], self._checked())]
        by_value = self._by_value(filters)
        if by_value:
            return by_value
        if filters == {"worker_id"}:
            return [_IndexScan(_BY_WORKER, self._equals("worker_id"), [])]
        if filters == {"task_id"}:
            return [_IndexScan(_BY_TASK, ["task_id <> ''", *self._equals("task_id")], [])]
        if filters == {"version"}:
            return [_IndexScan(_BY_VERSION, self._equals("version"), [])]
        return [_IndexScan(_NEWEST, [], self._checked())]

    def single_filters(self) -> Iterator[_IndexScan]:
        """The runs that match one of the filters, in any order, from an index for it."""
        search = self._search
        checked = self._checked()
        of_account = "account_id = :account"
        if search.run_id:
            yield _IndexScan(_BY_ID, self._of_id(), checked)
        state = self._one_of("state", search.states, "state")
        by_value = (
            (_BY_TASK, "task_id <> ''", self._equals("task_id")),
            (_BY_VERSION, "", self._equals("version")),
            (_BY_WORKER, "", self._equals("worker_id")),
            (_BY_STATE, "", state),
            (_BY_ORIGIN, "", self._one_of("origin", search.origins, "origin")),
            (
                _BY_REASON,
                "reason_code <> ''",
                self._one_of("reason_code", search.reasons, "reason"),
            ),
        )
        for index, condition, values in by_value:
            if values:
                yield _IndexScan(index, [of_account, *filter(None, [condition]), *values], checked)
        if search.outcomes and Outcome.SUCCEEDED not in search.outcomes:
            outcome = self._one_of("outcome", search.outcomes, "outcome")
            yield _IndexScan(_BY_OUTCOME, [of_account, "outcome <> 'succeeded'", *outcome], checked)
        if search.worker_id and search.states and all(state.terminal for state in search.states):
            ended = [of_account, *self._equals("worker_id"), *state, "finished_at > 0"]
            yield _IndexScan(_ENDED_BY_WORKER, ended, checked)
        if search.error:
            yield _IndexScan(_BY_ERROR, [of_account, "err_msg <> ''"], checked)

    def _by_value(self, filters: frozenset[str]) -> list[_IndexScan]:
        """Scans of the index of one column, the first that has one for the search; no index has
        the order over several values, so one scan per value is merged.
        """
        search = self._search
        outcomes = () if Outcome.SUCCEEDED in search.outcomes else search.outcomes
        columns: tuple[tuple[str, str, str, tuple[str, ...], list[str]], ...] = (
            ("reasons", "reason_code", _BY_REASON, search.reasons, ["reason_code <> ''"]),
            ("outcomes", "outcome", _BY_OUTCOME, outcomes, ["outcome <> 'succeeded'"]),
            ("states", "state", _BY_STATE, search.states, []),
            ("origins", "origin", _BY_ORIGIN, search.origins, []),
        )
        for name, column, index, values, condition in columns:
            alone = filters == {name}
            if values and (alone or (len(values) == 1 and condition)):
                checked = [] if alone else self._checked()
                return [
                    _IndexScan(
                        index,
                        [*condition, *self._one_of(column, (value,), f"{column}_{number}_")],
                        checked,
                    )
                    for number, value in enumerate(dict.fromkeys(values))
                ]
        return []

    def _checked(self) -> list[str]:
        search = self._search
        conditions = [
            *self._one_of("state", search.states, "state"),
            *self._one_of("outcome", search.outcomes, "outcome"),
            *self._one_of("reason_code", search.reasons, "reason"),
            *self._one_of("origin", search.origins, "origin"),
            *self._equals("worker_id"),
            *self._equals("task_id"),
            *self._equals("version"),
        ]
        if len(search.run_id) != ID_CHARS:
            conditions += self._of_id()
        if search.error:
            position = "instr" if self._sqlite else "strpos"
            conditions.append(f"{position}(lower(err_msg), lower(:error)) > 0")
            self.values["error"] = to_storable_text(search.error)
        return conditions

    def _of_id(self) -> list[str]:
        run_id = self._search.run_id
        if not run_id:
            return []
        self.values["run_id"] = run_id
        if len(run_id) == ID_CHARS:
            return ["id = :run_id"]
        self.values["run_id_end"] = run_id + "~"
        return ["id >= :run_id", "id < :run_id_end"]

    def _one_of(self, column: str, values: Collection[str], name: str) -> list[str]:
        if not values:
            return []
        parameters = {
            f"{name}{number}": str(value) for number, value in enumerate(dict.fromkeys(values))
        }
        self.values |= parameters
        return [f"{column} IN ({', '.join(':' + parameter for parameter in parameters)})"]

    def _equals(self, column: str) -> list[str]:
        value = getattr(self._search, column)
        if not value:
            return []
        self.values[column] = to_storable_text(value)
        return [f"{column} = :{column}"]

    def scan_end(self, scan: _IndexScan) -> str:
        return f"{self._select(scan.index, scan.indexed)} LIMIT 1 OFFSET :skip"

    def count(self, scan: _IndexScan) -> str:
        """The number of the runs of ``single_filters``, counted up to a limit."""
        found = f"SELECT 1 FROM runs{self._by(scan.index)} WHERE {' AND '.join(scan.indexed)}"  # noqa: S608 - only our own names
        return f"SELECT count(*) FROM ({found} LIMIT :limit) AS near"  # noqa: S608 - only our own names

    def of_narrow(self, scan: _IndexScan) -> str:
        """A page of the runs of ``single_filters``. ``MATERIALIZED``, because PostgreSQL might scan
        all runs in list order for the first that match.
        """
        names = _FILTERED + (", err_msg" if self._search.error else "")
        found = f"SELECT {names} FROM runs{self._by(scan.index)} WHERE {' AND '.join(scan.indexed)}"  # noqa: S608 - only our own names
        once = "" if self._sqlite else "MATERIALIZED "
        return (
            f"WITH near AS {once}({found})"  # noqa: S608 - only our own names
            f" SELECT created_at, id FROM near WHERE {' AND '.join(self._range + scan.checked)}"
            f" ORDER BY created_at {self._order}, id {self._order} LIMIT :limit"
        )

    def page(self, scans: list[_IndexScan], stopped: ListCursor | None) -> str:
        bounds = []
        if stopped is not None:
            bounds = [f"(created_at, id) {self._within} (:stop_at, :stop_id)"]
            self.values |= {"stop_at": stopped.created_at, "stop_id": stopped.run_id}
        parts = [
            f"{self._select(scan.index, [*scan.indexed, *bounds, *scan.checked])} LIMIT :limit"
            for scan in scans
        ]
        if len(parts) == 1:
            return parts[0]
        merged = " UNION ALL ".join(f"SELECT * FROM ({p}) AS w{n}" for n, p in enumerate(parts))  # noqa: S608 - only our own names
        return f"{merged} ORDER BY created_at {self._order}, id {self._order} LIMIT :limit"

    def _select(self, index: str, conditions: list[str]) -> str:
        return (
            f"SELECT created_at, id FROM runs{self._by(index)}"  # noqa: S608 - only our own names
            f" WHERE {' AND '.join(self._range + conditions)}"
            f" ORDER BY created_at {self._order}, id {self._order}"
        )

    def _by(self, index: str) -> str:
        return f" INDEXED BY {index}" if self._sqlite else ""
