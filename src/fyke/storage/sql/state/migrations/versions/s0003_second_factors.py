"""Second factors with recovery codes, and when a session last verified its user."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column
from sqlalchemy import text as sql

from fyke.storage.sql.state.migrations.ddl import number, table, text

revision = "s0003"
down_revision = "s0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    verified_at = Column("verified_at", BigInteger, nullable=False, server_default=sql("0"))
    op.add_column("sessions", verified_at)
    table(
        "second_factors",
        text("user_id key_id sealed"),
        number("created_at enabled_at last_step"),
        key="user_id",
        refs=("user_id users.id cascade",),
    )
    table(
        "recovery_codes",
        text("user_id digest"),
        key="user_id digest",
        refs=("user_id users.id cascade",),
    )
