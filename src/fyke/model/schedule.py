"""A schedule, its rule, and the result of each planned time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_ZONE = "UTC"


class ScheduleKind(StrEnum):
    """The forms of a rule. The first four are those of API v2."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    ONCE = "once"
    CRON = "cron"
    INTERVAL = "interval"


class OverlapPolicy(StrEnum):
    """What happens at a planned time while a run of the same task has not ended."""

    SKIP = "skip"  # no run for this time
    QUEUE = "queue"  # a run starts when that one has ended; at most one waits
    ALLOW = "allow"  # both run


class LatePolicy(StrEnum):
    """What happens to times that passed while no server was running."""

    START = "start"  # a run starts for the latest one, if it is no more than an hour ago
    SKIP = "skip"  # no run for it


class FireState(StrEnum):
    """The result of a planned time."""

    STARTED = "started"
    WAITING = "waiting"  # until the previous run has ended
    SKIPPED = "skipped"  # by the overlap rule, or switched off while it waited
    MISSED = "missed"  # no server was running in time
    REFUSED = "refused"  # the start was not possible; the reason says why


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """When to fire. What a kind does not use is empty: 0 or ``""``."""

    kind: ScheduleKind
    time: str = ""  # HH:MM: daily, weekly, monthly, once
    weekday: int = 0  # 1 (Monday) to 7: weekly
    day: int = 0  # 1 to 31: monthly; a day that a month lacks is its last
    date: str = ""  # YYYY-MM-DD: once
    cron: str = ""  # five fields: cron
    every_s: int = 0  # seconds: interval
    time_zone: str = ""  # IANA name; "" = the account's


@dataclass(frozen=True, slots=True)
class Schedule:
    """The schedule of one task. Times in ms since the epoch, 0 = none.

    ``revision`` grows with every change by a user, so that a fire computed from an older state is
    not written.
    """

    task_id: str
    account_id: str
    spec: ScheduleSpec
    overlap: OverlapPolicy
    enabled: bool
    anchor_at: int  # from where an interval counts
    next_at: int  # the next planned time, 0 while it is off or when there is none
    missed: int  # planned times that passed while no server was running
    last_error: str  # why the last fire was refused, "" once one has started again
    last_fired_at: int  # planned time of the last run that was started
    revision: int
    created_at: int
    updated_at: int
    late: LatePolicy = LatePolicy.START
    failures: int = 0  # starts that were refused and runs that failed, one after the other
    paused_at: int = 0  # when so many failures in a row switched it off, 0 = they have not


@dataclass(frozen=True, slots=True)
class Fire:
    """One planned time and its result. ``planned_at`` is unique within its task.

    Times that were missed in a row share one record: of the first, with their ``count``.
    """

    task_id: str
    planned_at: int
    state: FireState
    run_id: str
    reason: str
    count: int
    at: int  # when this was written
