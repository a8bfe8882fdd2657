"""Schedules, and the outcome of each planned time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    Index,
    PrimaryKeyConstraint,
    Row,
    Table,
    delete,
    func,
    literal_column,
    select,
    update,
)

from fyke.model.schedule import Fire, Schedule, ScheduleSpec
from fyke.storage.sql.dialects import insert_new, upsert
from fyke.storage.sql.state.columns import (
    flag_column,
    metadata,
    number_column,
    partial_index,
    ref_column,
    text_column,
)
from fyke.storage.sql.state.records import SqlStore, columns, many, one, record, was_applied

schedules = Table(
    "schedules",
    metadata,
    ref_column("task_id", "tasks.id", key=True, cascade=True),
    ref_column("account_id", "accounts.id"),
    text_column("kind"),
    text_column("time"),
    number_column("weekday"),
    number_column("day"),
    text_column("date"),
    text_column("cron"),
    number_column("every_s"),
    text_column("time_zone"),
    text_column("overlap"),
    flag_column("enabled"),
    number_column("anchor_at"),
    number_column("next_at"),
    number_column("missed"),
    text_column("last_error"),
    number_column("last_fired_at"),
    number_column("revision"),
    number_column("created_at"),
    number_column("updated_at"),
    number_column("failures"),
    number_column("paused_at"),
    text_column("late"),
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
    ref_column("task_id", "schedules.task_id", cascade=True),
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

_SPEC = tuple(field.name for field in fields(ScheduleSpec))
_OUTCOME = (
    "enabled",
    "next_at",
    "missed",
    "last_error",
    "last_fired_at",
    "failures",
    "paused_at",
)
# as literal text, because a partial index is used only where the database sees its condition
_ON = literal_column("schedules.next_at") > literal_column("0")
_WAITING = schedule_fires.c.state == literal_column("'waiting'")


def _schedule(row: Mapping[Any, Any] | Row[Any]) -> Schedule:
    values: dict[str, Any] = dict(row)
    values["spec"] = {name: values[name] for name in _SPEC}
    return record(values, Schedule)


class SqlSchedules(SqlStore):
    """Implements ``ScheduleStore``."""

    def put(self, schedule: Schedule) -> None:
        values = columns(schedule)
        values |= values.pop("spec")
        self._db.execute(upsert(self._db, schedules, values, key=("task_id",)))

    def get(self, task_id: str) -> Schedule | None:
        return self._first(select(schedules).where(schedules.c.task_id == task_id))

    def lock(self, task_id: str) -> Schedule | None:
        # SQLAlchemy leaves the lock out for SQLite
        query = select(schedules).where(schedules.c.task_id == task_id)
        return self._first(query.with_for_update(key_share=True))

    def _first(self, query: Any) -> Schedule | None:
        row = self._db.execute(query).mappings().first()
        return None if row is None else _schedule(row)

    def of_tasks(self, task_ids: Collection[str]) -> dict[str, Schedule]:
        query = select(schedules).where(schedules.c.task_id.in_(sorted(task_ids)))
        found = map(_schedule, self._db.execute(query).mappings())
        return {schedule.task_id: schedule for schedule in found}

    def in_account_zone(self, account_id: str) -> list[Schedule]:
        mine = schedules.c.account_id == account_id
        query = select(schedules).where(mine, schedules.c.time_zone == "", schedules.c.enabled)
        rows = self._db.execute(query.order_by(schedules.c.task_id).with_for_update(key_share=True))
        return [_schedule(row) for row in rows.mappings()]

    def delete(self, task_id: str) -> bool:
        gone = delete(schedules).where(schedules.c.task_id == task_id)
        return was_applied(self._db.execute(gone))

    def due(self, now: int, limit: int) -> list[Schedule]:
        query = (
            select(schedules)
            .where(_ON, schedules.c.next_at <= now)
            .order_by(schedules.c.next_at, schedules.c.task_id)
            .limit(limit)
        )
        return [_schedule(row) for row in self._db.execute(query).mappings()]

    def coming(self, account_id: str, limit: int) -> list[Schedule]:
        mine = schedules.c.account_id == account_id, schedules.c.next_at > 0
        query = select(schedules).where(*mine).order_by(schedules.c.next_at, schedules.c.task_id)
        return [_schedule(row) for row in self._db.execute(query.limit(limit)).mappings()]

    def next_due(self) -> int | None:
        at: int | None = self._db.execute(
            select(func.min(schedules.c.next_at)).where(_ON)
        ).scalar_one()
        return at

    def advance(self, before: Schedule, after: Schedule) -> bool:
        as_it_was = (
            schedules.c.task_id == before.task_id,
            schedules.c.next_at == before.next_at,
            schedules.c.revision == before.revision,
        )
        values = {name: getattr(after, name) for name in _OUTCOME}
        return was_applied(self._db.execute(update(schedules).where(*as_it_was).values(**values)))

    def add_fire(self, fire: Fire) -> bool:
        return was_applied(self._db.execute(insert_new(self._db, schedule_fires), columns(fire)))

    def fires(self, task_id: str, *, offset: int, limit: int) -> tuple[int, list[Fire]]:
        mine = schedule_fires.c.task_id == task_id
        total = select(func.count()).select_from(schedule_fires).where(mine)
        page = select(schedule_fires).where(mine).order_by(schedule_fires.c.planned_at.desc())
        found = self._db.execute(page.offset(offset).limit(limit))
        return self._db.execute(total).scalar_one(), many(found, Fire)

    def last_started(self, task_id: str) -> Fire | None:
        mine = schedule_fires.c.task_id == task_id
        query = select(schedule_fires).where(mine, schedule_fires.c.state == "started")
        query = query.order_by(schedule_fires.c.planned_at.desc()).limit(1)
        return one(self._db.execute(query), Fire)

    def of_account(self, account_id: str, *, offset: int, limit: int) -> tuple[int, list[Schedule]]:
        mine = schedules.c.account_id == account_id
        count = select(func.count()).select_from(schedules).where(mine)
        # what is planned comes first, in the order in which it comes
        order = schedules.c.next_at == 0, schedules.c.next_at, schedules.c.task_id
        page = select(schedules).where(mine).order_by(*order).offset(offset).limit(limit)
        found = [_schedule(row) for row in self._db.execute(page).mappings()]
        return self._db.execute(count).scalar_one(), found

    def waiting(self, limit: int) -> list[Fire]:
        query = select(schedule_fires).where(_WAITING).order_by(schedule_fires.c.planned_at)
        return many(self._db.execute(query.limit(limit)), Fire)

    def waiting_of(self, task_id: str) -> Fire | None:
        query = select(schedule_fires).where(_WAITING, schedule_fires.c.task_id == task_id)
        return one(self._db.execute(query), Fire)

    def settle(self, fire: Fire) -> bool:
        it = (
            schedule_fires.c.task_id == fire.task_id,
            schedule_fires.c.planned_at == fire.planned_at,
            _WAITING,
        )
        values = {name: columns(fire)[name] for name in ("state", "run_id", "reason", "at")}
        done = self._db.execute(update(schedule_fires).where(*it).values(**values))
        return was_applied(done)

    def remove_fires(self, before: int) -> int:
        old = schedule_fires.c.at < before
        done = self._db.execute(delete(schedule_fires).where(old, ~_WAITING))
        return done.rowcount
