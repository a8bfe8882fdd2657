"""Facts about the installation, such as the fingerprint of its secret."""

from __future__ import annotations

from fyke.storage.sql.state.migrations.ddl import table, text

revision = "s0006"
down_revision = "s0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table("installation", text("name value"), key="name")
