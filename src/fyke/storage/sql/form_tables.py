"""The table of what the run form remembers for each user."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Table

from fyke.storage.sql.columns import StorableText, metadata

input_defaults = Table(
    "input_defaults",
    metadata,
    Column("user_id", StorableText(), primary_key=True),
    Column("worker_id", StorableText(), ForeignKey("workers.id"), primary_key=True),
    Column("input_json", StorableText(), nullable=False),
    Column("saved_at", BigInteger, nullable=False),
)
