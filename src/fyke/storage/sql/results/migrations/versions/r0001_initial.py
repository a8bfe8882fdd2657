"""The tables of the results in release 0.1.0."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None


def _number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "results_runs",
        sa.Column("number", _number(), primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.Text(), unique=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("log_entries", sa.BigInteger(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "results_attempts",
        sa.Column("number", _number(), primary_key=True, autoincrement=True),
        sa.Column("attempt_id", sa.Text(), nullable=False, unique=True),
        sa.Column("run", sa.BigInteger()),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_results_attempts_run", "results_attempts", ["run"])
    op.create_table(
        "results_headers",
        sa.Column("attempt", _number(), primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "results_rows",
        sa.Column("id", _number(), primary_key=True, autoincrement=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "results_upserts",
        sa.Column("run", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("digest", sa.LargeBinary(), primary_key=True),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "results_log",
        sa.Column("id", _number(), primary_key=True, autoincrement=False),
        sa.Column("type", sa.SmallInteger(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
    )
