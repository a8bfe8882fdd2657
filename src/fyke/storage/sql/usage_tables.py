"""What was used on each day, by worker, task and key: the ledger and the ends of runs, added up."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table

from fyke.storage.sql.tables import StorableText, metadata


def _text(name: str) -> Column[str]:
    return Column(name, StorableText(), nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


# No references: what was used outlives its run, and may outlive worker, task and key.
usage_days = Table(
    "usage_days",
    metadata,
    _text("account_id"),
    _number("day"),  # 20261124 in the account's time zone at that moment
    _text("worker_id"),
    _text("task_id"),
    _text("key_id"),
    _number("runs"),
    _number("failed"),
    _number("aborted"),
    _number("results"),
    _number("usage_micros"),
    _number("traffic_bytes"),
    _number("run_ms"),
    _number("credited_micros"),
    PrimaryKeyConstraint("account_id", "day", "worker_id", "task_id", "key_id"),
)
