"""Review of versions before other accounts may run them, uploads, detection of edit conflicts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, PrimaryKeyConstraint, Text
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _texts(*names: str) -> list[Column[Any]]:
    return [Column(name, TEXT, nullable=False) for name in names]


def _numbers(*names: str) -> list[Column[Any]]:
    return [Column(name, BigInteger, nullable=False) for name in names]


def upgrade() -> None:
    _review_of_versions()
    _submissions()
    _uploads()
    _added("tasks", "revision", BigInteger, "0")
    _added("schedules", "failures", BigInteger, "0")
    _added("schedules", "paused_at", BigInteger, "0")
    _added("schedules", "late", TEXT, "start")


def _added(table: str, name: str, kind: Any, value: Any) -> None:
    op.add_column(table, Column(name, kind, nullable=False, server_default=value))


def _review_of_versions() -> None:
    """Versions that other accounts could run before there was a review are approved."""
    _added("versions", "approved", Boolean, sa.true())
    _added("workers", "latest_approved", TEXT, "")
    op.execute("UPDATE workers SET latest_approved = latest")


def _submissions() -> None:
    op.create_table(
        "submissions",
        *_texts("id", "account_id", "worker_id", "version", "state", "note"),
        *_numbers("created_at", "decided_at"),
        *_texts("decided_by", "reply", "sample_run_id"),
        PrimaryKeyConstraint("id", name="pk_submissions"),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_submissions_account_id"),
        ForeignKeyConstraint(["worker_id"], ["workers.id"], name="fk_submissions_worker_id"),
    )
    op.create_index(
        "ix_submissions_worker_id_created_at_id", "submissions", ["worker_id", "created_at", "id"]
    )
    op.create_index(
        "ix_submissions_state_created_at_id", "submissions", ["state", "created_at", "id"]
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "uq_submissions_waiting",
        "submissions",
        ["worker_id"],
        unique=True,
        sqlite_where=waiting,
        postgresql_where=waiting,
    )


def _uploads() -> None:
    op.create_table(
        "uploads",
        *_texts("id", "account_id", "source", "state", "label"),
        *_texts("git_url", "git_ref", "git_folder", "git_commit"),
        *_numbers("size"),
        *_texts("steps", "findings", "digest", "language", "title", "description"),
        *_texts("input_schema", "output_schema", "worker_id", "version", "test_run_id"),
        *_numbers("working_until", "created_at", "updated_at"),
        PrimaryKeyConstraint("id", name="pk_uploads"),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_uploads_account_id"),
    )
    op.create_index(
        "ix_uploads_account_id_created_at_id", "uploads", ["account_id", "created_at", "id"]
    )
    op.create_index("ix_uploads_created_at_id", "uploads", ["created_at", "id"])
