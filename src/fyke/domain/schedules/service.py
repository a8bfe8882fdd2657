"""Schedules: reading, setting, removing, and their next and past times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

from fyke.contracts.signals import SCHEDULES
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import lock_own_task, own_task
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor
from fyke.domain.schedules.editing import (
    ScheduleEdit,
    change_schedule,
    require_run_scope,
    zone_of,
)
from fyke.domain.schedules.rules import (
    OWN_NAMES,
    check_complete,
    check_members,
    check_zone,
    first_time,
    without_unused_members,
)
from fyke.domain.schedules.times import first_after, times_after, zone
from fyke.errors import Conflict, InvalidRequest, NotFound, UserMissing
from fyke.model.account import Account, Caller
from fyke.model.audit import AuditAction
from fyke.model.schedule import DEFAULT_ZONE, MAX_NEXT_TIMES, Fire, Schedule, ScheduleSpec


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule and the zone of its times."""

    schedule: Schedule
    time_zone: str


@dataclass(frozen=True, slots=True)
class UpcomingTimes:
    """The next planned times, in ms, and their zone."""

    time_zone: str
    times: list[int]


class ScheduleEditedMeanwhile(Conflict):
    """The schedule was changed by another user; ``current`` is None when it was removed."""

    key = "schedule_edited_meanwhile"

    def __init__(self, current: ScheduleView | None) -> None:
        super().__init__(
            "this schedule was changed by another user meanwhile; compare both and save again"
        )
        self.current = current


class Schedules:
    """The schedules of all accounts; each account can read only its own."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def get(self, caller: Caller, task_id: str) -> ScheduleView:
        """The schedule of a task. Raises ``TaskNotFound``, and ``NotFound`` without a schedule."""

        def work(tx: Transaction) -> ScheduleView:
            schedule = tx.schedules.get(own_task(tx, caller, task_id).id)
            if schedule is None:
                raise NotFound
            return ScheduleView(schedule, zone_of(schedule, _account(tx, caller)))

        return await self._storage.read(work)

    async def put(
        self, caller: Caller, task_id: str, edit: ScheduleEdit, *, revision: int | None = None
    ) -> ScheduleView:
        """Apply ``edit``, which needs a kind, to the schedule of a task. With a ``revision``, only
        if the schedule still has that revision (0 = there is no schedule).

        Raises ``TaskNotFound``, ``InvalidRequest``, ``Forbidden``, ``ScheduleEditedMeanwhile``.
        """
        require_editor(caller, "Changing schedules")
        if edit.kind is None:
            raise InvalidRequest("is required", field="kind")

        def work(tx: Transaction) -> ScheduleView:
            task = lock_own_task(tx, caller, task_id)
            if revision is not None:
                _check_revision(tx, caller, task_id, revision)
            schedule = change_schedule(tx, task, edit, OWN_NAMES)
            if schedule is None:
                raise NotFound
            require_run_scope(caller, schedule)
            check_complete(schedule.spec, OWN_NAMES)
            return ScheduleView(schedule, zone_of(schedule, _account(tx, caller)))

        return await self._storage.write(work)

    async def switch(self, caller: Caller, task_id: str, *, on: bool) -> ScheduleView:
        """Enable or disable a schedule without other changes; enabling resumes a paused one. Raises
        ``TaskNotFound``, ``NotFound``, ``InvalidRequest``, ``Forbidden``.
        """
        require_editor(caller, "Changing schedules")

        def work(tx: Transaction) -> ScheduleView:
            task = own_task(tx, caller, task_id)
            schedule = change_schedule(tx, task, ScheduleEdit(enabled=on), OWN_NAMES)
            if schedule is None:
                raise NotFound
            require_run_scope(caller, schedule)
            return ScheduleView(schedule, zone_of(schedule, _account(tx, caller)))

        return await self._storage.write(work)

    async def delete(self, caller: Caller, task_id: str) -> None:
        """Remove a schedule with its history. Raises ``TaskNotFound``, ``NotFound``."""
        require_editor(caller, "Deleting schedules")

        def work(tx: Transaction) -> None:
            if not tx.schedules.delete(own_task(tx, caller, task_id).id):
                raise NotFound

        await self._storage.write(work)

    async def upcoming(
        self, caller: Caller, task_id: str, count: int, spec: ScheduleSpec | None
    ) -> UpcomingTimes:
        """The next ``count`` times of a task's schedule, or of ``spec`` instead; for a disabled
        schedule as if it were enabled now.
        """
        if not 1 <= count <= MAX_NEXT_TIMES:
            raise InvalidRequest(f"must be 1 to {MAX_NEXT_TIMES}", field="count")

        def work(tx: Transaction) -> tuple[Schedule | None, Account, int]:
            task = own_task(tx, caller, task_id)
            return tx.schedules.get(task.id), _account(tx, caller), tx.now

        schedule, account, now = await self._storage.read(work)
        if spec is not None:
            spec = without_unused_members(spec)
            name = spec.time_zone or account.time_zone or DEFAULT_ZONE
            check_members(spec, OWN_NAMES)
            check_complete(spec, OWN_NAMES)
            first_time(spec, name, now, now, OWN_NAMES)
            return UpcomingTimes(name, _next_times(spec, name, now, now, count))
        if schedule is None:
            raise NotFound
        name = zone_of(schedule, account)
        if not schedule.enabled:
            check_complete(schedule.spec, OWN_NAMES)
            return UpcomingTimes(name, _next_times(schedule.spec, name, now, now, count))
        following = _next_times(
            schedule.spec, name, schedule.anchor_at, schedule.next_at, count - 1
        )
        return UpcomingTimes(name, [schedule.next_at, *following])

    async def fires(
        self, caller: Caller, task_id: str, *, offset: int, limit: int
    ) -> tuple[int, list[Fire]]:
        """The records of past times: total count, and one page, latest first."""

        def work(tx: Transaction) -> tuple[int, list[Fire]]:
            task = own_task(tx, caller, task_id)
            if tx.schedules.get(task.id) is None:
                raise NotFound
            return tx.schedules.fires(task.id, offset=offset, limit=limit)

        return await self._storage.read(work)

    async def set_account_zone(self, caller: Caller, zone_name: str) -> Account:
        """Set the zone of the schedules that have none of their own, and recompute their next
        times. Raises ``InvalidRequest`` for an unknown zone, ``Forbidden``.
        """
        require_editor(caller, "Changing the time zone")
        if not zone_name:
            raise InvalidRequest("is required, for example Europe/Berlin", field="time_zone")
        check_zone(zone_name, "time_zone")

        def work(tx: Transaction) -> Account:
            account = _account(tx, caller)
            if account.time_zone != zone_name:
                tx.accounts.set_time_zone(account.id, zone_name)
                record(
                    tx,
                    caller,
                    AuditAction.SETTINGS,
                    "time_zone",
                    f"{account.time_zone} to {zone_name}",
                )
                for schedule in tx.schedules.in_account_zone(account.id):
                    tx.schedules.put(_in_zone(schedule, zone_name, tx.now))
                tx.notify(SCHEDULES)
            return replace(account, time_zone=zone_name)

        return await self._storage.write(work)


def _check_revision(tx: Transaction, caller: Caller, task_id: str, revision: int) -> None:
    current = tx.schedules.lock(task_id)
    if (current.revision if current else 0) == revision:
        return
    zone_name = zone_of(current, _account(tx, caller)) if current else ""
    raise ScheduleEditedMeanwhile(ScheduleView(current, zone_name) if current else None)


def _account(tx: Transaction, caller: Caller) -> Account:
    account = tx.accounts.get(caller.account_id)
    if account is None:
        raise UserMissing
    return account


def _next_times(
    spec: ScheduleSpec, zone_name: str, anchor_at: int, after: int, count: int
) -> list[int]:
    return list(islice(times_after(spec, zone(zone_name), anchor_at, after), count))


def _in_zone(schedule: Schedule, name: str, now: int) -> Schedule:
    """The schedule in another zone; it is disabled when its only time has passed there."""
    following = first_after(schedule.spec, zone(name), schedule.anchor_at, now)
    return replace(
        schedule, next_at=following, enabled=bool(following), revision=schedule.revision + 1
    )
