"""The tables of schedules and of what came of their times."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    text,
)

from fyke.storage.sql.tables import StorableText, metadata


def _text(name: str) -> Column[str]:
    return Column(name, StorableText(), nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


schedules = Table(
    "schedules",
    metadata,
    Column("task_id", StorableText(), ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("account_id", StorableText(), ForeignKey("accounts.id"), nullable=False),
    _text("kind"),
    _text("time"),
    _number("weekday"),
    _number("day"),
    _text("date"),
    _text("cron"),
    _number("every_s"),
    _text("time_zone"),
    _text("overlap"),
    Column("enabled", Boolean, nullable=False),
    _number("anchor_at"),
    _number("next_at"),
    _number("missed"),
    _text("last_error"),
    _number("last_fired_at"),
    _number("revision"),
    _number("created_at"),
    _number("updated_at"),
    Column("failures", BigInteger, nullable=False, server_default="0"),
    Column("paused_at", BigInteger, nullable=False, server_default="0"),
    Column("late", StorableText(), nullable=False, server_default="start"),
    Index(None, "account_id"),
)
Index(
    "ix_schedules_due",
    schedules.c.next_at,
    schedules.c.task_id,
    sqlite_where=text("next_at > 0"),
    postgresql_where=text("next_at > 0"),
)

# The primary key is what makes a planned time fire once, however many servers look at it.
schedule_fires = Table(
    "schedule_fires",
    metadata,
    Column(
        "task_id", StorableText(), ForeignKey("schedules.task_id", ondelete="CASCADE"),
        nullable=False,
    ),
    _number("planned_at"),
    _text("state"),
    _text("run_id"),  # no reference: what a time came to outlives its run
    _text("reason"),
    _number("count"),
    _number("at"),
    PrimaryKeyConstraint("task_id", "planned_at"),
    Index(None, "at"),
)  # fmt: skip
Index(
    "ix_schedule_fires_waiting",
    schedule_fires.c.task_id,
    sqlite_where=text("state = 'waiting'"),
    postgresql_where=text("state = 'waiting'"),
)
