"""Saved tasks as v2 shows them, and the shape of that for the document."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.v1.answers import Ulid, Whole
from fyke.api.v1.vocabulary import seconds
from fyke.api.v2.run_answers import Seconds
from fyke.api.v2.task_fields import KINDS
from fyke.domain.tasks.service import TaskView
from fyke.domain.workers.jsontext import loads
from fyke.model.schedule import Schedule
from fyke.model.task import Task

LATEST = "latest"

_NUMBERS = {kind: number for number, kind in KINDS.items()}


def version_word(task: Task) -> str:
    """The task's version; ``latest`` where it follows its worker."""
    return task.version or LATEST


def task_object(view: TaskView) -> dict[str, Any]:
    """A task as details and lists show it."""
    task, worker = view.task, view.worker
    return {
        "slug": task.id,
        "title": task.title,
        "description": task.description,
        "version": version_word(task),
        "worker_id": task.worker_id,
        "worker_slug": task.worker_id,
        "worker_path": f"{worker.owner}~{worker.name}" if worker else "",
        "worker_title": worker.title if worker else "",
        "input": loads(task.input_json),
        "run_times": task.run_times,
        "last_run_slug": task.last_run_id,
        "last_modified_at": seconds(task.updated_at),
        "created_at": seconds(task.created_at),
        "updated_at": seconds(task.updated_at),
        **_schedule(view.schedule),
    }


def _schedule(schedule: Schedule | None) -> dict[str, Any]:
    """The members of the schedule that are set. A kind that v2 does not know has no number, but
    its name.
    """
    if schedule is None:
        return {"schedule_enabled": 0, "schedule_type": 0}
    plan = schedule.plan
    members = {
        "schedule_time": plan.time,
        "schedule_weekday": plan.weekday,
        "schedule_day": plan.day,
        "schedule_once_date": plan.date,
        "schedule_next_at": seconds(schedule.next_at),
        "schedule_last_error": schedule.last_error,
    }
    return {
        "schedule_enabled": int(schedule.enabled),
        "schedule_type": _NUMBERS.get(plan.kind, 0),
        "schedule_kind": plan.kind.value,
        **{name: value for name, value in members.items() if value},
    }


class WorkerTask(Answer):
    slug: Ulid
    title: str
    description: str
    version: Annotated[str, Field(description="`latest` = the newest at the time of each run")]
    worker_id: Ulid
    worker_slug: Ulid
    worker_path: Annotated[str, Field(description="`owner~name`")]
    worker_title: str
    input: dict[str, Any]
    run_times: Annotated[Whole, Field(description="runs that were started from it, ever")]
    last_run_slug: Annotated[str, Field(description="the newest run, empty when it never ran")]
    last_modified_at: Seconds
    created_at: Seconds
    updated_at: Seconds
    schedule_enabled: Whole
    schedule_type: Annotated[
        Whole, Field(description="1 daily, 2 weekly, 3 monthly, 4 once, 0 none of these")
    ]
    schedule_kind: Annotated[str | None, Field(description="its name, with a schedule")] = None
    schedule_time: Annotated[str | None, Field(description="HH:mm, when set")] = None
    schedule_weekday: Annotated[int | None, Field(description="1 (Monday) to 7, when set")] = None
    schedule_day: Annotated[int | None, Field(description="1 to 31, when set")] = None
    schedule_once_date: Annotated[str | None, Field(description="YYYY-MM-DD, when set")] = None
    schedule_next_at: Annotated[
        int | None, Field(description="Unix seconds of the next run, while it is on")
    ] = None
    schedule_last_error: Annotated[
        str | None, Field(description="why the last planned run was refused")
    ] = None


WorkerTaskItems = list[WorkerTask]  # named, because a field called list hides the builtin


class WorkerTaskPage(Answer):
    count: Whole
    list: WorkerTaskItems
    page_index: int
    page_size: int


class WorkerTaskMade(Answer):
    slug: Ulid


class WorkerTaskInput(Answer):
    input: dict[str, Any]
    version: str


class Changed(Answer):
    """Nothing: the change was made."""
