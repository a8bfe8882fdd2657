"""Which nodes the engine that runs them is to replace."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, false

revision = "s0033"
down_revision = "s0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("nodes", Column("replacing", Boolean, nullable=False, server_default=false()))
