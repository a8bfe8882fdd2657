"""How long the Workers of attempts have run, and the gaps that a run's duration leaves out."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

revision = "s0009"
down_revision = "s0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", Column("busy_ms", BigInteger, nullable=False, server_default="0"))
    op.add_column("runs", Column("gap_ms", BigInteger, nullable=False, server_default="0"))
    op.execute(
        "UPDATE attempts SET busy_ms = finished_at - started_at"
        " WHERE started_at > 0 AND finished_at > started_at"
    )
