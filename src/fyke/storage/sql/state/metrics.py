"""Numbers of a whole installation, for its metrics."""

from __future__ import annotations

from dataclasses import fields

from sqlalchemy import func, literal_column, select, text

from fyke.model.billing import UsageSums
from fyke.model.metrics import ActiveAttempts, EndedRuns, PendingDeliveries
from fyke.storage.sql.dialects import is_sqlite
from fyke.storage.sql.state.accounts import accounts
from fyke.storage.sql.state.billing import WHOLE_DAY, usage_days
from fyke.storage.sql.state.claims import PENDING, deliveries
from fyke.storage.sql.state.records import SqlStore
from fyke.storage.sql.state.runs.tables import run_counts, runs

# CROSS JOIN makes SQLite start with the active attempts, and not with all past runs
_ACTIVE = """
    SELECT r.pool, count(*), sum(CASE WHEN a.started_at = 0 THEN 1 ELSE 0 END),
        sum(CASE WHEN a.lease_until < :now THEN 1 ELSE 0 END), sum(a.traffic_bytes), sum(a.cpu_ms)
    FROM attempts a {join} runs r ON r.id = a.run_id
    WHERE a.outcome IS NULL
    GROUP BY r.pool ORDER BY r.pool
"""
# literals, because a partial index is used only if the statement has its condition verbatim
_READY = (
    text("runs.state IN ('ready', 'running')"),
    runs.c.state == literal_column("'ready'"),
)
_SUMS = [func.sum(usage_days.c[field.name]) for field in fields(UsageSums)]


class SqlMetrics(SqlStore):
    """Implements ``MetricStore``."""

    def active_attempts(self, now: int) -> list[ActiveAttempts]:
        join = "CROSS JOIN" if is_sqlite(self._db) else "JOIN"
        rows = self._db.execute(text(_ACTIVE.format(join=join)), {"now": now})
        return [ActiveAttempts(str(pool), *map(int, numbers)) for pool, *numbers in rows]

    def waiting_runs(self) -> dict[str, int]:
        query = select(runs.c.pool, func.count()).where(*_READY).group_by(runs.c.pool)
        return {str(pool): int(count) for pool, count in self._db.execute(query)}

    def oldest_waiting(self, pool: str, limit: int) -> list[str]:
        query = select(runs.c.id).where(runs.c.pool == pool, *_READY)
        return list(self._db.execute(query.order_by(runs.c.id).limit(limit)).scalars())

    def runs_by_state(self) -> dict[str, int]:
        query = select(run_counts.c.state, func.sum(run_counts.c.n)).group_by(run_counts.c.state)
        return {str(state): int(n) for state, n in self._db.execute(query) if n}

    def ended_runs(self, since: int, limit: int) -> list[EndedRuns]:
        facts = (runs.c.state, runs.c.outcome, runs.c.reason_code)
        ended = (text("runs.finished_at > 0"), runs.c.finished_at >= since)
        last = select(*facts).where(*ended).order_by(runs.c.finished_at.desc()).limit(limit)
        found = last.subquery()
        number = func.count()
        query = select(*found.c, number).group_by(*found.c).order_by(number.desc(), *found.c)
        rows = map(tuple, self._db.execute(query))
        return [EndedRuns(str(s), str(o or ""), str(r), int(n)) for s, o, r, n in rows]

    def pending_deliveries(self) -> list[PendingDeliveries]:
        kind = deliveries.c.kind
        query = select(kind, func.count(), func.min(deliveries.c.next_at)).where(PENDING)
        rows = self._db.execute(query.group_by(kind).order_by(kind))
        return [PendingDeliveries(str(name), int(n), int(at)) for name, n, at in rows]

    def usage(self, first: int, last: int) -> UsageSums:
        # by account, because the index begins with it: only the totals of days are read
        query = select(*_SUMS).where(
            usage_days.c.account_id.in_(select(accounts.c.id)),
            usage_days.c.part == WHOLE_DAY,
            usage_days.c.day.between(first, last),
        )
        return UsageSums(*(int(total or 0) for total in self._db.execute(query).one()))
