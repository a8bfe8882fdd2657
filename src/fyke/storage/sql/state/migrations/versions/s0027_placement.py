"""In which pool, and on machines with which labels, runs may run.

The queue has an index for each pool, and a view shows what each pool is asked for. Runs from before
are in the pool "default", and so are runners, which write their part with their next heartbeat.
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

# what waits and may be leased now, and what runs; times are in ms
_DEMAND = """
    CREATE VIEW demand AS
    SELECT pool,
        CAST(SUM(waiting) AS BIGINT) AS waiting, CAST(SUM(running) AS BIGINT) AS running,
        SUM(waiting * cpus) AS waiting_cpus, SUM(running * cpus) AS running_cpus,
        CAST(SUM(waiting * memory_mb) AS BIGINT) AS waiting_memory_mb,
        CAST(SUM(running * memory_mb) AS BIGINT) AS running_memory_mb,
        CAST(SUM(waiting * browsers) AS BIGINT) AS waiting_browsers,
        CAST(SUM(running * browsers) AS BIGINT) AS running_browsers
    FROM (
        SELECT s.pool, 1 AS waiting, 0 AS running, r.cpus, r.memory_mb,
            CASE WHEN r.browser_memory_mb > 0 THEN 1 ELSE 0 END AS browsers
        FROM subtasks s {join} runs r {on} r.id = s.run_id
        WHERE s.state = 'waiting' AND r.state IN ('ready', 'running')
            AND (s.not_before <= {now} OR s.not_before > {now} + 60000)
        UNION ALL
        SELECT r.pool, 0, 1, r.cpus, r.memory_mb,
            CASE WHEN r.browser_memory_mb > 0 THEN 1 ELSE 0 END
        FROM attempts a {join} runs r {on} r.id = a.run_id
        WHERE a.outcome IS NULL
    ) AS parts
    GROUP BY pool
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
    sqlite = op.get_bind().dialect.name == "sqlite"
    now = (
        "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
        if sqlite
        else "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
    )
    # CROSS JOIN makes SQLite start with what waits or runs, and not with all past runs
    op.execute(_DEMAND.format(now=now, join="CROSS JOIN" if sqlite else "JOIN", on="ON"))
