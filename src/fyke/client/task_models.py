"""Saved tasks and their schedules as the server tells of them; times are Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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

    def body(self) -> dict[str, Any]:
        return {
            "worker_id": self.worker.replace("/", "~"),
            "input": self.input,
            "title": self.title or self.worker,
            "version": self.version or "latest",
            "description": self.description,
        }


@dataclass(frozen=True, slots=True)
class Task:
    """``version`` is ``latest`` for a task that follows its worker. Of the schedule only what is
    set is there; see ``Schedule`` for all of it.
    """

    slug: str
    title: str
    description: str
    version: str
    worker_slug: str
    worker_path: str  # owner~name
    worker_title: str
    input: dict[str, Any]
    run_times: int
    last_run_slug: str
    created_at: int
    updated_at: int
    schedule_enabled: int = 0
    schedule_kind: str = ""
    schedule_next_at: int = 0
    schedule_last_error: str = ""


TaskItems = list[Task]  # named, because a field called list hides the builtin


@dataclass(frozen=True, slots=True)
class TaskPage:
    count: int
    list: TaskItems
    page_index: int
    page_size: int


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
