"""How many rows of an attempt others have upserted, and how often it has upserted theirs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0007"
down_revision = "r0006"
branch_labels = None
depends_on = None

NOT_ONLY_ADDED = (
    "the columns are filled from results_shares, a table that the previous release does not know, "
    "so it changes nothing of what they say"
)


def upgrade() -> None:
    for name in ("shared_rows", "shared_bytes", "upserted"):
        op.add_column(
            "results_attempts",
            sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"),
        )
    op.execute(
        "UPDATE results_attempts SET shared_rows = s.shared_rows, shared_bytes = s.shared_bytes, "
        "upserted = s.upserted FROM ("
        "SELECT attempt, count(bytes) AS shared_rows, coalesce(sum(bytes), 0) AS shared_bytes, "
        "count(*) - count(bytes) AS upserted FROM results_shares GROUP BY attempt"
        ") AS s WHERE s.attempt = results_attempts.number"
    )
