"""Saved tasks and their schedules as the server tells of them; times are Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.wire.v2.tasks import NewTask


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """A saved input. ``input`` is the whole object with ``parameters``; without a version the task
    follows its worker.
    """

    worker: str
    input: dict[str, Any]
    title: str = ""
    version: str = ""
    description: str = ""

    def wire(self) -> NewTask:
        """The request as it is sent."""
        return NewTask(
            worker_id=self.worker.replace("/", "~"),
            input=self.input,
            title=self.title or self.worker,
            version=self.version or "latest",
            description=self.description,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """When to fire. ``time_zone`` empty means the account's."""

    kind: str
    time: str = ""
    weekday: int = 0
    day: int = 0
    date: str = ""
    cron: str = ""
    every: int = 0
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    kind: str
    time: str
    weekday: int
    day: int
    date: str
    cron: str
    every: int
    time_zone: str
    zone_of_account: bool
    overlap: str
    enabled: bool
    next_at: int
    last_fired_at: int
    last_error: str
    missed: int


@dataclass(frozen=True, slots=True)
class NextTime:
    at: int
    local: str


NextTimeItems = list[NextTime]


@dataclass(frozen=True, slots=True)
class NextTimes:
    time_zone: str
    list: NextTimeItems


@dataclass(frozen=True, slots=True)
class Fire:
    planned_at: int
    state: str
    run_slug: str
    reason: str
    count: int
    at: int


FireItems = list[Fire]


@dataclass(frozen=True, slots=True)
class FirePage:
    count: int
    list: FireItems
    page_index: int
    page_size: int
