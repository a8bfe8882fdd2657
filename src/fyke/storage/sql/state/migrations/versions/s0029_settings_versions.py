"""Versions of the settings that must agree, and which one each server and runner has."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

from fyke.storage.sql.state.migrations.ddl import TEXT, number, table, text

revision = "s0029"
down_revision = "s0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table(
        "settings_versions",
        [Column("number", BigInteger, nullable=False, autoincrement=False)],
        text("config sealed changed stored_by place"),
        number("stored_at"),
        key="number",
    )
    op.add_column("servers", Column("place", TEXT, nullable=False, server_default=""))
    for name in ("servers", "runners"):
        column = Column("settings_version", BigInteger, nullable=False, server_default="0")
        op.add_column(name, column)
