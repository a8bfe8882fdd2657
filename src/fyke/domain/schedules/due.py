"""Decides what happens to a schedule that is due. Pure.

Of the times that have passed, the latest starts a run if it is no more than an hour ago, or a
minute for a schedule without late runs; all others are missed, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from fyke.domain.schedules.times import SECOND, first_after, times_after
from fyke.model.schedule import ScheduleKind, ScheduleSpec

LATE_MS = 3_600_000
ON_TIME_MS = 60_000  # a start with this delay is not late
MAX_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class DueDecision:
    """``fire_at`` is the planned time to start a run for, 0 for none; ``missed`` is the number of
    earlier times without a run, ``first_missed`` the first of them; ``next_at`` is 0 when no time
    follows.
    """

    fire_at: int
    missed: int
    first_missed: int
    next_at: int


def due_fires(
    spec: ScheduleSpec, tz: ZoneInfo, anchor_at: int, next_at: int, now: int, late_ms: int = LATE_MS
) -> DueDecision:
    """The decision at ``now`` about a schedule that was due at ``next_at``. Counting ends at
    ``MAX_COUNTED``, which an interval of a minute reaches after ten weeks.
    """
    recent, following = _recent(spec, tz, anchor_at, next_at, now, late_ms)
    until = recent[0] if recent else now
    missed = _count(spec, tz, anchor_at, next_at, until) + max(0, len(recent) - 1)
    return DueDecision(
        fire_at=recent[-1] if recent else 0,
        missed=min(missed, MAX_COUNTED),
        first_missed=next_at if missed else 0,
        next_at=following,
    )


def _recent(
    spec: ScheduleSpec, tz: ZoneInfo, anchor_at: int, next_at: int, now: int, late_ms: int
) -> tuple[list[int], int]:
    """The past times that may still start a run, and the first time in the future (0 = none)."""
    oldest = now - late_ms
    if next_at >= oldest:
        recent, after = [next_at], next_at
    else:
        recent, after = [], oldest - 1
    for moment in times_after(spec, tz, anchor_at, after):
        if moment > now:
            return recent, moment
        recent.append(moment)
    return recent, 0


def _count(spec: ScheduleSpec, tz: ZoneInfo, anchor_at: int, next_at: int, until: int) -> int:
    """The number of planned times from ``next_at`` on and before ``until``."""
    if next_at >= until:
        return 0
    if spec.kind is ScheduleKind.INTERVAL:
        following = first_after(spec, tz, anchor_at, next_at)
        return 1 + max(0, -((following - until) // (spec.every_s * SECOND)))
    count = 1
    for moment in times_after(spec, tz, anchor_at, next_at):
        if moment >= until or count >= MAX_COUNTED:
            break
        count += 1
    return count
