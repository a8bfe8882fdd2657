"""Keys that make a repeated start the same start."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "start_keys",
        Column("account_id", TEXT, nullable=False),
        Column("key", TEXT, nullable=False),
        Column("digest", TEXT, nullable=False),
        Column("made", TEXT, nullable=False),
        Column("ref", TEXT, nullable=False),
        Column("expires_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("account_id", "key", name="pk_start_keys"),
    )
    op.create_index("ix_start_keys_expires_at", "start_keys", ["expires_at"])
