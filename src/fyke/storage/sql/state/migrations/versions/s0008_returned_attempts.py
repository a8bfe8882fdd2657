"""When a returned subtask may be leased again, and why a runner cannot start Workers."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

from fyke.storage.sql.state.migrations.ddl import TEXT

revision = "s0008"
down_revision = "s0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subtasks", Column("not_before", BigInteger, nullable=False, server_default="0"))
    op.add_column("runners", Column("trouble", TEXT, nullable=False, server_default=""))
