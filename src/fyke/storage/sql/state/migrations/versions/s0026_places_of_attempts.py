"""On which machine each attempt runs, and of which attempt an event of a run is.

Attempts and events from before have an empty name.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column

from fyke.storage.sql.state.migrations.ddl import TEXT

revision = "s0026"
down_revision = "s0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, name in (("attempts", "node"), ("run_events", "number"), ("run_events", "node")):
        op.add_column(table, Column(name, TEXT, nullable=False, server_default=""))
