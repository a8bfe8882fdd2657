"""The disk and the clock of a runner's machine."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

revision = "s0032"
down_revision = "s0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("disk_free", "disk_total", "disk_floor", "cache_bytes", "clock_ms"):
        op.add_column("runners", Column(name, BigInteger, nullable=False, server_default="0"))
