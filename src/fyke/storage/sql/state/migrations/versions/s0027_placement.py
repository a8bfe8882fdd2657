"""In which pool, and on machines with which labels, runs may run.

The queue has an index for each pool. Runs from before are in the pool "default", and so are
runners, which write their part with their next heartbeat.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, false

from fyke.storage.sql.state.migrations.ddl import TEXT, index

revision = "s0027"
down_revision = "s0026"
branch_labels = None
depends_on = None

_OPERATORS = """
    UPDATE runs SET operators_worker = true WHERE finished_at = 0 AND worker_id IN (
        SELECT w.id FROM workers w JOIN accounts a ON a.id = w.account_id WHERE a.operator)
"""


def upgrade() -> None:
    for table in ("runs", "subtasks", "runners"):
        op.add_column(table, Column("pool", TEXT, nullable=False, server_default="default"))
    for table in ("runs", "runners"):
        op.add_column(table, Column("labels", TEXT, nullable=False, server_default=""))
    for name in ("pool_asked", "region_of_node", "operators_worker"):
        op.add_column("runs", Column(name, Boolean, nullable=False, server_default=false()))
    op.execute(_OPERATORS)
    op.drop_index("ix_runs_open", "runs")
    op.drop_index("ix_subtasks_waiting", "subtasks")
    is_open = "state IN ('ready', 'running')"
    index("ix_runs_open_of_pool", "runs", "pool id account_id state", is_open)
    index("ix_subtasks_waiting_of_pool", "subtasks", "pool run_id ordinal", "state = 'waiting'")
