"""What runs need installed, and what of it the machines have."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column

from fyke.storage.sql.state.migrations.ddl import TEXT

revision = "s0031"
down_revision = "s0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", Column("environment", TEXT, nullable=False, server_default=""))
    op.add_column("runners", Column("environments", TEXT, nullable=False, server_default=""))
