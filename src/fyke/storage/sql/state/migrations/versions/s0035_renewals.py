"""Renewing a lease changes no index, and on PostgreSQL stays in the page of the attempt.

Every living attempt is renewed each second. With the end of the lease in an index, each renewal
added a new entry to every index of the attempts. The living attempts of a runner get an index: they
are read when a node connects, and the loads of a few runners with each lease.
"""

from __future__ import annotations

from alembic import op

from fyke.storage.sql.state.migrations.ddl import index

revision = "s0035"
down_revision = "s0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP INDEX ix_attempts_leases")
    index("ix_attempts_of_runner", "attempts", "runner_id", "outcome IS NULL")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE attempts SET (fillfactor = 70)")
