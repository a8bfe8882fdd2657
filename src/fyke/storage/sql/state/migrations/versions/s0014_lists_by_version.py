"""An index for lists of runs by version, in the order of the list."""

from __future__ import annotations

from fyke.storage.sql.state.migrations.ddl import index

revision = "s0014"
down_revision = "s0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    index("ix_runs_account_id_version_created_at_id", "runs", "account_id version created_at id")
