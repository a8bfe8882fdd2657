"""The last pages of attempts."""

from __future__ import annotations

from fyke.storage.sql.state.migrations.ddl import number, table, text

revision = "s0023"
down_revision = "s0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table(
        "run_last_pages",
        text("attempt_id run_id"),
        number("stored_at"),
        text("page"),
        key="attempt_id",
        refs=("run_id runs.id cascade",),
        indexes=("run_id attempt_id", "stored_at"),
    )
