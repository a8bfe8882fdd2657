"""Schedules, their rules, and the results of planned times."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_ZONE = "UTC"
MAX_NEXT_TIMES = 100  # in one request


class ScheduleKind(StrEnum):
    """The kinds of rules. The first four are those of API v2."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    ONCE = "once"
    CRON = "cron"
    INTERVAL = "interval"


class OverlapPolicy(StrEnum):
    """What happens at a planned time while a run of the same task has not ended."""

    SKIP = "skip"  # no run for this time
    QUEUE = "queue"  # a run starts when the other has ended; at most one waits
    ALLOW = "allow"  # a run starts, and both are active


class LatePolicy(StrEnum):
    """What happens to times that passed while no server was running."""

    START = "start"  # a run starts for the latest one if it is at most an hour ago
    SKIP = "skip"  # no run


class FireState(StrEnum):
    """The result of a planned time."""

    STARTED = "started"
    WAITING = "waiting"  # until the previous run has ended
    SKIPPED = "skipped"  # by the overlap rule, or the schedule was disabled while it waited
    MISSED = "missed"  # no server was running in time
    REFUSED = "refused"  # the start was not possible; the reason states why


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """When a schedule fires. Members that the kind does not use are 0 or ``""``."""

    kind: ScheduleKind
    time: str = ""  # HH:MM: daily, weekly, monthly, once
    weekday: int = 0  # 1 (Monday) to 7: weekly
    day: int = 0  # 1 to 31: monthly; in a shorter month its last day
    date: str = ""  # YYYY-MM-DD: once
    cron: str = ""  # five fields: cron
    every_s: int = 0  # seconds: interval
    time_zone: str = ""  # IANA name; "" = the account's


@dataclass(frozen=True, slots=True)
class Schedule:
    """The schedule of one task. Times in ms since the epoch, 0 = none.

    ``revision`` increases with every change by a user, so that a fire computed from an older
    revision is not stored.
    """

    task_id: str
    account_id: str
    spec: ScheduleSpec
    overlap: OverlapPolicy
    enabled: bool
    anchor_at: int  # the start of the first interval
    next_at: int  # the next planned time, 0 = none or disabled
    missed: int  # planned times that passed while no server was running
    last_error: str  # why the last fire was refused, "" after one that started
    last_fired_at: int  # planned time of the last run that started
    revision: int
    created_at: int
    updated_at: int
    late: LatePolicy = LatePolicy.START
    failures: int = 0  # consecutive refused starts and failed runs
    paused_at: int = 0  # when too many failures disabled it, 0 = not paused


@dataclass(frozen=True, slots=True)
class Fire:
    """One planned time and its result. ``planned_at`` is unique within its task.

    Consecutive missed times share the record of the first; ``count`` is their number.
    """

    task_id: str
    planned_at: int
    state: FireState
    run_id: str
    reason: str
    count: int
    at: int  # when the result was written
