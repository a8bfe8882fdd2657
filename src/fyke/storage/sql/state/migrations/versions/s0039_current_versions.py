"""Which version of a worker is the current one, and the tags of versions."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column

from fyke.storage.sql.state.migrations.ddl import TEXT, table, text

revision = "s0039"
down_revision = "s0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("current_version", "current_approved"):
        op.add_column("workers", Column(name, TEXT, nullable=False, server_default=""))
    table(
        "version_tags",
        text("worker_id tag number"),
        key="worker_id tag",
        refs=("worker_id workers.id cascade",),
    )
