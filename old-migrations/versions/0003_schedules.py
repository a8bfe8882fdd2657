"""Schedules of tasks, and each time that one of them fired; description and source of a task."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Text,
    text,
)
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def needed(name: str, type_: Any) -> Column[Any]:
    return Column(name, type_, nullable=False)


def added(name: str, type_: Any, default: str) -> Column[Any]:
    return Column(name, type_, nullable=False, server_default=default)


def only(condition: str) -> dict[str, Any]:
    """Make an index partial, on both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def upgrade() -> None:
    op.add_column("accounts", added("time_zone", TEXT, "UTC"))
    extend_tasks()
    create_schedules()
    create_schedule_fires()
    op.create_index(
        "ix_runs_open_of_task",
        "runs",
        ["task_id"],
        **only("finished_at = 0 AND task_id <> ''"),
    )


def extend_tasks() -> None:
    op.add_column("tasks", added("description", TEXT, ""))
    op.add_column("tasks", added("run_times", BigInteger, "0"))
    op.add_column("tasks", added("last_run_id", TEXT, ""))
    op.add_column("tasks", added("search_text", TEXT, ""))
    # folded here and not in SQL, as it is when a task is saved: see storage/sql/tasks.py
    for task_id, title in op.get_bind().execute(text("SELECT id, title FROM tasks")).all():
        folded = f"{task_id}\x1f{title}".casefold()
        statement = text("UPDATE tasks SET search_text = :folded WHERE id = :id")
        op.get_bind().execute(statement, {"folded": folded, "id": task_id})
    # runs that were started from the task before there was a count
    counted = "SELECT task_id, count(*), max(id) FROM runs WHERE task_id <> '' GROUP BY task_id"
    for task_id, times, last in op.get_bind().execute(text(counted)).all():
        statement = text("UPDATE tasks SET run_times = :n, last_run_id = :last WHERE id = :id")
        op.get_bind().execute(statement, {"n": times, "last": last, "id": task_id})


def create_schedules() -> None:
    op.create_table(
        "schedules",
        needed("task_id", TEXT),
        needed("account_id", TEXT),
        needed("kind", TEXT),
        needed("time", TEXT),
        needed("weekday", BigInteger),
        needed("day", BigInteger),
        needed("date", TEXT),
        needed("cron", TEXT),
        needed("every_s", BigInteger),
        needed("time_zone", TEXT),
        needed("overlap", TEXT),
        needed("enabled", Boolean),
        needed("anchor_at", BigInteger),
        needed("next_at", BigInteger),
        needed("missed", BigInteger),
        needed("last_error", TEXT),
        needed("last_fired_at", BigInteger),
        needed("revision", BigInteger),
        needed("created_at", BigInteger),
        needed("updated_at", BigInteger),
        PrimaryKeyConstraint("task_id", name="pk_schedules"),
        ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name="fk_schedules_task_id", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_schedules_account_id"),
    )
    op.create_index("ix_schedules_account_id", "schedules", ["account_id"])
    op.create_index("ix_schedules_due", "schedules", ["next_at", "task_id"], **only("next_at > 0"))


def create_schedule_fires() -> None:
    op.create_table(
        "schedule_fires",
        needed("task_id", TEXT),
        needed("planned_at", BigInteger),
        needed("state", TEXT),
        needed("run_id", TEXT),
        needed("reason", TEXT),
        needed("count", BigInteger),
        needed("at", BigInteger),
        PrimaryKeyConstraint("task_id", "planned_at", name="pk_schedule_fires"),
        ForeignKeyConstraint(
            ["task_id"],
            ["schedules.task_id"],
            name="fk_schedule_fires_task_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_schedule_fires_at", "schedule_fires", ["at"])
    op.create_index(
        "ix_schedule_fires_waiting", "schedule_fires", ["task_id"], **only("state = 'waiting'")
    )
