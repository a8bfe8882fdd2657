"""Saved tasks and their schedules."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, UnsetType, field

from fyke.model.schedule import ScheduleKind
from fyke.wire.common import Count, Ulid, UnixSeconds
from fyke.wire.fields import (
    Answer,
    DocumentedAs,
    FieldError,
    Name,
    ParsedBy,
    Request,
    StoredObject,
    Text,
    to_integer,
    to_object,
    to_text,
)
from fyke.wire.inputs import RunInput
from fyke.wire.units import seconds
from fyke.wire.v2.fields import PageRequest
from fyke.wire.v2.workers import WorkerPath, tilde_path

if TYPE_CHECKING:
    from fyke.domain.tasks.service import TaskView
    from fyke.model.schedule import Schedule
    from fyke.model.task import Task

LATEST = "latest"

# The numbers of the kinds; 0 for any other kind.
KINDS: dict[int, ScheduleKind] = {
    1: ScheduleKind.DAILY,
    2: ScheduleKind.WEEKLY,
    3: ScheduleKind.MONTHLY,
    4: ScheduleKind.ONCE,
}
_NUMBERS = {kind: number for number, kind in KINDS.items()}

_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"


# --- requests ------------------------------------------------------------------------------


def to_number_up_to(maximum: int) -> Callable[[object], int]:
    """A rule for integers from 0, which means not set, to ``maximum``."""

    def rule(value: object) -> int:
        number = to_integer(value)
        if not 0 <= number <= maximum:
            raise FieldError(f"must be 0 to {maximum}")
        return number

    return rule


def to_time(value: object) -> str:
    """A time of day (HH:mm), or empty."""
    text = to_text(value).strip()
    if text and not re.fullmatch(_TIME, text):
        raise FieldError("must be a time such as 09:30 (HH:mm)")
    return text


def to_date(value: object) -> str:
    """A date (YYYY-MM-DD), or empty."""
    text = to_text(value).strip()
    try:
        if text:
            date.fromisoformat(text if re.fullmatch(_DATE, text) else "")
    except ValueError:
        raise FieldError("must be a date such as 2030-01-31 (YYYY-MM-DD)") from None
    return text


def to_task_input(value: object) -> dict[str, Any]:
    """The input of a task; an object without ``parameters`` is the Worker's own input."""
    task_input = to_object(value)
    return task_input if "parameters" in task_input else {"parameters": {"custom": task_input}}


Flag = Annotated[int, DocumentedAs(Literal[0, 1]), ParsedBy(to_number_up_to(1))]
KindNumber = Annotated[int, DocumentedAs(Literal[0, 1, 2, 3, 4]), ParsedBy(to_number_up_to(4))]
Weekday = Annotated[int, Meta(ge=0, le=7), ParsedBy(to_number_up_to(7))]
DayOfMonth = Annotated[int, Meta(ge=0, le=31), ParsedBy(to_number_up_to(31))]
TimeOfDay = Annotated[str, Meta(pattern=f"^(?:{_TIME})?$"), ParsedBy(to_time)]
DateText = Annotated[
    str,
    Meta(extra_json_schema={"anyOf": [{"format": "date"}, {"maxLength": 0}]}),
    ParsedBy(to_date),
]
TaskInputObject = Annotated[dict[str, Any], ParsedBy(to_task_input), DocumentedAs(RunInput)]


class ScheduleMembers(Request):
    """The schedule of a task. Members that the type does not use are ignored."""

    schedule_enabled: Annotated[Flag, Meta(description="1 = on, 0 = off")] | UnsetType = UNSET
    schedule_type: (
        Annotated[
            KindNumber,
            Meta(description="1 daily, 2 weekly, 3 monthly, 4 once; 0 or absent: unchanged"),
        ]
        | UnsetType
    ) = UNSET
    schedule_time: (
        Annotated[TimeOfDay, Meta(description="HH:mm in the schedule's time zone")] | UnsetType
    ) = UNSET
    schedule_weekday: (
        Annotated[Weekday, Meta(description="weekly: 1 (Monday) to 7 (Sunday)")] | UnsetType
    ) = UNSET
    schedule_day: (
        Annotated[DayOfMonth, Meta(description="monthly: 1 to 31; in a shorter month its last day")]
        | UnsetType
    ) = UNSET
    schedule_once_date: Annotated[DateText, Meta(description="once: YYYY-MM-DD")] | UnsetType = (
        UNSET
    )


class TaskListQuery(PageRequest):
    worker_id: Annotated[Text, Meta(description="only tasks of this worker")] = ""
    keyword: Annotated[Text, Meta(description="part of the title or the slug")] = ""


class NewTask(ScheduleMembers, kw_only=True):
    worker_id: Annotated[Name, Meta(description="id, `owner~name` or `owner/name` of a worker")]
    title: Name
    input: TaskInputObject
    description: Text = ""
    version: Annotated[
        Text,
        Meta(
            description="`latest`: the newest version at the time of each run; empty or "
            "absent: the version that is the newest now"
        ),
    ] = ""


class TaskChange(ScheduleMembers):
    """Absent members stay as they are."""

    title: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET


class TaskInputChange(Request):
    input: TaskInputObject
    version: Annotated[
        Text, Meta(description="empty or absent: unchanged; `latest`: the newest at each run")
    ] = ""


# --- answers -------------------------------------------------------------------------------


class WorkerTask(Answer):
    """A task. Members of its schedule that are not set are absent."""

    slug: Ulid
    title: str
    description: str
    version: Annotated[str, Meta(description="`latest` = the newest at the time of each run")]
    worker_id: Ulid
    worker_slug: Ulid
    worker_path: WorkerPath
    worker_title: str
    input: StoredObject
    run_times: Annotated[Count, Meta(description="runs that were started from it")]
    last_run_slug: Annotated[str, Meta(description="the newest run, empty if there is none")]
    last_modified_at: UnixSeconds
    created_at: UnixSeconds
    updated_at: UnixSeconds
    schedule_enabled: Annotated[Literal[0, 1], Meta(description="1 = on, 0 = off")]
    schedule_type: Annotated[
        Literal[0, 1, 2, 3, 4],
        Meta(description="1 daily, 2 weekly, 3 monthly, 4 once, 0 another kind or none"),
    ]
    schedule_kind: Annotated[str, Meta(description="name of the kind")] | UnsetType = UNSET
    schedule_time: Annotated[str, Meta(description="HH:mm, when set")] | UnsetType = UNSET
    schedule_weekday: Annotated[int, Meta(description="1 (Monday) to 7, when set")] | UnsetType = (
        UNSET
    )
    schedule_day: Annotated[int, Meta(description="1 to 31, when set")] | UnsetType = UNSET
    schedule_once_date: Annotated[str, Meta(description="YYYY-MM-DD, when set")] | UnsetType = UNSET
    schedule_next_at: (
        Annotated[int, Meta(description="Unix seconds of the next run, while it is on")] | UnsetType
    ) = UNSET
    schedule_last_error: (
        Annotated[str, Meta(description="why the last planned run was refused")] | UnsetType
    ) = UNSET

    @classmethod
    def of(cls, view: TaskView) -> WorkerTask:
        task, worker = view.task, view.worker
        return cls(
            slug=task.id,
            title=task.title,
            description=task.description,
            version=task.version or LATEST,
            worker_id=task.worker_id,
            worker_slug=task.worker_id,
            worker_path=tilde_path(worker) if worker else "",
            worker_title=worker.title if worker else "",
            input=Raw(task.input_json),
            run_times=task.run_times,
            last_run_slug=task.last_run_id,
            last_modified_at=seconds(task.updated_at),
            created_at=seconds(task.created_at),
            updated_at=seconds(task.updated_at),
            **_schedule(view.schedule),
        )


def _schedule(schedule: Schedule | None) -> dict[str, Any]:
    """The members of the schedule that are set. Kinds that v2 does not have get the number 0."""
    if schedule is None:
        return {"schedule_enabled": 0, "schedule_type": 0}
    spec = schedule.spec
    return {
        "schedule_enabled": int(schedule.enabled),
        "schedule_type": _NUMBERS.get(spec.kind, 0),
        "schedule_kind": spec.kind.value,
        "schedule_time": spec.time or UNSET,
        "schedule_weekday": spec.weekday or UNSET,
        "schedule_day": spec.day or UNSET,
        "schedule_once_date": spec.date or UNSET,
        "schedule_next_at": seconds(schedule.next_at) or UNSET,
        "schedule_last_error": schedule.last_error or UNSET,
    }


class WorkerTaskPage(Answer):
    count: Count
    items: list[WorkerTask] = field(name="list")
    page_index: int
    page_size: int


class TaskCreated(Answer):
    slug: Ulid


class SavedTaskInput(Answer):
    input: StoredObject
    version: str

    @classmethod
    def of(cls, task: Task) -> SavedTaskInput:
        return cls(Raw(task.input_json), task.version or LATEST)


class TaskChanged(Answer):
    """An empty object."""
