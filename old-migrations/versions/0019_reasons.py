"""Why runs, subtasks and attempts ended and queue items wait, as a code with parameters; the codes
that an alert rule looks for.

What is there already keeps its sentence and has no code.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Text
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NEWEST = "ix_runs_account_id_created_at_id_and_facts"


def upgrade() -> None:
    for table in ("runs", "subtasks", "attempts", "run_events", "queue_items", "alerts"):
        for name in ("reason_code", "reason_params"):
            op.add_column(table, Column(name, TEXT, nullable=False, server_default=""))
    op.add_column("alert_rules", Column("reasons", TEXT, nullable=False, server_default="[]"))
    op.execute("ALTER TABLE queue_items RENAME COLUMN reason TO reason_text")
    op.drop_index(NEWEST, "runs")
    place = ["account_id", "created_at", "id"]
    facts = ["worker_id", "state", "outcome", "reason_code", "origin", "version", "task_id"]
    op.create_index(NEWEST, "runs", place + facts)
