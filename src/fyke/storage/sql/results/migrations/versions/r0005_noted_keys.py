"""The keys of rows in files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0005"
down_revision = "r0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("results_seals", sa.Column("keys", sa.LargeBinary()))
