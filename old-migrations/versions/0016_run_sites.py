"""The traffic of runs by site, and what an upload declares."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Text,
)
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NUMBERS = ("requests", "bytes_up", "bytes_down", "failures", "refused")


def upgrade() -> None:
    op.create_table(
        "run_sites",
        Column("run_id", TEXT, nullable=False),
        Column("domain", TEXT, nullable=False),
        *(Column(name, BigInteger, nullable=False) for name in NUMBERS),
        PrimaryKeyConstraint("run_id", "domain", name="pk_run_sites"),
        ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_run_sites_run_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "attempt_sites",
        Column("attempt_id", TEXT, nullable=False),
        Column("run_id", TEXT, nullable=False),
        Column("sites", TEXT, nullable=False),
        PrimaryKeyConstraint("attempt_id", name="pk_attempt_sites"),
        ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_attempt_sites_run_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_attempt_sites_run_id", "attempt_sites", ["run_id"])
    op.add_column("uploads", Column("egress", TEXT, nullable=True))
    op.add_column("uploads", Column("builds", Boolean, nullable=False, server_default=sa.false()))
