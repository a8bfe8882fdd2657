"""The tables behind the page of one run: the curve of what it uses, the sites that it had to do
with, and who may look at it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table

from fyke.storage.sql.columns import (
    StorableText,
    metadata,
    number_column,
    ref_column,
    text_column,
)

run_samples = Table(
    "run_samples",
    metadata,
    Column(
        "run_id",
        StorableText(),
        ForeignKey("runs.id", ondelete="CASCADE"),
        primary_key=True,
        nullable=False,
    ),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("cpu_ms", BigInteger, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("traffic_bytes", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
)

# the sums of attempts that have ended
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
)

# what a living attempt reported last; it goes when the attempt ends
attempt_sites = Table(
    "attempt_sites",
    metadata,
    text_column("attempt_id", key=True),
    ref_column("run_id", "runs.id", cascade=True),
    text_column("sites"),  # JSON list
    Index(None, "run_id"),
)

run_shares = Table(
    "run_shares",
    metadata,
    Column("id", StorableText(), primary_key=True, nullable=False),
    Column("account_id", StorableText(), ForeignKey("accounts.id"), nullable=False),
    Column("run_id", StorableText(), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("made_by", StorableText(), nullable=False),
    Column("rows", Boolean, nullable=False),
    Column("log", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=False),
    Index(None, "run_id", "created_at"),
)
