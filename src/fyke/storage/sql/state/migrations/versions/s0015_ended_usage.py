"""The usage of a run's ended attempts, so that its usage so far is known without reading them.

The numbers are set for runs that have not ended, and are not used for others.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

from fyke.storage.sql.state.migrations.ddl import index

revision = "s0015"
down_revision = "s0014"
branch_labels = None
depends_on = None

_COUNTERS = "cpu_ms", "traffic_bytes", "rows"


def upgrade() -> None:
    for name in _COUNTERS:
        column = Column(f"ended_{name}", BigInteger, nullable=False, server_default="0")
        op.add_column("runs", column)
    sums = ", ".join(
        f"ended_{name} = (SELECT coalesce(sum({name}), 0) FROM attempts"  # noqa: S608 - our own words
        " WHERE attempts.run_id = runs.id AND outcome IS NOT NULL)"
        for name in _COUNTERS
    )
    # the states of two partial indexes, which contain no past run
    for states in ("'ready', 'running'", "'running', 'ending', 'aborting'"):
        op.execute(f"UPDATE runs SET {sums} WHERE state IN ({states})")  # noqa: S608
    # active attempts by run; there are few, so that those of a runner are found without an index
    op.execute("DROP INDEX ix_attempts_living")
    index("ix_attempts_living", "attempts", "run_id", "outcome IS NULL")
