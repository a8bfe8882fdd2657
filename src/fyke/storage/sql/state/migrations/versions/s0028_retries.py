"""How often subtasks of a run are tried again, and attempts whose rows another one has replaced.

Existing runs and Workers get no retries.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, false

revision = "s0028"
down_revision = "s0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("runs", "versions"):
        retries = Column("max_retries", BigInteger, nullable=False, server_default="0")
        op.add_column(table, retries)
    replaced = Column("replaced", Boolean, nullable=False, server_default=false())
    op.add_column("attempts", replaced)
