"""The traces of runs that are still to be sent to a collector."""

from __future__ import annotations

from fyke.storage.sql.state.migrations.ddl import number, table, text

revision = "s0037"
down_revision = "s0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table(
        "run_traces",
        text("run_id trace_id parent_id"),
        number("received_at"),
        key="run_id",
        refs=("run_id runs.id cascade",),
    )
