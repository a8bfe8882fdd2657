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
    for name, default in (("channel", "webhook"), ("sealed", "")):
        column = Column(name, TEXT, nullable=False, server_default=default)
        op.add_column("webhook_endpoints", column)
