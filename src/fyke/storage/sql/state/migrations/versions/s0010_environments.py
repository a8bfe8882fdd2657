"""Whether the dependencies of versions are installed."""

from __future__ import annotations

from fyke.storage.sql.state.migrations.ddl import index, number, table, text

revision = "s0010"
down_revision = "s0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table(
        "version_environments",
        text("version_id state reason_code reason_params runner_id"),
        number("tries not_before"),
        key="version_id",
        refs=("version_id versions.id",),
    )
    where = "state = 'preparing'"
    index("ix_version_environments_due", "version_environments", "version_id", where)
