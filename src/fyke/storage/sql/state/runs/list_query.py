"""The statements of one search in a list of runs, and their parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from fyke.model.run import Outcome
from fyke.model.run_list import ListCursor, RunSearch
from fyke.storage.sql.dialects import is_sqlite, to_storable_text

ID_CHARS = 26
NEWEST = "ix_runs_account_id_created_at_id_and_facts"
BY_WORKER = "ix_runs_account_id_worker_id_created_at_id"
BY_TASK = "ix_runs_of_task"
BY_ERROR = "ix_runs_with_error"
BY_STATE = "ix_runs_account_id_state_created_at_id"
_BY_REASON = "ix_runs_with_reason"
_BY_OUTCOME = "ix_runs_not_succeeded"
_BY_ORIGIN = "ix_runs_account_id_origin_created_at_id"
_BY_VERSION = "ix_runs_account_id_version_created_at_id"
_ENDED_BY_WORKER = "ix_runs_ended_of_worker"
_BY_ID = "sqlite_autoindex_runs_1"  # the primary key
_TIMES = frozenset({"created_from", "created_until"})
_FILTERED = (
    "account_id, created_at, id, worker_id, state, outcome, reason_code, origin, version, task_id"
)


@dataclass(frozen=True, slots=True)
class IndexScan:
    """A scan of one index. ``indexed`` conditions select its entries, ``checked`` ones are
    evaluated for each entry.
    """

    index: str
    indexed: list[str]
    checked: list[str]


class ListQuery:
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
        oldest, newest = self._times()
        self._begin, self._end = (oldest, newest) if newer else (newest, oldest)
        if start is not None and self._is_within(start, newer=newer):
            self._begin = [f"(created_at, id) {self._beyond} (:start_at, :start_id)"]
            self.values |= {
                "start_at": start.created_at,
                "start_id": to_storable_text(start.run_id),
            }

    def _times(self) -> tuple[list[str], list[str]]:
        """The conditions of the search on the oldest and on the newest time."""
        oldest, newest = [], []
        if self._search.created_from:
            oldest = ["created_at >= :created_from"]
            self.values["created_from"] = self._search.created_from
        if self._search.created_until:
            newest = ["created_at < :created_until"]
            self.values["created_until"] = self._search.created_until
        return oldest, newest

    def _is_within(self, start: ListCursor, *, newer: bool) -> bool:
        """Whether the walk begins at ``start``, and not at the time that the search begins at."""
        if newer:
            return start.created_at >= self._search.created_from
        until = self._search.created_until
        return not until or start.created_at < until

    @property
    def _range(self) -> list[str]:
        """The runs of the walk. Each side has one condition: of two, SQLite uses one to find the
        first or the last entry of the index, and checks the other one for each entry.
        """
        return ["account_id = :account", *self._begin, *self._end]

    def scans(self) -> list[IndexScan]:
        filters = self._search.filters - _TIMES
        if len(self._search.run_id) == ID_CHARS:
            return [IndexScan(_BY_ID, self._of_id(), self._checked())]
        if "error" in filters:
            return [IndexScan(BY_ERROR, ["err_msg <> ''"], self._checked())]
        by_value = self._by_value(filters)
        if by_value:
            return by_value
        if filters == {"worker_id"}:
            return [IndexScan(BY_WORKER, self._equals("worker_id"), [])]
        if filters == {"task_id"}:
            return [IndexScan(BY_TASK, ["task_id <> ''", *self._equals("task_id")], [])]
        if filters == {"version"}:
            return [IndexScan(_BY_VERSION, self._equals("version"), [])]
        return [IndexScan(NEWEST, [], self._checked())]

    def single_filters(self) -> Iterator[IndexScan]:
        """The runs that match one of the filters, in any order, from an index for it."""
        search = self._search
        checked = self._checked()
        of_account = "account_id = :account"
        if search.run_id:
            yield IndexScan(_BY_ID, self._of_id(), checked)
        state = self._one_of("state", search.states, "state")
        by_value = (
            (BY_TASK, "task_id <> ''", self._equals("task_id")),
            (_BY_VERSION, "", self._equals("version")),
            (BY_WORKER, "", self._equals("worker_id")),
            (BY_STATE, "", state),
            (_BY_ORIGIN, "", self._one_of("origin", search.origins, "origin")),
            (
                _BY_REASON,
                "reason_code <> ''",
                self._one_of("reason_code", search.reasons, "reason"),
            ),
        )
        for index, condition, values in by_value:
            if values:
                yield IndexScan(index, [of_account, *filter(None, [condition]), *values], checked)
        if search.outcomes and Outcome.SUCCEEDED not in search.outcomes:
            outcome = self._one_of("outcome", search.outcomes, "outcome")
            yield IndexScan(_BY_OUTCOME, [of_account, "outcome <> 'succeeded'", *outcome], checked)
        if search.worker_id and search.states and all(state.terminal for state in search.states):
            ended = [of_account, *self._equals("worker_id"), *state, "finished_at > 0"]
            yield IndexScan(_ENDED_BY_WORKER, ended, checked)
        if search.error:
            yield IndexScan(BY_ERROR, [of_account, "err_msg <> ''"], checked)

    def _by_value(self, filters: frozenset[str]) -> list[IndexScan]:
        """Scans of the index of one column, the first that has one for the search; no index has
        the order over several values, so one scan per value is merged.
        """
        search = self._search
        outcomes = () if Outcome.SUCCEEDED in search.outcomes else search.outcomes
        columns: tuple[tuple[str, str, str, tuple[str, ...], list[str]], ...] = (
            ("reasons", "reason_code", _BY_REASON, search.reasons, ["reason_code <> ''"]),
            ("outcomes", "outcome", _BY_OUTCOME, outcomes, ["outcome <> 'succeeded'"]),
            ("states", "state", BY_STATE, search.states, []),
            ("origins", "origin", _BY_ORIGIN, search.origins, []),
        )
        for name, column, index, values, condition in columns:
            alone = filters == {name}
            if values and (alone or (len(values) == 1 and condition)):
                checked = [] if alone else self._checked()
                return [
                    IndexScan(
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
        if search.without_rows:
            conditions.append("(state <> 'succeeded' OR results = 0)")
        if len(search.run_id) != ID_CHARS:
            conditions += self._of_id()
        if search.error:
            # with the collation of the column, which leaves all but ASCII letters as they are
            conditions.append(
                "instr(lower(err_msg), lower(:error)) > 0"
                if self._sqlite
                else 'strpos(lower(err_msg), lower(CAST(:error AS text) COLLATE "C")) > 0'
            )
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

    def scan_end(self, scan: IndexScan) -> str:
        return f"{self._select(scan.index, scan.indexed)} LIMIT 1 OFFSET :skip"

    def newest(self) -> str:
        """All runs of the account in the time of the search, from an index in their order."""
        return f"FROM runs{self._by(NEWEST)} WHERE {' AND '.join(self._range)}"

    def checked(self) -> str:
        """The filters that are evaluated for each run, with a leading AND."""
        return "".join(f" AND {condition}" for condition in self._checked())

    def count(self, scan: IndexScan) -> str:
        """The number of the runs of ``single_filters``, counted up to a limit."""
        found = f"SELECT 1 FROM runs{self._by(scan.index)} WHERE {' AND '.join(scan.indexed)}"  # noqa: S608 - only our own names
        return f"SELECT count(*) FROM ({found} LIMIT :limit) AS near"  # noqa: S608 - only our own names

    def of_narrow(self, scan: IndexScan) -> str:
        """A page of the runs of ``single_filters``. ``MATERIALIZED``, because PostgreSQL might scan
        all runs in list order for the first that match.
        """
        names = _FILTERED + (", err_msg" if self._search.error else "")
        names += ", results" if self._search.without_rows else ""
        found = f"SELECT {names} FROM runs{self._by(scan.index)} WHERE {' AND '.join(scan.indexed)}"  # noqa: S608 - only our own names
        once = "" if self._sqlite else "MATERIALIZED "
        return (
            f"WITH near AS {once}({found})"  # noqa: S608 - only our own names
            f" SELECT created_at, id FROM near WHERE {' AND '.join(self._range + scan.checked)}"
            f" ORDER BY created_at {self._order}, id {self._order} LIMIT :limit"
        )

    def page(self, scans: list[IndexScan], stopped: ListCursor | None) -> str:
        if stopped is not None:  # within the range
            self._end = [f"(created_at, id) {self._within} (:stop_at, :stop_id)"]
            self.values |= {"stop_at": stopped.created_at, "stop_id": stopped.run_id}
        parts = [
            f"{self._select(scan.index, [*scan.indexed, *scan.checked])} LIMIT :limit"
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
