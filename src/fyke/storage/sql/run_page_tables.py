"""The tables behind the page of one run: the curve of what it uses, and who may look at it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table

from fyke.storage.sql.columns import StorableText, metadata

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
