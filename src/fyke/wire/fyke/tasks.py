"""Tasks with their schedule, last result and problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, Raw

from fyke.domain.tasks.board import TaskFault
from fyke.domain.tasks.service import TaskEdit
from fyke.model.run import RunState
from fyke.model.schedule import ScheduleKind
from fyke.wire.common import Count, Page, PageQuery, known_values
from fyke.wire.fields import Answer, Integer, Request, StoredObject, Text
from fyke.wire.fyke.schedules import Moment, PausedAt
from fyke.wire.inputs import StartInput
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.domain.tasks.board import TaskCheck, TaskLine


class TaskQuery(PageQuery):
    keyword: Annotated[Text, Meta(description="part of the title or id")] = ""


class TaskEditFields(Request):
    """Absent members stay as they are."""

    revision: Annotated[
        Integer,
        Meta(description="the revision that was read; refused if the task has changed since"),
    ]
    title: Text | None = None
    description: Text | None = None
    version: (
        Annotated[Text, Meta(description="empty = the newest at the time of each run")] | None
    ) = None
    input: StartInput | None = None

    @property
    def edit(self) -> TaskEdit:
        return TaskEdit(self.title, self.description, self.version, self.input)


class TaskLineItem(Answer):
    """A task in a list."""

    slug: str
    title: str
    worker_slug: str
    worker_path: Annotated[str, Meta(description="empty if the worker is deleted")]
    version: Annotated[str, Meta(description="empty: the newest at the time of each run")]
    latest_version: str
    run_times: Count
    last_run_slug: str
    last_run_state: Annotated[
        str, known_values(["", *RunState], "empty: no run yet, or it is deleted")
    ]
    schedule_kind: Annotated[str, known_values(["", *ScheduleKind], "empty: no schedule")]
    schedule_enabled: bool
    next_at: Moment
    paused_at: PausedAt
    fault: Annotated[str, known_values(["", *TaskFault], "why it cannot run as saved")]
    revision: Count
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, line: TaskLine) -> TaskLineItem:
        return cls(**_members(line))


def _members(line: TaskLine) -> dict[str, Any]:
    task, schedule = line.task, line.schedule
    return {
        "slug": task.id,
        "title": task.title,
        "worker_slug": task.worker_id,
        "worker_path": line.worker.path if line.worker else "",
        "version": task.version,
        "latest_version": line.latest,
        "run_times": task.run_times,
        "last_run_slug": task.last_run_id,
        "last_run_state": line.last_run.state if line.last_run else "",
        "schedule_kind": schedule.spec.kind if schedule else "",
        "schedule_enabled": schedule.enabled if schedule else False,
        "next_at": seconds(schedule.next_at) if schedule else 0,
        "paused_at": seconds(schedule.paused_at) if schedule else 0,
        "fault": line.fault or "",
        "revision": task.revision,
        "created_at": seconds(task.created_at),
        "updated_at": seconds(task.updated_at),
    }


class TaskLinePage(Page[TaskLineItem]):
    pass


class FieldProblem(Answer):
    field: str
    message: str


class CheckedTask(TaskLineItem):
    description: str
    input: Annotated[StoredObject, Meta(description="as saved")]
    problems: Annotated[
        list[FieldProblem],
        Meta(description="fields and run options that its version does not accept"),
    ]

    @classmethod
    def checked(cls, check: TaskCheck) -> CheckedTask:
        task = check.line.task
        return cls(
            **_members(check.line),
            description=task.description,
            input=Raw(task.input_json),
            problems=[FieldProblem(one.name, one.sentence) for one in check.problems],
        )
