"""How many subtasks of a run have ended, so that the end of one need not read all of them.

The number is set for runs that have not ended, and is not used for others.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

revision = "s0011"
down_revision = "s0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", Column("subtasks_ended", BigInteger, nullable=False, server_default="0"))
    # the states of two partial indexes, which contain no past run
    for states in ("'ready', 'running'", "'running', 'ending', 'aborting'"):
        op.execute(
            "UPDATE runs SET subtasks_ended = (SELECT count(*) FROM subtasks"  # noqa: S608 - our own words
            " WHERE subtasks.run_id = runs.id AND subtasks.state = 'ended')"
            f" WHERE state IN ({states})"
        )
