"""How long a run had browsers, for estimates; 0 for runs of older releases, which had none."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

revision = "s0018"
down_revision = "s0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = Column("browser_ms", BigInteger, nullable=False, server_default="0")
    op.add_column("runs", column)
