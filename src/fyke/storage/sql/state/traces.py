"""The traces of runs, which are removed when they are sent."""

from __future__ import annotations

from sqlalchemy import Table, delete, exists, insert, or_, select

from fyke.model.trace import RunTrace
from fyke.storage.sql.state.claims import PENDING, deliveries
from fyke.storage.sql.state.columns import metadata, number_column, ref_column, text_column
from fyke.storage.sql.state.records import SqlStore, columns, many, one, was_applied
from fyke.storage.sql.state.runs.tables import runs

run_traces = Table(
    "run_traces",
    metadata,
    ref_column("run_id", "runs.id", key=True, cascade=True),
    text_column("trace_id"),
    text_column("parent_id"),
    number_column("received_at"),
)


class SqlTraces(SqlStore):
    """Implements ``TraceStore``."""

    def add(self, trace: RunTrace) -> None:
        self._db.execute(insert(run_traces).values(columns(trace)))

    def get(self, run_id: str) -> RunTrace | None:
        query = select(run_traces).where(run_traces.c.run_id == run_id)
        return one(self._db.execute(query), RunTrace)

    def of_ended_runs(self, waited_since: int, limit: int) -> list[RunTrace]:
        joined = run_traces.join(runs, runs.c.id == run_traces.c.run_id)
        is_pending = exists().where(deliveries.c.run_id == run_traces.c.run_id, PENDING)
        has_waited = runs.c.finished_at < waited_since
        query = (
            select(run_traces)
            .select_from(joined)
            .where(runs.c.finished_at > 0, or_(~is_pending, has_waited))
            .order_by(run_traces.c.run_id)
            .limit(limit)
        )
        return many(self._db.execute(query), RunTrace)

    def take(self, run_id: str) -> bool:
        statement = delete(run_traces).where(run_traces.c.run_id == run_id)
        return was_applied(self._db.execute(statement))

    def drop_ended(self) -> int:
        has_ended = exists().where(runs.c.id == run_traces.c.run_id, runs.c.finished_at > 0)
        return int(self._db.execute(delete(run_traces).where(has_ended)).rowcount)
