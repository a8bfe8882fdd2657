"""The tables of webhook endpoints, of alert rules, and of what they found."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)

from fyke.storage.sql.tables import Sequence, StorableText, metadata, runs


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, StorableText(), primary_key=key, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _account() -> Column[str]:
    return Column("account_id", StorableText(), ForeignKey("accounts.id"), nullable=False)


webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    _text("id", key=True),
    _account(),
    _text("name"),
    _text("url"),
    _text("events"),  # JSON list
    _text("description"),
    Column("enabled", Boolean, nullable=False),
    _text("salt"),
    _text("old_salt"),
    _number("old_until"),
    _number("created_at"),
    _number("updated_at"),
    _number("last_at"),
    _number("last_status"),
    _text("last_error"),
    _text("last_reply"),
    _number("failing_since"),
    UniqueConstraint("account_id", "name"),
)

alert_rules = Table(
    "alert_rules",
    metadata,
    _text("id", key=True),
    _account(),
    _text("name"),
    _text("kind"),
    _text("worker_id"),  # no reference: a rule outlives its worker and its task
    _text("task_id"),
    Column("factor", Double, nullable=False),
    _text("field"),
    Column("percent", Double, nullable=False),
    _number("usd_micros"),
    _number("traffic_bytes"),
    _text("endpoints"),  # JSON list
    _text("emails"),  # JSON list
    Column("enabled", Boolean, nullable=False),
    _number("since"),
    _number("created_at"),
    _number("updated_at"),
    Index(None, "account_id"),
)

# runs that have ended and that no rule has looked at yet: written with the end of the run
alert_checks = Table(
    "alert_checks",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("run_id", StorableText(), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    _text("account_id"),
    _number("tries"),
    _number("not_before"),
    Index(None, "run_id"),
)

# the calendar months of which a budget has told
alert_budgets = Table(
    "alert_budgets",
    metadata,
    Column(
        "rule_id", StorableText(), ForeignKey("alert_rules.id", ondelete="CASCADE"), nullable=False
    ),
    _text("month"),
    PrimaryKeyConstraint("rule_id", "month"),
)

alerts = Table(
    "alerts",
    metadata,
    _text("id", key=True),
    _account(),
    _text("rule_id"),  # no references: an alert outlives its rule and its run
    _text("rule_name"),
    _text("kind"),
    _text("run_id"),
    _text("worker_id"),
    _text("task_id"),
    _text("sentence"),
    _number("at"),
    _number("read_at"),
    UniqueConstraint("rule_id", "run_id"),
    Index(None, "account_id", "at", "id", "rule_id"),  # also counts those of a rule
    Index(None, "at"),
)
Index(
    "ix_alerts_unread",
    alerts.c.account_id,
    alerts.c.at,
    alerts.c.id,
    sqlite_where=text("read_at = 0"),
    postgresql_where=text("read_at = 0"),
)

# the last runs of a worker or of a task by their end, in a state
Index(
    "ix_runs_ended_of_worker",
    runs.c.account_id,
    runs.c.worker_id,
    runs.c.state,
    runs.c.finished_at,
    runs.c.id,
    sqlite_where=text("finished_at > 0"),
    postgresql_where=text("finished_at > 0"),
)
Index(
    "ix_runs_ended_of_task",
    runs.c.task_id,
    runs.c.state,
    runs.c.finished_at,
    runs.c.id,
    sqlite_where=text("finished_at > 0 AND task_id <> ''"),
    postgresql_where=text("finished_at > 0 AND task_id <> ''"),
)
