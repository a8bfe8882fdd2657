"""Whether a runner is being stopped and takes no more attempts."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, false

revision = "s0002"
down_revision = "s0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    draining = Column("draining", Boolean, nullable=False, server_default=false())
    op.add_column("runners", draining)
