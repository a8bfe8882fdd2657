"""Lists of an account's runs, with any combination of filters.

A query costs the same with a million past runs as with a thousand. The filters decide the index. A
filter by states alone, worker alone or task alone has an index in list order, of which only the
page is read. Every other combination scans one index that covers all columns of the filters, so
that a run that does not match costs a fraction of a microsecond. A search in error messages reads
the runs that have one. Both scans stop at a limit and return where.

The statements are text, because on SQLite they name the index to use.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, case, func, literal_column, select, text

from fyke.domain.runs.summary import MAX_INPUT_CHARS
from fyke.model.run import RunFilter, RunState
from fyke.model.run_list import ListCursor, ListWalk, RunLine, RunSearch
from fyke.storage.sql.dialects import is_sqlite, to_storable_text
from fyke.storage.sql.state.records import SqlStore, record
from fyke.storage.sql.state.runs.counts import RunCounts
from fyke.storage.sql.state.runs.tables import run_counts, runs

SCAN_LIMIT = 100_000  # runs, in an index
ID_CHARS = 26
ERROR_SCAN_LIMIT = 10_000  # runs whose message is read

_NEWEST = "ix_runs_account_id_created_at_id_and_facts"
_BY_STATE = "ix_runs_account_id_state_created_at_id"
_BY_WORKER = "ix_runs_account_id_worker_id_created_at_id"
_BY_TASK = "ix_runs_of_task"
_BY_ERROR = "ix_runs_with_error"
_BY_ID = ""  # the primary key
_TIMES = frozenset({"created_from", "created_until"})
_COUNTED = frozenset({"states", "worker_id"})
_INPUT = case(
    (
        (runs.c.summary == "") & (func.length(runs.c.input_json) <= MAX_INPUT_CHARS),
        runs.c.input_json,
    ),
    else_=literal_column("''"),
).label("input_json")
_APART = ("input_json", "reason")
_LINE = [
    _INPUT,
    runs.c.reason_code,
    runs.c.reason_params,
    *(runs.c[field.name] for field in fields(RunLine) if field.name not in _APART),
]


@dataclass(frozen=True, slots=True)
class _IndexScan:
    """A scan of one index: the conditions that the index answers (``indexed``), and those that
    are checked for each entry (``checked``).
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
        stopped = None
        if any(scan.checked for scan in scans):
            stopped = self._horizon(account_id, query, scans[0])
        found = self._db.execute(text(query.page(scans, stopped)), query.values | {"limit": limit})
        places = [ListCursor(int(at), run_id) for at, run_id in found]
        return ListWalk(places, None if len(places) == limit else stopped)

    def _horizon(self, account_id: str, query: _Query, scan: _IndexScan) -> ListCursor | None:
        """The last run that may be scanned; None when all may."""
        limit = ERROR_SCAN_LIMIT if scan.index == _BY_ERROR else SCAN_LIMIT
        if self._counts.total(account_id, RunFilter()) <= limit:
            return None
        row = self._db.execute(
            text(query.horizon(scan)), query.values | {"skip": limit - 1}
        ).first()
        return None if row is None else ListCursor(int(row[0]), row[1])

    def total(self, account_id: str, search: RunSearch) -> int | None:
        if search.filters - _COUNTED:
            return None
        known = RunFilter(states=search.states, worker_id=search.worker_id or None)
        return self._counts.total(account_id, known)

    # --- lines of runs ---------------------------------------------------------------------

    def lines(self, account_id: str, run_ids: Collection[str]) -> dict[str, RunLine]:
        if not run_ids:
            return {}
        # the account is compared here: in SQL, a database might start from all its runs
        query = select(*_LINE).where(
            runs.c.id.in_([to_storable_text(run_id) for run_id in run_ids])
        )
        found = self._db.execute(query).mappings()
        return {row["id"]: record(row, RunLine) for row in found if row["account_id"] == account_id}

    def workers(self, account_id: str) -> list[str]:
        mine = run_counts.c.account_id == account_id, run_counts.c.n > 0
        query = select(run_counts.c.worker_id).distinct().where(*mine)
        return list(self._db.execute(query.order_by(run_counts.c.worker_id)).scalars())

    def recent_workers(self, account_id: str, runs: int) -> list[str]:
        latest = (
            f"SELECT worker_id, created_at FROM runs{self._by(_NEWEST)}"  # noqa: S608 - our own words
            " WHERE account_id = :account ORDER BY created_at DESC, id DESC LIMIT :limit"
        )
        query = (
            f"SELECT worker_id FROM ({latest}) AS latest"  # noqa: S608 - our own words
            " GROUP BY worker_id ORDER BY max(created_at) DESC, worker_id"
        )
        found = self._db.execute(text(query), {"account": account_id, "limit": runs})
        return list(found.scalars())

    def states_since(self, account_id: str, created_from: int) -> dict[RunState, int]:
        query = (
            f"SELECT state, count(*) FROM runs{self._by(_NEWEST)}"  # noqa: S608 - our own words
            " WHERE account_id = :account AND created_at >= :since GROUP BY state"
        )
        found = self._db.execute(text(query), {"account": account_id, "since": created_from})
        return {RunState(state): int(count) for state, count in found}

    def states(self, account_id: str) -> dict[RunState, int]:
        self._counts.flush()
        query = (
            select(run_counts.c.state, func.sum(run_counts.c.n))
            .where(run_counts.c.account_id == account_id)
            .group_by(run_counts.c.state)
        )
        found = {RunState(state): int(count) for state, count in self._db.execute(query)}
        return {state: count for state, count in found.items() if count}

    def _by(self, index: str) -> str:
        return f" INDEXED BY {index}" if is_sqlite(self._db) else ""


class _Query:
    """The statements of one walk, and their bound values."""

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
            self.values["whole_id"] = self._search.run_id
            return [_IndexScan(_BY_ID, ["id = :whole_id"], self._checked())]
        if "error" in filters:
            return [_IndexScan(_BY_ERROR, ["err_msg <> ''"], self._checked())]
        if filters == {"states"}:
            # no index gives the order over several states, so each one's newest are merged
            states = dict.fromkeys(self._search.states)
            return [_IndexScan(_BY_STATE, self._one_of("state", (s,), f"s{s}"), []) for s in states]
        if filters == {"worker_id"}:
            return [_IndexScan(_BY_WORKER, self._equals("worker_id"), [])]
        if filters == {"task_id"}:
            return [_IndexScan(_BY_TASK, ["task_id <> ''", *self._equals("task_id")], [])]
        return [_IndexScan(_NEWEST, [], self._checked())]

    def _checked(self) -> list[str]:
        search = self._search
        found = [
            *self._one_of("state", search.states, "state"),
            *self._one_of("outcome", search.outcomes, "outcome"),
            *self._one_of("reason_code", search.reasons, "reason"),
            *self._one_of("origin", search.origins, "origin"),
            *(c for name in ("worker_id", "task_id", "version") for c in self._equals(name)),
        ]
        if 0 < len(search.run_id) < ID_CHARS:
            found.append("id >= :run_id AND id < :run_id_end")
            self.values |= {"run_id": search.run_id, "run_id_end": search.run_id + "~"}
        if search.error:
            place = "instr" if self._sqlite else "strpos"
            found.append(f"{place}(lower(err_msg), lower(:error)) > 0")
            self.values["error"] = to_storable_text(search.error)
        return found

    def _one_of(self, column: str, values: Collection[str], name: str) -> list[str]:
        if not values:
            return []
        names = {f"{name}{at}": str(value) for at, value in enumerate(dict.fromkeys(values))}
        self.values |= names
        return [f"{column} IN ({', '.join(':' + name for name in names)})"]

    def _equals(self, column: str) -> list[str]:
        value = getattr(self._search, column)
        if not value:
            return []
        self.values[column] = to_storable_text(value)
        return [f"{column} = :{column}"]

    def horizon(self, scan: _IndexScan) -> str:
        return f"{self._select(scan.index, scan.indexed)} LIMIT 1 OFFSET :skip"

    def page(self, scans: list[_IndexScan], stopped: ListCursor | None) -> str:
        inside = []
        if stopped is not None:
            inside = [f"(created_at, id) {self._within} (:stop_at, :stop_id)"]
            self.values |= {"stop_at": stopped.created_at, "stop_id": stopped.run_id}
        parts = [
            f"{self._select(scan.index, [*scan.indexed, *inside, *scan.checked])} LIMIT :limit"
            for scan in scans
        ]
        if len(parts) == 1:
            return parts[0]
        merged = " UNION ALL ".join(f"SELECT * FROM ({p}) AS w{n}" for n, p in enumerate(parts))  # noqa: S608 - our own words
        return f"{merged} ORDER BY created_at {self._order}, id {self._order} LIMIT :limit"

    def _select(self, index: str, conditions: list[str]) -> str:
        by = f" INDEXED BY {index}" if self._sqlite and index else ""
        return (
            f"SELECT created_at, id FROM runs{by} WHERE {' AND '.join(self._range + conditions)}"  # noqa: S608 - our own words
            f" ORDER BY created_at {self._order}, id {self._order}"
        )
