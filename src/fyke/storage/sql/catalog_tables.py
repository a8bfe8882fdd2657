"""The tables of what the catalog shows beside a worker's page, and of each user's favourites."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table

from fyke.storage.sql.columns import StorableText, metadata

# no reference: its few rows are shared by all runs of a worker and locked as briefly as can be
worker_facts = Table(
    "worker_facts",
    metadata,
    Column("worker_id", StorableText(), primary_key=True, nullable=False),
    Column("runs", BigInteger, nullable=False),
    Column("succeeded", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("last_ok_at", BigInteger, nullable=False),
    Column("recent", StorableText(), nullable=False),
)

version_facts = Table(
    "version_facts",
    metadata,
    Column("version_id", StorableText(), ForeignKey("versions.id"), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("findings", StorableText(), nullable=False),  # JSON list
)

worker_categories = Table(
    "worker_categories",
    metadata,
    Column("worker_id", StorableText(), ForeignKey("workers.id"), primary_key=True),
    Column("category", BigInteger, primary_key=True, autoincrement=False),
    Index(None, "category", "worker_id"),
)

favourites = Table(
    "favourites",
    metadata,
    Column("user_id", StorableText(), primary_key=True),
    Column("worker_id", StorableText(), ForeignKey("workers.id"), primary_key=True),
    Column("added_at", BigInteger, nullable=False),
)
