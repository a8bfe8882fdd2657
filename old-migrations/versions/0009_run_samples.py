"""The curve of what a run uses, and links under which others may look at it."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Text,
    text,
)
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column(
        "attempts",
        Column("memory_bytes", BigInteger, nullable=False, server_default=text("0")),
    )
    op.create_table(
        "run_samples",
        Column("run_id", TEXT, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("cpu_ms", BigInteger, nullable=False),
        Column("memory_bytes", BigInteger, nullable=False),
        Column("traffic_bytes", BigInteger, nullable=False),
        Column("rows", BigInteger, nullable=False),
        PrimaryKeyConstraint("run_id", "at", name="pk_run_samples"),
        ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_run_samples_run_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "run_shares",
        Column("id", TEXT, nullable=False),
        Column("account_id", TEXT, nullable=False),
        Column("run_id", TEXT, nullable=False),
        Column("made_by", TEXT, nullable=False),
        Column("rows", Boolean, nullable=False),
        Column("log", Boolean, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("expires_at", BigInteger, nullable=False),
        Column("revoked_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("id", name="pk_run_shares"),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_run_shares_account_id"),
        ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_run_shares_run_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_run_shares_run_id_created_at", "run_shares", ["run_id", "created_at"])
