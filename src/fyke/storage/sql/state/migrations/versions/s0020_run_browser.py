"""What the browser of each attempt did: requests, console messages, pages."""

from __future__ import annotations

from fyke.storage.sql.state.migrations.ddl import table, text

revision = "s0020"
down_revision = "s0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table(
        "run_browser",
        text("attempt_id run_id report texts"),
        key="attempt_id",
        refs=("run_id runs.id cascade",),
        indexes=("run_id attempt_id",),
    )
