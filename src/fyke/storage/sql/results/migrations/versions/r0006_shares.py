"""The attempts of rows that several have upserted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0006"
down_revision = "r0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "results_shares",
        sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("attempt", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("bytes", sa.BigInteger()),
        sqlite_with_rowid=False,
    )
