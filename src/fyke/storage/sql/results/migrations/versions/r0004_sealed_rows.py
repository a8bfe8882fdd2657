"""Rows of ended runs in files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column(
        "results_runs", sa.Column("sealed", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.create_table(
        "results_seals",
        sa.Column("run", number, primary_key=True, autoincrement=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("claimed_until", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
    )
    unfinished = sa.text("NOT done")
    op.create_index(
        "ix_results_seals_unfinished",
        "results_seals",
        ["run"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
    op.create_table(
        "results_frames",
        sa.Column("id", number, primary_key=True, autoincrement=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("start_byte", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.LargeBinary(), nullable=False),
    )
