"""Why the installation cannot install the dependencies of a version, for nodes."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column

from fyke.storage.sql.state.migrations.ddl import TEXT

revision = "s0036"
down_revision = "s0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("reason_code", "reason_params", "log", "sources"):
        op.add_column("environment_archives", Column(name, TEXT, nullable=False, server_default=""))
