"""The tables of uploads and of versions that wait for a review."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table, false

from fyke.storage.sql.columns import (
    StorableText,
    metadata,
    number_column,
    partial_index,
    text_column,
)

submissions = Table(
    "submissions",
    metadata,
    Column("id", StorableText(), primary_key=True),
    Column("account_id", StorableText(), ForeignKey("accounts.id"), nullable=False),
    Column("worker_id", StorableText(), ForeignKey("workers.id"), nullable=False),
    text_column("version"),
    text_column("state"),
    text_column("note"),
    number_column("created_at"),
    number_column("decided_at"),
    text_column("decided_by"),
    text_column("reply"),
    text_column("sample_run_id"),  # no reference: the sample may be deleted
    Index(None, "worker_id", "created_at", "id"),
    Index(None, "state", "created_at", "id"),
)
# of one worker one version waits at a time, also when two ask at once
partial_index(
    "uq_submissions_waiting",
    submissions.c.worker_id,
    unique=True,
    where="state = 'waiting'",
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", StorableText(), primary_key=True),
    Column("account_id", StorableText(), ForeignKey("accounts.id"), nullable=False),
    text_column("source"),
    text_column("state"),
    text_column("label"),  # file name or address, for people
    text_column("git_url"),
    text_column("git_ref"),
    text_column("git_folder"),
    text_column("git_commit"),
    number_column("size"),
    text_column("steps"),  # JSON list
    text_column("findings"),  # JSON list
    text_column("digest"),
    text_column("language"),
    text_column("title"),
    text_column("description"),
    text_column("input_schema"),
    text_column("output_schema"),
    text_column("worker_id"),
    text_column("version"),
    text_column("test_run_id"),
    number_column("working_until"),
    number_column("created_at"),
    number_column("updated_at"),
    text_column("egress", null=True),  # JSON list of domains; NULL = nothing declared
    Column("builds", Boolean, nullable=False, server_default=false()),
    Index(None, "account_id", "created_at", "id"),
    Index(None, "created_at", "id"),
)
