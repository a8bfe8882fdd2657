"""The first tables. Spelled out rather than taken from ``tables.py``, which goes on changing:
what a released migration does never changes again.
"""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")


def needed(name: str, type_: Any) -> Column[Any]:
    return Column(name, type_, nullable=False)


def only(condition: str) -> dict[str, Any]:
    """Make an index partial, on both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def upgrade() -> None:
    create_accounts()
    create_run_counts()
    create_runners()
    create_api_keys()
    create_ledger()
    create_users()
    create_workers()
    create_runs()
    create_tasks()
    create_versions()
    create_attempts()
    create_deliveries()
    create_run_events()
    create_subtasks()


def create_accounts() -> None:
    op.create_table(
        "accounts",
        needed("id", TEXT),
        needed("name", TEXT),
        needed("operator", Boolean),
        needed("balance_micros", BigInteger),
        needed("held_micros", BigInteger),
        needed("traffic_bytes", BigInteger),
        needed("traffic_expires_at", BigInteger),
        needed("created_at", BigInteger),
        PrimaryKeyConstraint("id", name="pk_accounts"),
        UniqueConstraint("name", name="uq_accounts_name"),
    )
    op.create_index(
        "uq_accounts_operator", "accounts", ["operator"], unique=True, **only("operator")
    )


def create_run_counts() -> None:
    op.create_table(
        "run_counts",
        needed("account_id", TEXT),
        needed("worker_id", TEXT),
        needed("state", TEXT),
        needed("n", BigInteger),
        PrimaryKeyConstraint("account_id", "worker_id", "state", name="pk_run_counts"),
    )


def create_runners() -> None:
    op.create_table(
        "runners",
        needed("id", TEXT),
        needed("node", TEXT),
        needed("isolation", TEXT),
        needed("reason", TEXT),
        needed("cpus", Double),
        needed("memory_mb", BigInteger),
        needed("heartbeat_at", BigInteger),
        PrimaryKeyConstraint("id", name="pk_runners"),
    )


def create_api_keys() -> None:
    op.create_table(
        "api_keys",
        needed("id", TEXT),
        needed("account_id", TEXT),
        needed("user_id", TEXT),
        needed("name", TEXT),
        needed("prefix", TEXT),
        needed("digest", TEXT),
        needed("created_at", BigInteger),
        needed("expires_at", BigInteger),
        needed("revoked_at", BigInteger),
        needed("last_used_at", BigInteger),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_api_keys_account_id"),
        PrimaryKeyConstraint("id", name="pk_api_keys"),
        UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_index("ix_api_keys_account_id", "api_keys", ["account_id"])


def create_ledger() -> None:
    op.create_table(
        "ledger",
        Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        needed("id", TEXT),
        needed("account_id", TEXT),
        needed("at", BigInteger),
        needed("kind", TEXT),
        needed("usd_micros", BigInteger),
        needed("traffic_bytes", BigInteger),
        needed("run_id", TEXT),
        needed("note", TEXT),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_ledger_account_id"),
        PrimaryKeyConstraint("seq", name="pk_ledger"),
        UniqueConstraint("id", name="uq_ledger_id"),
    )
    op.create_index("ix_ledger_account_id_seq", "ledger", ["account_id", "seq"])


def create_users() -> None:
    op.create_table(
        "users",
        needed("id", TEXT),
        needed("account_id", TEXT),
        needed("name", TEXT),
        needed("role", TEXT),
        needed("disabled", Boolean),
        needed("password_hash", TEXT),
        needed("created_at", BigInteger),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_users_account_id"),
        PrimaryKeyConstraint("id", name="pk_users"),
        UniqueConstraint("account_id", "name", name="uq_users_account_id_name"),
    )


def create_workers() -> None:
    op.create_table(
        "workers",
        needed("id", TEXT),
        needed("account_id", TEXT),
        needed("owner", TEXT),
        needed("name", TEXT),
        needed("title", TEXT),
        needed("description", TEXT),
        needed("public", Boolean),
        needed("created_at", BigInteger),
        needed("latest", TEXT),
        needed("search_text", TEXT),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_workers_account_id"),
        PrimaryKeyConstraint("id", name="pk_workers"),
        UniqueConstraint("owner", "name", name="uq_workers_owner_name"),
    )
    op.create_index("ix_workers_account_id", "workers", ["account_id"])


def create_runs() -> None:
    op.create_table(
        "runs",
        needed("id", TEXT),
        needed("account_id", TEXT),
        needed("worker_id", TEXT),
        needed("version", TEXT),
        needed("task_id", TEXT),
        needed("key_id", TEXT),
        needed("origin", TEXT),
        needed("state", TEXT),
        Column("outcome", TEXT, nullable=True),
        needed("err_msg", TEXT),
        needed("cpus", Double),
        needed("memory_mb", BigInteger),
        needed("timeout_s", BigInteger),
        needed("max_charge_micros", BigInteger),
        needed("max_traffic_bytes", BigInteger),
        needed("region", TEXT),
        needed("egress_allow", TEXT),
        needed("input_json", TEXT),
        needed("callback_url", TEXT),
        needed("subtasks", BigInteger),
        needed("subtasks_succeeded", BigInteger),
        needed("subtasks_failed", BigInteger),
        needed("results", BigInteger),
        needed("usage_micros", BigInteger),
        needed("traffic_bytes", BigInteger),
        needed("hold_micros", BigInteger),
        needed("created_at", BigInteger),
        needed("started_at", BigInteger),
        needed("finished_at", BigInteger),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_runs_account_id"),
        ForeignKeyConstraint(["worker_id"], ["workers.id"], name="fk_runs_worker_id"),
        PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_account_id_created_at_id", "runs", ["account_id", "created_at", "id"])
    op.create_index(
        "ix_runs_account_id_state_created_at_id",
        "runs",
        ["account_id", "state", "created_at", "id"],
    )
    op.create_index(
        "ix_runs_account_id_worker_id_created_at_id",
        "runs",
        ["account_id", "worker_id", "created_at", "id"],
    )
    op.create_index("ix_runs_finished", "runs", ["finished_at", "id"], **only("finished_at > 0"))


def create_tasks() -> None:
    op.create_table(
        "tasks",
        needed("id", TEXT),
        needed("account_id", TEXT),
        needed("worker_id", TEXT),
        needed("title", TEXT),
        needed("version", TEXT),
        needed("input_json", TEXT),
        needed("created_at", BigInteger),
        needed("updated_at", BigInteger),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_tasks_account_id"),
        ForeignKeyConstraint(["worker_id"], ["workers.id"], name="fk_tasks_worker_id"),
        PrimaryKeyConstraint("id", name="pk_tasks"),
    )
    op.create_index(
        "ix_tasks_account_id_created_at_id", "tasks", ["account_id", "created_at", "id"]
    )


def create_versions() -> None:
    op.create_table(
        "versions",
        needed("id", TEXT),
        needed("worker_id", TEXT),
        needed("seq", BigInteger),
        needed("number", TEXT),
        needed("digest", TEXT),
        needed("language", TEXT),
        needed("state", TEXT),
        needed("input_schema", TEXT),
        needed("output_schema", TEXT),
        needed("readme", TEXT),
        needed("requirements", TEXT),
        needed("memory_mb", BigInteger),
        needed("timeout_s", BigInteger),
        needed("max_charge_micros", BigInteger),
        needed("max_traffic_bytes", BigInteger),
        needed("created_at", BigInteger),
        ForeignKeyConstraint(["worker_id"], ["workers.id"], name="fk_versions_worker_id"),
        PrimaryKeyConstraint("id", name="pk_versions"),
        UniqueConstraint("worker_id", "number", name="uq_versions_worker_id_number"),
        UniqueConstraint("worker_id", "seq", name="uq_versions_worker_id_seq"),
    )


def create_attempts() -> None:
    op.create_table(
        "attempts",
        needed("id", TEXT),
        needed("run_id", TEXT),
        needed("ordinal", BigInteger),
        needed("number", TEXT),
        needed("runner_id", TEXT),
        needed("token", BigInteger),
        needed("lease_until", BigInteger),
        Column("outcome", TEXT, nullable=True),
        needed("err_msg", TEXT),
        needed("rows", BigInteger),
        needed("traffic_bytes", BigInteger),
        needed("cpu_ms", BigInteger),
        needed("memory_peak_bytes", BigInteger),
        needed("started_at", BigInteger),
        needed("finished_at", BigInteger),
        ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_attempts_run_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_leases", "attempts", ["lease_until"], **only("outcome IS NULL"))
    op.create_index("ix_attempts_living", "attempts", ["runner_id"], **only("outcome IS NULL"))
    op.create_index("ix_attempts_run_id_ordinal_id", "attempts", ["run_id", "ordinal", "id"])


def create_deliveries() -> None:
    op.create_table(
        "deliveries",
        needed("id", TEXT),
        needed("account_id", TEXT),
        needed("run_id", TEXT),
        needed("url", TEXT),
        needed("payload", TEXT),
        needed("state", TEXT),
        needed("tries", BigInteger),
        needed("next_at", BigInteger),
        needed("last_status", BigInteger),
        needed("last_error", TEXT),
        needed("created_at", BigInteger),
        needed("ended_at", BigInteger),
        ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_deliveries_run_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_due", "deliveries", ["next_at"], **only("state = 'pending'"))
    op.create_index("ix_deliveries_run_id_created_at", "deliveries", ["run_id", "created_at"])


def create_run_events() -> None:
    op.create_table(
        "run_events",
        Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        needed("run_id", TEXT),
        needed("at", BigInteger),
        needed("kind", TEXT),
        needed("before", TEXT),
        needed("after", TEXT),
        needed("actor", TEXT),
        needed("detail", TEXT),
        ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_run_events_run_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("seq", name="pk_run_events"),
    )
    op.create_index("ix_run_events_run_id_seq", "run_events", ["run_id", "seq"])


def create_subtasks() -> None:
    op.create_table(
        "subtasks",
        needed("run_id", TEXT),
        Column("ordinal", BigInteger, autoincrement=False, nullable=False),
        needed("number", TEXT),
        needed("input_json", TEXT),
        needed("state", TEXT),
        Column("outcome", TEXT, nullable=True),
        needed("err_msg", TEXT),
        ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_subtasks_run_id", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("run_id", "ordinal", name="pk_subtasks"),
    )
    op.create_index(
        "ix_subtasks_waiting", "subtasks", ["run_id", "ordinal"], **only("state = 'waiting'")
    )
