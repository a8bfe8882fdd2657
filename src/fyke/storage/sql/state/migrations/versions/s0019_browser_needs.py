"""Which versions use a browser, what runs ask of theirs, and why runners cannot use theirs.

Nothing is known of the versions that exist already. A runner writes its part with its next
heartbeat.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, false

from fyke.storage.sql.state.migrations.ddl import TEXT

revision = "s0019"
down_revision = "s0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("versions", "uploads"):
        _add_text(table, "browser")
        _add_flag(table, "browser_declared")
    _add_flag("runs", "browser_required")
    _add_flag("runs", "browser_memory_asked")
    _add_text("runners", "browser_problem")


def _add_text(table: str, name: str) -> None:
    op.add_column(table, Column(name, TEXT, nullable=False, server_default=""))


def _add_flag(table: str, name: str) -> None:
    op.add_column(table, Column(name, Boolean, nullable=False, server_default=false()))
