"""The tables of uploads and of versions that wait for a review."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, text

from fyke.storage.sql.tables import StorableText, metadata


def _text(name: str) -> Column[str]:
    return Column(name, StorableText(), nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


submissions = Table(
    "submissions",
    metadata,
    Column("id", StorableText(), primary_key=True),
    Column("account_id", StorableText(), ForeignKey("accounts.id"), nullable=False),
    Column("worker_id", StorableText(), ForeignKey("workers.id"), nullable=False),
    _text("version"),
    _text("state"),
    _text("note"),
    _number("created_at"),
    _number("decided_at"),
    _text("decided_by"),
    _text("reply"),
    _text("sample_run_id"),  # no reference: the sample may be deleted
    Index(None, "worker_id", "created_at", "id"),
    Index(None, "state", "created_at", "id"),
)
# of one worker one version waits at a time, also when two ask at once
Index(
    "uq_submissions_waiting",
    submissions.c.worker_id,
    unique=True,
    sqlite_where=text("state = 'waiting'"),
    postgresql_where=text("state = 'waiting'"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", StorableText(), primary_key=True),
    Column("account_id", StorableText(), ForeignKey("accounts.id"), nullable=False),
    _text("source"),
    _text("state"),
    _text("label"),  # file name or address, for people
    _text("git_url"),
    _text("git_ref"),
    _text("git_folder"),
    _text("git_commit"),
    _number("size"),
    _text("steps"),  # JSON list
    _text("findings"),  # JSON list
    _text("digest"),
    _text("language"),
    _text("title"),
    _text("description"),
    _text("input_schema"),
    _text("output_schema"),
    _text("worker_id"),
    _text("version"),
    _text("test_run_id"),
    _number("working_until"),
    _number("created_at"),
    _number("updated_at"),
    Index(None, "account_id", "created_at", "id"),
    Index(None, "created_at", "id"),
)
