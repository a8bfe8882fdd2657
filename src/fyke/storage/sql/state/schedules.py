"""Schedules, and the results of their planned times."""

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

# Because of the primary key a planned time fires once, however many servers there are.
schedule_fires = Table(
    "schedule_fires",
    metadata,
    ref_column("task_id", "schedules.task_id", cascade=True),
    number_column("planned_at"),
    text_column("state"),
    text_column("run_id"),  # no reference: the record is kept when the run is deleted
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
_CHANGED_BY_FIRE = (
    "enabled",
    "next_at",
    "missed",
    "last_error",
    "last_fired_at",
    "failures",
    "paused_at",
)
# literals, because a partial index is used only if the statement has its condition verbatim
_PLANNED = literal_column("schedules.next_at") > literal_column("0")
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
        # SQLAlchemy omits the lock on SQLite
        query = select(schedules).where(schedules.c.task_id == task_id)
        return self._first(query.with_for_update(key_share=True))

    def _first(self, query: Any) -> Schedule | None:
        row = self._db.execute(query).mappings().first()
        return None if row is None else _schedule(row)

    def of_tasks(self, task_ids: Collection[str]) -> dict[str, Schedule]:
        query = select(schedules).where(schedules.c.task_id.in_(sorted(task_ids)))
        stored = map(_schedule, self._db.execute(query).mappings())
        return {schedule.task_id: schedule for schedule in stored}

    def in_account_zone(self, account_id: str) -> list[Schedule]:
        of_account = schedules.c.account_id == account_id
        query = select(schedules).where(
            of_account, schedules.c.time_zone == "", schedules.c.enabled
        )
        rows = self._db.execute(query.order_by(schedules.c.task_id).with_for_update(key_share=True))
        return [_schedule(row) for row in rows.mappings()]

    def delete(self, task_id: str) -> bool:
        statement = delete(schedules).where(schedules.c.task_id == task_id)
        return was_applied(self._db.execute(statement))

    def due(self, now: int, limit: int) -> list[Schedule]:
        query = (
            select(schedules)
            .where(_PLANNED, schedules.c.next_at <= now)
            .order_by(schedules.c.next_at, schedules.c.task_id)
            .limit(limit)
        )
        return [_schedule(row) for row in self._db.execute(query).mappings()]

    def coming(self, account_id: str, limit: int) -> list[Schedule]:
        planned = schedules.c.account_id == account_id, schedules.c.next_at > 0
        query = select(schedules).where(*planned)
        query = query.order_by(schedules.c.next_at, schedules.c.task_id)
        return [_schedule(row) for row in self._db.execute(query.limit(limit)).mappings()]

    def next_due(self) -> int | None:
        at: int | None = self._db.execute(
            select(func.min(schedules.c.next_at)).where(_PLANNED)
        ).scalar_one()
        return at

    def advance(self, before: Schedule, after: Schedule) -> bool:
        unchanged = (
            schedules.c.task_id == before.task_id,
            schedules.c.next_at == before.next_at,
            schedules.c.revision == before.revision,
        )
        values = {name: getattr(after, name) for name in _CHANGED_BY_FIRE}
        return was_applied(self._db.execute(update(schedules).where(*unchanged).values(**values)))

    def add_fire(self, fire: Fire) -> bool:
        return was_applied(self._db.execute(insert_new(self._db, schedule_fires), columns(fire)))

    def fires(self, task_id: str, *, offset: int, limit: int) -> tuple[int, list[Fire]]:
        of_task = schedule_fires.c.task_id == task_id
        total = select(func.count()).select_from(schedule_fires).where(of_task)
        page = select(schedule_fires).where(of_task).order_by(schedule_fires.c.planned_at.desc())
        fires = self._db.execute(page.offset(offset).limit(limit))
        return self._db.execute(total).scalar_one(), many(fires, Fire)

    def last_started(self, task_id: str) -> Fire | None:
        of_task = schedule_fires.c.task_id == task_id
        query = select(schedule_fires).where(of_task, schedule_fires.c.state == "started")
        query = query.order_by(schedule_fires.c.planned_at.desc()).limit(1)
        return one(self._db.execute(query), Fire)

    def of_account(self, account_id: str, *, offset: int, limit: int) -> tuple[int, list[Schedule]]:
        of_account = schedules.c.account_id == account_id
        count = select(func.count()).select_from(schedules).where(of_account)
        order = schedules.c.next_at == 0, schedules.c.next_at, schedules.c.task_id
        page = select(schedules).where(of_account).order_by(*order).offset(offset).limit(limit)
        items = [_schedule(row) for row in self._db.execute(page).mappings()]
        return self._db.execute(count).scalar_one(), items

    def waiting(self, limit: int) -> list[Fire]:
        query = select(schedule_fires).where(_WAITING).order_by(schedule_fires.c.planned_at)
        return many(self._db.execute(query.limit(limit)), Fire)

    def waiting_of(self, task_id: str) -> Fire | None:
        query = select(schedule_fires).where(_WAITING, schedule_fires.c.task_id == task_id)
        return one(self._db.execute(query), Fire)

    def settle(self, fire: Fire) -> bool:
        waiting = (
            schedule_fires.c.task_id == fire.task_id,
            schedule_fires.c.planned_at == fire.planned_at,
            _WAITING,
        )
        values = {name: columns(fire)[name] for name in ("state", "run_id", "reason", "at")}
        change = update(schedule_fires).where(*waiting)
        return was_applied(self._db.execute(change.values(**values)))

    def remove_fires(self, before: int) -> int:
        old = schedule_fires.c.at < before
        return self._db.execute(delete(schedule_fires).where(old, ~_WAITING)).rowcount
