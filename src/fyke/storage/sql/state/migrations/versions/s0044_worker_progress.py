"""What the Worker of an attempt reports of its progress."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

from fyke.storage.sql.state.migrations.ddl import TEXT

revision = "s0044"
down_revision = "s0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("progress_done", "progress_total"):
        op.add_column("attempts", Column(name, BigInteger, nullable=False, server_default="0"))
    op.add_column("attempts", Column("progress_text", TEXT, nullable=False, server_default=""))
