"""The tables of webhook endpoints, of alert rules, and of what they found."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from fyke.storage.sql.columns import (
    Sequence,
    StorableText,
    metadata,
    number_column,
    partial_index,
    text_column,
)
from fyke.storage.sql.tables import runs


def _account() -> Column[str]:
    return Column("account_id", StorableText(), ForeignKey("accounts.id"), nullable=False)


webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    text_column("id", key=True),
    _account(),
    text_column("name"),
    text_column("url"),
    text_column("events"),  # JSON list
    text_column("description"),
    Column("enabled", Boolean, nullable=False),
    text_column("salt"),
    text_column("old_salt"),
    number_column("old_until"),
    number_column("created_at"),
    number_column("updated_at"),
    number_column("last_at"),
    number_column("last_status"),
    text_column("last_error"),
    text_column("last_reply"),
    number_column("failing_since"),
    UniqueConstraint("account_id", "name"),
)

alert_rules = Table(
    "alert_rules",
    metadata,
    text_column("id", key=True),
    _account(),
    text_column("name"),
    text_column("kind"),
    text_column("worker_id"),  # no reference: a rule outlives its worker and its task
    text_column("task_id"),
    Column("factor", Double, nullable=False),
    text_column("field"),
    Column("percent", Double, nullable=False),
    number_column("usd_micros"),
    number_column("traffic_bytes"),
    text_column("endpoints"),  # JSON list
    text_column("emails"),  # JSON list
    Column("enabled", Boolean, nullable=False),
    number_column("since"),
    number_column("created_at"),
    number_column("updated_at"),
    Index(None, "account_id"),
)

# runs that have ended and that no rule has looked at yet: written with the end of the run
alert_checks = Table(
    "alert_checks",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("run_id", StorableText(), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    text_column("account_id"),
    number_column("tries"),
    number_column("not_before"),
    Index(None, "run_id"),
)

# the calendar months of which a budget has told
alert_budgets = Table(
    "alert_budgets",
    metadata,
    Column(
        "rule_id", StorableText(), ForeignKey("alert_rules.id", ondelete="CASCADE"), nullable=False
    ),
    text_column("month"),
    PrimaryKeyConstraint("rule_id", "month"),
)

alerts = Table(
    "alerts",
    metadata,
    text_column("id", key=True),
    _account(),
    text_column("rule_id"),  # no references: an alert outlives its rule and its run
    text_column("rule_name"),
    text_column("kind"),
    text_column("run_id"),
    text_column("worker_id"),
    text_column("task_id"),
    text_column("sentence"),
    number_column("at"),
    number_column("read_at"),
    UniqueConstraint("rule_id", "run_id"),
    Index(None, "account_id", "at", "id", "rule_id"),  # also counts those of a rule
    Index(None, "at"),
)
partial_index(
    "ix_alerts_unread",
    alerts.c.account_id,
    alerts.c.at,
    alerts.c.id,
    where="read_at = 0",
)

# the last runs of a worker or of a task by their end, in a state
partial_index(
    "ix_runs_ended_of_worker",
    runs.c.account_id,
    runs.c.worker_id,
    runs.c.state,
    runs.c.finished_at,
    runs.c.id,
    where="finished_at > 0",
)
partial_index(
    "ix_runs_ended_of_task",
    runs.c.task_id,
    runs.c.state,
    runs.c.finished_at,
    runs.c.id,
    where="finished_at > 0 AND task_id <> ''",
)
