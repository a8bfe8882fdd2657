"""The tables of people who sign in, and of what was done by whom."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from fyke.storage.sql.columns import Sequence, StorableText, metadata, number_column, text_column


def _user(*, key: bool = False) -> Column[str]:
    reference = ForeignKey("users.id", ondelete="CASCADE")
    return Column("user_id", StorableText(), reference, primary_key=key, nullable=False)


sessions = Table(
    "sessions",
    metadata,
    text_column("id", key=True),
    _user(),
    text_column("digest"),
    number_column("created_at"),
    number_column("seen_at"),
    number_column("expires_at"),
    number_column("ended_at"),
    text_column("agent"),
    text_column("address"),
    UniqueConstraint("digest"),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

one_time_links = Table(
    "one_time_links",
    metadata,
    text_column("digest", key=True),
    text_column("purpose"),
    _user(),
    number_column("created_at"),
    number_column("expires_at"),
    Index(None, "user_id"),
)

preferences = Table(
    "preferences",
    metadata,
    _user(key=True),
    text_column("language"),
    text_column("theme"),
    text_column("time_zone"),
    text_column("snippets"),
    text_column("views"),  # JSON object
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    text_column("account_id"),  # no references: the record outlives what it tells of
    number_column("at"),
    text_column("user_id"),
    text_column("user_name"),
    text_column("key_id"),
    text_column("session_id"),
    text_column("address"),
    text_column("action"),
    text_column("target"),
    text_column("detail"),
    Index(None, "account_id", "seq"),
    Index(None, "account_id", "action", "seq"),
    Index(None, "at"),
)
