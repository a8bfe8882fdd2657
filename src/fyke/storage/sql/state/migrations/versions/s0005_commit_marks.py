"""Marks that show whether a commit took place whose answer was lost."""

from __future__ import annotations

from fyke.storage.sql.state.migrations.ddl import number, table, text

revision = "s0005"
down_revision = "s0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table("commit_marks", text("writer"), number("number marked_at"), key="writer")
