"""How many sandboxes of a runner wait for an attempt, and the memory that they use."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

revision = "s0013"
down_revision = "s0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("idle_sandboxes", "idle_memory"):
        op.add_column("runners", Column(name, BigInteger, nullable=False, server_default="0"))
