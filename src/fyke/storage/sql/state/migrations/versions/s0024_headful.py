"""Browsers with windows: which browser runs ask for, and which ones runners have.

A runner writes its part with its next heartbeat.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, false

from fyke.storage.sql.state.migrations.ddl import TEXT

revision = "s0024"
down_revision = "s0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, name in (
        ("runs", "browser_mode"),
        ("runs", "browser_program"),
        ("runners", "browser_programs"),
    ):
        op.add_column(table, Column(name, TEXT, nullable=False, server_default=""))
    display = Column("browser_display", Boolean, nullable=False, server_default=false())
    op.add_column("runners", display)
