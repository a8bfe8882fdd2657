"""Changes a schedule inside a transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fyke.contracts.signals import SCHEDULES
from fyke.contracts.state import Transaction
from fyke.domain.accounts.rights import require_scope
from fyke.domain.schedules.rules import (
    Names,
    check_complete,
    check_members,
    first_time,
    without_unused_members,
)
from fyke.errors import InvalidRequest, UserMissing
from fyke.model.account import Account, Caller, Scope
from fyke.model.schedule import (
    DEFAULT_ZONE,
    FireState,
    LatePolicy,
    OverlapPolicy,
    Schedule,
    ScheduleKind,
    ScheduleSpec,
)
from fyke.model.task import Task


@dataclass(frozen=True, slots=True)
class ScheduleEdit:
    """Changes of a schedule; None keeps the current value, an empty value removes it."""

    enabled: bool | None = None
    kind: ScheduleKind | None = None
    time: str | None = None
    weekday: int | None = None
    day: int | None = None
    date: str | None = None
    cron: str | None = None
    every_s: int | None = None
    time_zone: str | None = None
    overlap: OverlapPolicy | None = None
    late: LatePolicy | None = None


_MEMBERS = ("time", "weekday", "day", "date", "cron", "every_s", "time_zone")


def change_schedule(
    tx: Transaction, task: Task, edit: ScheduleEdit, names: Names
) -> Schedule | None:
    """Apply ``edit`` to the schedule of ``task`` and return it. A task without a schedule gets one
    only when ``edit`` has a kind; otherwise the other members are ignored. A disabled schedule may
    be incomplete, but its members must be valid. Raises ``InvalidRequest``.
    """
    before = tx.schedules.lock(task.id)
    kind = edit.kind or (before.spec.kind if before else None)
    if kind is None:
        if edit.enabled:
            raise InvalidRequest(
                f"is required when {names['enabled']} is on; choose how often it fires",
                field=names["kind"],
            )
        return None
    spec = _changed_spec(before.spec if before else ScheduleSpec(kind), kind, edit)
    check_members(spec, names)
    account = tx.accounts.get(task.account_id)
    if account is None:
        raise UserMissing
    base = before or _new(tx, task, spec)
    after = replace(
        base,
        spec=spec,
        overlap=edit.overlap or base.overlap,
        late=edit.late or base.late,
        enabled=base.enabled if edit.enabled is None else edit.enabled,
        revision=base.revision + 1,
        updated_at=tx.now,
    )
    changed = _with_next_time(tx, before, after, account, names)
    tx.schedules.put(changed)
    if not changed.enabled:
        skip_waiting(tx, task.id, "switched off while it waited")
    tx.notify(SCHEDULES)
    return changed


def require_run_scope(caller: Caller, schedule: Schedule | None) -> None:
    """Raise ``ScopeMissing`` when ``schedule`` is on and the caller's key may not start runs: such
    a key must not change what the schedule starts, or when.
    """
    if schedule is not None and schedule.enabled:
        require_scope(caller, Scope.RUN)


def skip_waiting(tx: Transaction, task_id: str, reason: str) -> None:
    """Skip the planned time of the task that waits for the end of another run, if any."""
    waiting = tx.schedules.waiting_of(task_id)
    if waiting is not None:
        skipped = replace(waiting, state=FireState.SKIPPED, reason=reason, at=tx.now)
        tx.schedules.settle(skipped)


def _changed_spec(before: ScheduleSpec, kind: ScheduleKind, edit: ScheduleEdit) -> ScheduleSpec:
    values = {name: getattr(edit, name) for name in _MEMBERS}
    changes = {name: value for name, value in values.items() if value is not None}
    return without_unused_members(replace(before, kind=kind, **changes))


def _new(tx: Transaction, task: Task, spec: ScheduleSpec) -> Schedule:
    return Schedule(
        task_id=task.id,
        account_id=task.account_id,
        spec=spec,
        overlap=OverlapPolicy.ALLOW,
        enabled=False,
        anchor_at=0,
        next_at=0,
        missed=0,
        last_error="",
        last_fired_at=0,
        revision=0,
        created_at=tx.now,
        updated_at=tx.now,
    )


def _with_next_time(
    tx: Transaction, before: Schedule | None, after: Schedule, account: Account, names: Names
) -> Schedule:
    """``after`` with its next time. An unchanged schedule keeps its time, even if it is past."""
    if not after.enabled:
        return replace(after, next_at=0)
    if before is not None and before.enabled and before.spec == after.spec:
        return after
    check_complete(after.spec, names)
    started = replace(after, anchor_at=tx.now, last_error="", failures=0, paused_at=0)
    zone = zone_of(started, account)
    return replace(started, next_at=first_time(started.spec, zone, tx.now, tx.now, names))


def copy_for_task(schedule: Schedule, task_id: str, now: int) -> Schedule:
    """A copy of the schedule for another task, switched off, without history."""
    return replace(
        schedule,
        task_id=task_id,
        enabled=False,
        next_at=0,
        missed=0,
        last_error="",
        last_fired_at=0,
        revision=0,
        created_at=now,
        updated_at=now,
        failures=0,
        paused_at=0,
    )


def zone_of(schedule: Schedule, account: Account) -> str:
    """The name of the zone of the schedule's times."""
    return schedule.spec.time_zone or account.time_zone or DEFAULT_ZONE
