"""What the lists of runs and the usage pages ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from itertools import chain
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    insert,
    text,
)
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
KEY = ("account_id", "part", "day", "ref")
SUMS = (
    "runs", "failed", "aborted", "results",
    "usage_micros", "traffic_bytes", "run_ms", "credited_micros",
)  # fmt: skip
BATCH = 1000


def upgrade() -> None:
    _runs()
    op.drop_index("ix_ledger_account_id_seq", "ledger")
    op.create_index("ix_ledger_account_id_at_seq", "ledger", ["account_id", "at", "seq"])
    op.create_table(
        "usage_days",
        *(Column(n, BigInteger if n == "day" else TEXT, nullable=False) for n in KEY),
        *(Column(n, BigInteger, nullable=False) for n in SUMS),
        PrimaryKeyConstraint(*KEY, name="pk_usage_days"),
    )
    _add_up(op.get_bind())


def _runs() -> None:
    op.add_column("runs", Column("summary", TEXT, nullable=False, server_default=""))
    op.drop_index("ix_runs_account_id_created_at_id", "runs")
    facts = ["worker_id", "state", "outcome", "origin", "version", "task_id"]
    newest = ["account_id", "created_at", "id"]
    op.create_index("ix_runs_account_id_created_at_id_and_facts", "runs", newest + facts)
    for name, columns, condition in (
        ("ix_runs_with_error", newest, "err_msg <> ''"),
        ("ix_runs_of_task", ["account_id", "task_id", "created_at", "id"], "task_id <> ''"),
    ):
        op.create_index(
            name, "runs", columns,
            sqlite_where=text(condition), postgresql_where=text(condition),
        )  # fmt: skip


def _add_up(db: Connection) -> None:
    """Fill the table from what there is: runs that have ended, and the ledger."""
    accounts = db.execute(text("SELECT id, time_zone FROM accounts"))
    zones = {account: _zone(name) for account, name in accounts}
    sums: dict[tuple[str, str, int, str], dict[str, int]] = defaultdict(
        lambda: dict.fromkeys(SUMS, 0)
    )
    for (account, at, worker, task, key), part in chain(_ends(db), _money(db)):
        day = datetime.fromtimestamp(at / 1000, zones.get(account, UTC))
        number = day.year * 10_000 + day.month * 100 + day.day
        for kind, ref in (("", ""), ("worker", worker), ("task", task), ("key", key)):
            row = sums[account, kind, number, ref]
            for name, amount in part.items():
                row[name] += amount
    rows = [dict(zip(KEY, key, strict=True)) | row for key, row in sums.items()]
    numbers = (Column(name, BigInteger) for name in ("day", *SUMS))
    names = (Column(name, TEXT) for name in KEY if name != "day")
    table = Table("usage_days", MetaData(), *numbers, *names)
    for start in range(0, len(rows), BATCH):
        db.execute(insert(table), rows[start : start + BATCH])


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


Part = tuple[tuple[str, int, str, str, str], dict[str, int]]


def _ends(db: Connection) -> Iterator[Part]:
    """What each ended run adds, but for its money."""
    found = db.execute(text(
        "SELECT account_id, finished_at, worker_id, task_id, key_id, state, results,"
        " traffic_bytes, started_at FROM runs WHERE finished_at > 0"
    ))  # fmt: skip
    for account, at, worker, task, key, state, results, traffic, started in found:
        yield (
            (account, at, worker, task, key),
            {
                "runs": 1,
                "failed": int(state == "failed"),
                "aborted": int(state == "aborted"),
                "results": results,
                "traffic_bytes": traffic,
                "run_ms": max(0, at - started) if started else 0,
            },
        )


def _money(db: Connection) -> Iterator[Part]:
    """The ledger, which also knows what was paid for runs that were deleted since."""
    found = db.execute(text(
        "SELECT l.account_id, l.at, coalesce(r.worker_id, ''), coalesce(r.task_id, ''),"
        " coalesce(r.key_id, ''), l.kind, l.usd_micros"
        " FROM ledger l LEFT JOIN runs r ON r.id = l.run_id WHERE l.kind IN ('usage', 'credit')"
    ))  # fmt: skip
    for account, at, worker, task, key, kind, amount in found:
        part = {"usage_micros": -amount} if kind == "usage" else {"credited_micros": amount}
        yield (account, at, worker, task, key), part
