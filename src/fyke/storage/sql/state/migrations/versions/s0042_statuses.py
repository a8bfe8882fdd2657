"""The HTTP statuses by site of a run, and what is marked in its usage curves."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

from fyke.storage.sql.state.migrations.ddl import TEXT, table, text

revision = "s0042"
down_revision = "s0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run_sites", Column("statuses", TEXT, nullable=False, server_default="{}"))
    op.add_column("run_sites", Column("unseen", BigInteger, nullable=False, server_default="0"))
    table(
        "run_marks",
        text("attempt_id run_id marks"),
        key="attempt_id",
        refs=("run_id runs.id cascade",),
        indexes=("run_id attempt_id",),
    )
