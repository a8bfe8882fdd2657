"""Webhook endpoints, alert rules and what they found."""

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

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")


def needed(*names: str, type_: Any = TEXT) -> list[Column[Any]]:
    return [Column(name, type_, nullable=False) for name in names]


def numbers(*names: str) -> list[Column[Any]]:
    return needed(*names, type_=BigInteger)


def added(name: str) -> Column[Any]:
    return Column(name, TEXT, nullable=False, server_default="")


def only(condition: str) -> dict[str, Any]:
    """Make an index partial, on both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def upgrade() -> None:
    extend_deliveries()
    create_endpoints()
    create_rules()
    create_alerts()
    ended = "finished_at > 0"
    op.create_index(
        "ix_runs_ended_of_worker",
        "runs",
        ["account_id", "worker_id", "state", "finished_at", "id"],
        **only(ended),
    )
    op.create_index(
        "ix_runs_ended_of_task",
        "runs",
        ["task_id", "state", "finished_at", "id"],
        **only(f"{ended} AND task_id <> ''"),
    )


def extend_deliveries() -> None:
    op.add_column("deliveries", added("endpoint_id"))
    op.add_column("deliveries", added("event"))
    op.add_column("delivery_tries", added("reply"))
    of_endpoint = "endpoint_id <> ''"
    op.create_index(
        "ix_deliveries_of_endpoint",
        "deliveries",
        ["endpoint_id", "account_id", "created_at", "id", "state"],
        **only(of_endpoint),
    )
    op.create_index(
        "ix_deliveries_waiting_of_endpoint",
        "deliveries",
        ["endpoint_id", "next_at"],
        **only(f"state = 'pending' AND {of_endpoint}"),
    )


def create_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        *needed("id", "account_id", "name", "url", "events", "description"),
        *needed("enabled", type_=Boolean),
        *needed("salt", "old_salt"),
        *numbers("old_until", "created_at", "updated_at", "last_at", "last_status"),
        *needed("last_error", "last_reply"),
        *numbers("failing_since"),
        PrimaryKeyConstraint("id", name="pk_webhook_endpoints"),
        ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_webhook_endpoints_account_id"
        ),
        UniqueConstraint("account_id", "name", name="uq_webhook_endpoints_account_id_name"),
    )


def create_rules() -> None:
    op.create_table(
        "alert_rules",
        *needed("id", "account_id", "name", "kind", "worker_id", "task_id"),
        *needed("factor", type_=Double),
        *needed("field"),
        *needed("percent", type_=Double),
        *numbers("usd_micros", "traffic_bytes"),
        *needed("endpoints", "emails"),
        *needed("enabled", type_=Boolean),
        *numbers("since", "created_at", "updated_at"),
        PrimaryKeyConstraint("id", name="pk_alert_rules"),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_alert_rules_account_id"),
    )
    op.create_index("ix_alert_rules_account_id", "alert_rules", ["account_id"])
    op.create_table(
        "alert_budgets",
        *needed("rule_id", "month"),
        PrimaryKeyConstraint("rule_id", "month", name="pk_alert_budgets"),
        ForeignKeyConstraint(
            ["rule_id"], ["alert_rules.id"], name="fk_alert_budgets_rule_id", ondelete="CASCADE"
        ),
    )


def create_alerts() -> None:
    op.create_table(
        "alert_checks",
        Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        *needed("run_id", "account_id"),
        *numbers("tries", "not_before"),
        PrimaryKeyConstraint("seq", name="pk_alert_checks"),
        ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_alert_checks_run_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_alert_checks_run_id", "alert_checks", ["run_id"])
    op.create_table(
        "alerts",
        *needed("id", "account_id", "rule_id", "rule_name", "kind", "run_id", "worker_id"),
        *needed("task_id", "sentence"),
        *numbers("at", "read_at"),
        PrimaryKeyConstraint("id", name="pk_alerts"),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_alerts_account_id"),
        UniqueConstraint("rule_id", "run_id", name="uq_alerts_rule_id_run_id"),
    )
    op.create_index(
        "ix_alerts_account_id_at_id_rule_id", "alerts", ["account_id", "at", "id", "rule_id"]
    )
    op.create_index("ix_alerts_at", "alerts", ["at"])
    op.create_index("ix_alerts_unread", "alerts", ["account_id", "at", "id"], **only("read_at = 0"))
