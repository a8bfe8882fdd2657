"""The sites that the attempts of a runner use, which machines share."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column

from fyke.storage.sql.state.migrations.ddl import TEXT

revision = "s0034"
down_revision = "s0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runners", Column("sites", TEXT, nullable=False, server_default=""))
