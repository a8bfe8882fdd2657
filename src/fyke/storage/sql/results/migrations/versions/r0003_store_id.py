"""The id by which segments of the journal name the tables."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    store = op.create_table(
        "results_store",
        sa.Column("id", sa.LargeBinary(), nullable=False),
    )
    op.bulk_insert(store, [{"id": secrets.token_bytes(16)}])
