"""The memory of browsers at each usage sample."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

revision = "s0021"
down_revision = "s0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("attempts", "run_samples"):
        column = Column("browser_memory_bytes", BigInteger, nullable=False, server_default="0")
        op.add_column(table, column)
