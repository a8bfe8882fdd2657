"""Endpoints that are chats: their service, and their sealed address."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column

from fyke.storage.sql.state.migrations.ddl import TEXT

revision = "s0041"
down_revision = "s0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "webhook_endpoints", Column("channel", TEXT, nullable=False, server_default="webhook")
    )
    op.add_column("webhook_endpoints", Column("sealed", TEXT, nullable=False, server_default=""))
