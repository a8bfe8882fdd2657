"""The tables of what is held in the run queue, and of the servers that share a database."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, UniqueConstraint

from fyke.storage.sql.columns import Sequence, StorableText, metadata, partial_index

queue_items = Table(
    "queue_items",
    metadata,
    Column("number", Sequence, primary_key=True, autoincrement=True),
    Column("id", StorableText(), nullable=False),
    Column("account_id", StorableText(), ForeignKey("accounts.id"), nullable=False),
    Column("worker_id", StorableText(), ForeignKey("workers.id"), nullable=False),
    Column("version", StorableText(), nullable=False),
    Column("input_json", StorableText(), nullable=False),
    Column("callback_url", StorableText(), nullable=False),
    Column("waiting", Boolean, nullable=False),
    Column("reason", StorableText(), nullable=False),
    Column("run_id", StorableText(), nullable=False),  # no reference: outlives a deleted run
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    UniqueConstraint("id"),
    Index(None, "account_id", "waiting", "number"),
    sqlite_autoincrement=True,  # a number never names another item, even after its own is gone
)
partial_index(
    "ix_queue_items_ended",
    queue_items.c.ended_at,
    queue_items.c.id,
    where="ended_at > 0",
)

servers = Table(
    "servers",
    metadata,
    Column("id", StorableText(), primary_key=True, nullable=False),
    Column("heartbeat_at", BigInteger, nullable=False),
)
