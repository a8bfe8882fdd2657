"""What was used on each day, in all and by worker, task and key: what ends and what the ledger
moves, added up.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table

from fyke.storage.sql.columns import metadata, number_column, text_column

# No references: what was used outlives its run, and may outlive worker, task and key.
usage_days = Table(
    "usage_days",
    metadata,
    text_column("account_id"),
    text_column("part"),  # worker, task or key; empty for the day in all
    number_column("day"),  # 20261124 in the account's time zone at that moment
    text_column("ref"),  # which one; empty for none
    number_column("runs"),
    number_column("failed"),
    number_column("aborted"),
    number_column("results"),
    number_column("usage_micros"),
    number_column("traffic_bytes"),
    number_column("run_ms"),
    number_column("credited_micros"),
    Column("cpu_ms", BigInteger, nullable=False, server_default="0"),
    Column("memory_mb_ms", BigInteger, nullable=False, server_default="0"),
    # one row for each part and not for each combination of them, of which there are nearly as many
    # as runs
    PrimaryKeyConstraint("account_id", "part", "day", "ref"),
)
