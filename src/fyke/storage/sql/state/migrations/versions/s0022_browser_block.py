"""What the browsers of a run do not load."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column

from fyke.storage.sql.state.migrations.ddl import TEXT

revision = "s0022"
down_revision = "s0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", Column("browser_block", TEXT, nullable=False, server_default="[]"))
