"""The tables of people who sign in, and of what was done by whom."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, UniqueConstraint

from fyke.storage.sql.tables import Sequence, StorableText, metadata


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, StorableText(), primary_key=key, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _user(*, key: bool = False) -> Column[str]:
    reference = ForeignKey("users.id", ondelete="CASCADE")
    return Column("user_id", StorableText(), reference, primary_key=key, nullable=False)


sessions = Table(
    "sessions",
    metadata,
    _text("id", key=True),
    _user(),
    _text("digest"),
    _number("created_at"),
    _number("seen_at"),
    _number("expires_at"),
    _number("ended_at"),
    _text("agent"),
    _text("address"),
    UniqueConstraint("digest"),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

one_time_links = Table(
    "one_time_links",
    metadata,
    _text("digest", key=True),
    _text("purpose"),
    _user(),
    _number("created_at"),
    _number("expires_at"),
    Index(None, "user_id"),
)

preferences = Table(
    "preferences",
    metadata,
    _user(key=True),
    _text("language"),
    _text("theme"),
    _text("time_zone"),
    _text("snippets"),
    _text("views"),  # JSON object
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    _text("account_id"),  # no references: the record outlives what it tells of
    _number("at"),
    _text("user_id"),
    _text("user_name"),
    _text("key_id"),
    _text("session_id"),
    _text("address"),
    _text("action"),
    _text("target"),
    _text("detail"),
    Index(None, "account_id", "seq"),
    Index(None, "account_id", "action", "seq"),
    Index(None, "at"),
)
