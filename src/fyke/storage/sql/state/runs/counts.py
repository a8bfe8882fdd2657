"""The number of runs per account, worker and state, updated with every change of a run.

Pages of lists show a total, and counting a million rows for each page would be slow. The changes
of a transaction are written at its end and in a fixed order: on PostgreSQL all runs of a worker
update the same few rows, so these are locked briefly, and the transaction waits for no other lock
meanwhile.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, func, select

from fyke.model.run import RunFilter
from fyke.storage.sql.dialects import run_sql, to_storable_text
from fyke.storage.sql.state.records import SqlStore
from fyke.storage.sql.state.runs.tables import run_counts

_ADD = (
    "INSERT INTO run_counts (account_id, worker_id, state, n) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (account_id, worker_id, state) DO UPDATE SET n = run_counts.n + excluded.n"
)


class RunCounts(SqlStore):
    """The counts, and the unwritten changes of this transaction."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._changes: Counter[tuple[str, str, str]] = Counter()

    def add(self, account_id: str, worker_id: str, state: str, n: int) -> None:
        self._changes[to_storable_text(account_id), to_storable_text(worker_id), str(state)] += n

    def flush(self) -> None:
        """Write the changes; called before the commit."""
        for key, n in sorted(self._changes.items()):
            if n:
                run_sql(self._db, _ADD, (*key, n))
        self._changes.clear()

    def total(self, account_id: str, filter: RunFilter) -> int:
        """The number of the account's runs by the filter's states and worker; its times are
        ignored.
        """
        self.flush()
        query = select(func.coalesce(func.sum(run_counts.c.n), 0))
        query = query.where(run_counts.c.account_id == account_id)
        if filter.worker_id is not None:
            query = query.where(run_counts.c.worker_id == filter.worker_id)
        if filter.states:
            query = query.where(run_counts.c.state.in_([str(state) for state in filter.states]))
        return int(self._db.execute(query).scalar_one())
