"""The packed environments of versions, which other machines fetch."""

from __future__ import annotations

from fyke.storage.sql.state.migrations.ddl import index, number, table, text

revision = "s0030"
down_revision = "s0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table(
        "environment_archives",
        text("version_id key digest"),
        number("size"),
        text("tree runner_id"),
        number("not_before"),
        key="version_id",
        refs=("version_id versions.id",),
    )
    index("ix_environment_archives_wanted", "environment_archives", "version_id", "digest = ''")
    index("ix_environment_archives_key", "environment_archives", "key", "digest <> ''")
