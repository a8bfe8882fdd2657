"""Plans of accounts, runs that are held, and limits that servers share."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    # accounts that are there already go on as before
    op.add_column("accounts", Column("plan", TEXT, nullable=False, server_default="unlimited"))
    op.add_column("api_keys", Column("rate_limit", BigInteger, nullable=False, server_default="0"))
    create_run_indexes()
    create_queue_items()
    op.create_table(
        "servers",
        Column("id", TEXT, nullable=False),
        Column("heartbeat_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("id", name="pk_servers"),
    )


def create_run_indexes() -> None:
    under_way = "state IN ('running', 'ending', 'aborting')"
    is_open = "state IN ('ready', 'running')"
    op.create_index(
        "ix_runs_under_way",
        "runs",
        ["account_id", "id"],
        sqlite_where=text(under_way),
        postgresql_where=text(under_way),
    )
    op.create_index(
        "ix_runs_open",
        "runs",
        ["id", "account_id", "state"],
        sqlite_where=text(is_open),
        postgresql_where=text(is_open),
    )


def create_queue_items() -> None:
    op.create_table(
        "queue_items",
        Column("number", SEQUENCE, autoincrement=True, nullable=False),
        Column("id", TEXT, nullable=False),
        Column("account_id", TEXT, nullable=False),
        Column("worker_id", TEXT, nullable=False),
        Column("version", TEXT, nullable=False),
        Column("input_json", TEXT, nullable=False),
        Column("callback_url", TEXT, nullable=False),
        Column("waiting", Boolean, nullable=False),
        Column("reason", TEXT, nullable=False),
        Column("run_id", TEXT, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("ended_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("number", name="pk_queue_items"),
        UniqueConstraint("id", name="uq_queue_items_id"),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_queue_items_account_id"),
        ForeignKeyConstraint(["worker_id"], ["workers.id"], name="fk_queue_items_worker_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_queue_items_account_id_waiting_number",
        "queue_items",
        ["account_id", "waiting", "number"],
    )
    ended = "ended_at > 0"
    op.create_index(
        "ix_queue_items_ended",
        "queue_items",
        ["ended_at", "id"],
        sqlite_where=text(ended),
        postgresql_where=text(ended),
    )
