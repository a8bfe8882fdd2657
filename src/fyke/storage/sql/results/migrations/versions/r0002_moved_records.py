"""How many records of its journal an attempt has in the tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "results_attempts",
        sa.Column("moved", sa.BigInteger(), nullable=False, server_default="0"),
    )
