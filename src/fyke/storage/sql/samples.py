"""Points of the curve of what runs use."""

from __future__ import annotations

from sqlalchemy import Connection, case, delete, func, insert, select

from fyke.model.run import SampleSpan, UsageSample
from fyke.storage.sql.records import columns, many
from fyke.storage.sql.run_page_tables import run_samples
from fyke.storage.sql.tables import attempts


class SqlSamples:
    """``contracts.SampleStore`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def span(self, run_id: str) -> SampleSpan:
        at = run_samples.c.at
        query = select(func.count(), func.min(at), func.max(at))
        found = self._db.execute(query.where(run_samples.c.run_id == run_id)).one()
        count, first, last = found
        return SampleSpan(int(count), int(first or 0), int(last or 0))

    def measure(self, run_id: str, at: int) -> UsageSample:
        living = case((attempts.c.outcome.is_(None), attempts.c.memory_bytes), else_=0)
        sums = (attempts.c.cpu_ms, living, attempts.c.traffic_bytes, attempts.c.rows)
        query = select(*(func.coalesce(func.sum(column), 0) for column in sums))
        found = self._db.execute(query.where(attempts.c.run_id == run_id)).one()
        return UsageSample(run_id, at, *(int(value) for value in found))

    def add(self, sample: UsageSample) -> None:
        self._db.execute(insert(run_samples), columns(sample))

    def thin(self, run_id: str) -> None:
        mine = run_samples.c.run_id == run_id
        times = select(run_samples.c.at).where(mine).order_by(run_samples.c.at)
        second = list(self._db.execute(times).scalars())[1::2]
        self._db.execute(delete(run_samples).where(mine, run_samples.c.at.in_(second)))

    def of_run(self, run_id: str) -> list[UsageSample]:
        query = select(run_samples).where(run_samples.c.run_id == run_id)
        return many(self._db.execute(query.order_by(run_samples.c.at)), UsageSample)
