"""Nodes, and the tokens to join with."""

from __future__ import annotations

from fyke.storage.sql.state.migrations.ddl import flag, number, table, text

revision = "s0025"
down_revision = "s0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table(
        "nodes",
        text("name pool labels region join_id"),
        flag("ephemeral"),
        number("joined_at"),
        text("state state_by"),
        number("state_at"),
        text("reason_code reason_params"),
        number("drain_until epoch"),
        text("runner_id gateway_id address release"),
        number("seen_at"),
        key="name",
    )
    table(
        "node_tokens",
        text("id digest pool labels name_pattern"),
        number("uses expires_at"),
        text("created_by"),
        number("created_at used revoked_at"),
        unique=("digest",),
    )
