"""What was used on each day, in all and by worker, task and key: what ends and what the ledger
moves, added up.
"""

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
    _text("part"),  # worker, task or key; empty for the day in all
    _number("day"),  # 20261124 in the account's time zone at that moment
    _text("ref"),  # which one; empty for none
    _number("runs"),
    _number("failed"),
    _number("aborted"),
    _number("results"),
    _number("usage_micros"),
    _number("traffic_bytes"),
    _number("run_ms"),
    _number("credited_micros"),
    # one row for each part and not for each combination of them, of which there are nearly as many
    # as runs
    PrimaryKeyConstraint("account_id", "part", "day", "ref"),
)
