"""The table of the keys that make a repeated start the same start."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table

from fyke.storage.sql.columns import StorableText, metadata

start_keys = Table(
    "start_keys",
    metadata,
    # no reference: checking it would lock the account, before the start locks it more strongly
    Column("account_id", StorableText(), primary_key=True, nullable=False),
    Column("key", StorableText(), primary_key=True, nullable=False),
    Column("digest", StorableText(), nullable=False),
    Column("made", StorableText(), nullable=False),
    Column("ref", StorableText(), nullable=False),  # no reference: the key outlives a deleted run
    Column("expires_at", BigInteger, nullable=False),
    Index(None, "expires_at"),
)
