"""The tables of schedules and of what came of their times."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, PrimaryKeyConstraint, Table

from fyke.storage.sql.columns import (
    StorableText,
    metadata,
    number_column,
    partial_index,
    text_column,
)

schedules = Table(
    "schedules",
    metadata,
    Column("task_id", StorableText(), ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("account_id", StorableText(), ForeignKey("accounts.id"), nullable=False),
    text_column("kind"),
    text_column("time"),
    number_column("weekday"),
    number_column("day"),
    text_column("date"),
    text_column("cron"),
    number_column("every_s"),
    text_column("time_zone"),
    text_column("overlap"),
    Column("enabled", Boolean, nullable=False),
    number_column("anchor_at"),
    number_column("next_at"),
    number_column("missed"),
    text_column("last_error"),
    number_column("last_fired_at"),
    number_column("revision"),
    number_column("created_at"),
    number_column("updated_at"),
    Column("failures", BigInteger, nullable=False, server_default="0"),
    Column("paused_at", BigInteger, nullable=False, server_default="0"),
    Column("late", StorableText(), nullable=False, server_default="start"),
    Index(None, "account_id"),
)
partial_index(
    "ix_schedules_due",
    schedules.c.next_at,
    schedules.c.task_id,
    where="next_at > 0",
)

# The primary key is what makes a planned time fire once, however many servers look at it.
schedule_fires = Table(
    "schedule_fires",
    metadata,
    Column(
        "task_id", StorableText(), ForeignKey("schedules.task_id", ondelete="CASCADE"),
        nullable=False,
    ),
    number_column("planned_at"),
    text_column("state"),
    text_column("run_id"),  # no reference: what a time came to outlives its run
    text_column("reason"),
    number_column("count"),
    number_column("at"),
    PrimaryKeyConstraint("task_id", "planned_at"),
    Index(None, "at"),
)  # fmt: skip
partial_index(
    "ix_schedule_fires_waiting",
    schedule_fires.c.task_id,
    where="state = 'waiting'",
)
