"""Usage samples and marks, sites and share links of runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from fyke.model.attempt import SiteTraffic
from fyke.model.run import SampleSpan, Share, UsageSample
from fyke.model.usage_marks import UsageMark
from fyke.storage.sql.dialects import (
    driver_sql,
    insert_rows,
    is_sqlite,
    to_storable_text,
    upsert,
)
from fyke.storage.sql.prepared import Prepared
from fyke.storage.sql.state.columns import (
    flag_column,
    metadata,
    number_column,
    ref_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, many, one, record, was_applied
from fyke.storage.sql.state.runs.tables import ENDED_COUNTERS

run_samples = Table(
    "run_samples",
    metadata,
    ref_column("run_id", "runs.id", key=True, cascade=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    number_column("cpu_ms"),
    number_column("memory_bytes"),
    number_column("traffic_bytes"),
    number_column("rows"),
    number_column("browser_memory_bytes"),
)

# the totals of ended attempts
run_sites = Table(
    "run_sites",
    metadata,
    ref_column("run_id", "runs.id", key=True, cascade=True),
    text_column("domain", key=True),
    number_column("requests"),
    number_column("bytes_up"),
    number_column("bytes_down"),
    number_column("failures"),
    number_column("refused"),
    text_column("statuses"),  # JSON
    number_column("unseen"),
)

# the last report of each active attempt; removed when it ends
attempt_sites = Table(
    "attempt_sites",
    metadata,
    text_column("attempt_id", key=True),
    ref_column("run_id", "runs.id", cascade=True),
    text_column("sites"),  # JSON list
    Index(None, "run_id"),
)

# what is marked in the usage curves, one row for each attempt that has marks
run_marks = Table(
    "run_marks",
    metadata,
    text_column("attempt_id", key=True),
    ref_column("run_id", "runs.id", cascade=True),
    text_column("marks"),  # JSON list
    Index(None, "run_id", "attempt_id"),
)

run_shares = Table(
    "run_shares",
    metadata,
    text_column("id", key=True),
    ref_column("account_id", "accounts.id"),
    ref_column("run_id", "runs.id", cascade=True),
    text_column("made_by"),
    flag_column("rows"),
    flag_column("log"),
    number_column("created_at"),
    number_column("expires_at"),
    number_column("revoked_at"),
    Index(None, "run_id", "created_at"),
)

_REPORTED = Prepared(
    select(attempt_sites.c.sites).where(attempt_sites.c.attempt_id == bindparam("of_attempt"))
)

# in the order of ``UsageSample``
_SAMPLED = "cpu_ms", "memory_bytes", "traffic_bytes", "rows", "browser_memory_bytes"
# Only active attempts are read. Without statistics SQLite would read all attempts of the run, in an
# index with all of them.
_MEASURE = (
    "SELECT runs.id, "  # noqa: S608 - names of our own
    + ", ".join(
        f"coalesce(sum(a.{name}), 0)" + (f" + runs.ended_{name}" if name in ENDED_COUNTERS else "")
        for name in _SAMPLED
    )
    + " FROM runs LEFT JOIN attempts a{by} ON a.run_id = runs.id AND a.outcome IS NULL"
    " WHERE runs.id IN ({ids}) GROUP BY runs.id"
)


class SqlSamples(SqlStore):
    """Implements ``SampleStore``."""

    def spans(self, run_ids: Collection[str]) -> dict[str, SampleSpan]:
        run, at = run_samples.c.run_id, run_samples.c.at
        query = select(run, func.count(), func.min(at), func.max(at)).group_by(run)
        spans = dict.fromkeys(run_ids, SampleSpan())
        for run_id, *numbers in self._db.execute(query.where(run.in_(run_ids))):
            spans[run_id] = SampleSpan(*map(int, numbers))
        return spans

    def measure(self, run_ids: Collection[str], at: int) -> dict[str, UsageSample]:
        ids = sorted(run_ids)
        samples = {run_id: UsageSample(run_id, at, 0, 0, 0, 0) for run_id in ids}
        by = " INDEXED BY ix_attempts_living" if is_sqlite(self._db) else ""
        statement = _MEASURE.format(by=by, ids=", ".join("?" * len(ids)))
        values = tuple(map(to_storable_text, ids))
        for run_id, *totals in self._db.exec_driver_sql(driver_sql(self._db, statement), values):
            samples[run_id] = UsageSample(run_id, at, *map(int, totals))
        return samples

    def add(self, samples: Sequence[UsageSample]) -> None:
        names = tuple(column.name for column in run_samples.columns)
        rows = [columns(sample) for sample in samples]
        values = sorted(tuple(row[name] for name in names) for row in rows)
        insert_rows(self._db, run_samples, names, values, "ON CONFLICT DO NOTHING")

    def thin(self, run_id: str) -> None:
        of_run = run_samples.c.run_id == run_id
        times = select(run_samples.c.at).where(of_run).order_by(run_samples.c.at)
        every_second = list(self._db.execute(times).scalars())[1::2]
        self._db.execute(delete(run_samples).where(of_run, run_samples.c.at.in_(every_second)))

    def of_run(self, run_id: str) -> list[UsageSample]:
        query = select(run_samples).where(run_samples.c.run_id == run_id)
        return many(self._db.execute(query.order_by(run_samples.c.at)), UsageSample)


_decode = msgspec.json.Decoder(tuple[SiteTraffic, ...]).decode
_decode_statuses = msgspec.json.Decoder(dict[str, int]).decode


class SqlSites(SqlStore):
    """Implements ``SiteStore``."""

    def report(self, reports: Sequence[tuple[str, str, tuple[SiteTraffic, ...]]]) -> None:
        rows = [(*ids, msgspec.json.encode(sites).decode()) for *ids, sites in reports]
        insert_rows(
            self._db,
            attempt_sites,
            ("attempt_id", "run_id", "sites"),
            sorted(rows),
            "ON CONFLICT (attempt_id) DO UPDATE SET sites = excluded.sites",
        )

    def take(self, attempt_id: str) -> tuple[SiteTraffic, ...]:
        rows = _REPORTED.rows(self._db, {"of_attempt": attempt_id})
        if not rows:
            return ()
        self._db.execute(delete(attempt_sites).where(attempt_sites.c.attempt_id == attempt_id))
        return _decode(rows[0]["sites"])

    def reported(self, run_id: str) -> list[tuple[SiteTraffic, ...]]:
        query = select(attempt_sites.c.sites).where(attempt_sites.c.run_id == run_id)
        texts = self._db.execute(query.order_by(attempt_sites.c.attempt_id)).scalars()
        return [_decode(text) for text in texts]

    def put(self, run_id: str, site: SiteTraffic) -> None:
        values = {"run_id": run_id} | columns(site)
        values["statuses"] = msgspec.json.encode(site.statuses).decode()
        self._db.execute(upsert(self._db, run_sites, values, key=("run_id", "domain")))

    def of_run(self, run_id: str) -> tuple[SiteTraffic, ...]:
        query = select(run_sites).where(run_sites.c.run_id == run_id)
        rows = self._db.execute(query.order_by(run_sites.c.domain)).mappings()
        return tuple(
            record({**row, "statuses": _decode_statuses(row["statuses"])}, SiteTraffic)
            for row in rows
        )


_decode_marks = msgspec.json.Decoder(tuple[UsageMark, ...]).decode


class SqlMarks(SqlStore):
    """Implements ``MarkStore``."""

    def report(self, reports: Sequence[tuple[str, str, tuple[UsageMark, ...]]]) -> None:
        rows = [(*ids, msgspec.json.encode(marks).decode()) for *ids, marks in reports]
        insert_rows(
            self._db,
            run_marks,
            ("attempt_id", "run_id", "marks"),
            sorted(rows),
            "ON CONFLICT (attempt_id) DO UPDATE SET marks = excluded.marks",
        )

    def of_run(self, run_id: str, limit: int) -> dict[str, tuple[UsageMark, ...]]:
        query = select(run_marks.c.attempt_id, run_marks.c.marks)
        found = self._db.execute(
            query.where(run_marks.c.run_id == run_id).order_by(run_marks.c.attempt_id).limit(limit)
        )
        return {row.attempt_id: _decode_marks(row.marks) for row in found}


class SqlShares(SqlStore):
    """Implements ``ShareStore``."""

    def add(self, share: Share) -> None:
        self._db.execute(insert(run_shares), columns(share))

    def get(self, share_id: str) -> Share | None:
        return one(self._db.execute(select(run_shares).where(run_shares.c.id == share_id)), Share)

    def of_run(self, run_id: str) -> list[Share]:
        query = select(run_shares).where(run_shares.c.run_id == run_id)
        order = run_shares.c.created_at.desc(), run_shares.c.id.desc()
        return many(self._db.execute(query.order_by(*order)), Share)

    def revoke(self, share_id: str, at: int) -> bool:
        valid = update(run_shares).where(run_shares.c.id == share_id, run_shares.c.revoked_at == 0)
        return was_applied(self._db.execute(valid.values(revoked_at=at)))
