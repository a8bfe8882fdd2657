"""Indexes for lists of runs by reason, by outcome and by origin, in the order of the list."""

from __future__ import annotations

from fyke.storage.sql.state.migrations.ddl import index

revision = "s0012"
down_revision = "s0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    facts = "created_at id worker_id state {} origin version task_id"
    index(
        "ix_runs_with_reason",
        "runs",
        f"account_id reason_code {facts.format('outcome')}",
        where="reason_code <> ''",
    )
    index(
        "ix_runs_not_succeeded",
        "runs",
        f"account_id outcome {facts.format('reason_code')}",
        where="outcome <> 'succeeded'",
    )
    index("ix_runs_account_id_origin_created_at_id", "runs", "account_id origin created_at id")
