"""The place of a runner: its data folder and the boot of its machine."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column

from fyke.storage.sql.state.migrations.ddl import TEXT

revision = "s0007"
down_revision = "s0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runners", Column("place", TEXT, nullable=False, server_default=""))
