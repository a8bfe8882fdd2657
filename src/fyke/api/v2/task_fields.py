"""What saved tasks and their schedules are made of on the wire of v2."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from fyke.api.decode import Wire, WireName, WireObject, WireText, to_integer, to_text, wrong
from fyke.api.v2.fields import Page, StartBody
from fyke.domain.schedules.editing import ScheduleEdit
from fyke.domain.schedules.rules import Names
from fyke.model.schedule import ScheduleKind

# The numbers of the kinds; 0 = none of these.
KINDS: dict[int, ScheduleKind] = {
    1: ScheduleKind.DAILY,
    2: ScheduleKind.WEEKLY,
    3: ScheduleKind.MONTHLY,
    4: ScheduleKind.ONCE,
}

# How errors of the domain name what the caller has sent.
NAMES: Names = {
    "kind": "schedule_type",
    "enabled": "schedule_enabled",
    "time": "schedule_time",
    "weekday": "schedule_weekday",
    "day": "schedule_day",
    "date": "schedule_once_date",
    "cron": "cron",
    "every_s": "every",
    "time_zone": "time_zone",
}

_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"


def _up_to(most: int) -> Callable[[object], int]:
    """A rule: an integer from 0, which stands for not chosen, to ``most``."""

    def rule(value: object) -> int:
        number = to_integer(value)
        if not 0 <= number <= most:
            raise wrong(f"must be 0 to {most}")
        return number

    return rule


def _whole(most: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": 0, "maximum": most})


def _time(value: object) -> str:
    text = to_text(value).strip()
    if text and not re.fullmatch(_TIME, text):
        raise wrong("must be a time such as 09:30 (HH:mm)")
    return text


def _date(value: object) -> str:
    text = to_text(value).strip()
    try:
        if text:
            date.fromisoformat(text if re.fullmatch(_DATE, text) else "")
    except ValueError:
        raise wrong("must be a date such as 2030-01-31 (YYYY-MM-DD)") from None
    return text


Flag = Annotated[int, BeforeValidator(_up_to(1)), _whole(1)]
KindNumber = Annotated[int, BeforeValidator(_up_to(4)), _whole(4)]
Weekday = Annotated[int, BeforeValidator(_up_to(7)), _whole(7)]
Day = Annotated[int, BeforeValidator(_up_to(31)), _whole(31)]
Time = Annotated[
    str,
    BeforeValidator(_time),
    WithJsonSchema({"type": "string", "pattern": f"^(?:{_TIME})?$"}),
]
Date = Annotated[
    str,
    BeforeValidator(_date),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"maxLength": 0}]}),
]


def _wrapped(value: dict[str, Any]) -> dict[str, Any]:
    """A flat object is the Worker's own input, as in a start."""
    return value if "parameters" in value else {"parameters": {"custom": value}}


Input = Annotated[
    WireObject,
    AfterValidator(_wrapped),
    Field(description='`{"parameters":{"custom":{},"system":{}}}`; a flat object is `custom`'),
]


class ScheduleMembers(Wire):
    """When a task runs by itself. What does not belong to the type is ignored."""

    schedule_enabled: Flag | None = Field(None, description="1 = on, 0 = off")
    schedule_type: KindNumber | None = Field(
        None, description="1 daily, 2 weekly, 3 monthly, 4 once; 0 or absent: as it is"
    )
    schedule_time: Time | None = Field(None, description="HH:mm in the schedule's time zone")
    schedule_weekday: Weekday | None = Field(None, description="weekly: 1 (Monday) to 7 (Sunday)")
    schedule_day: Day | None = Field(
        None, description="monthly: 1 to 31; in a shorter month its last day"
    )
    schedule_once_date: Date | None = Field(None, description="once: YYYY-MM-DD")

    def change(self) -> ScheduleEdit | None:
        """What is wanted of the schedule, None when nothing is said about it."""
        if not self.model_fields_set & ScheduleMembers.model_fields.keys():
            return None
        enabled = self.schedule_enabled
        return ScheduleEdit(
            enabled=None if enabled is None else enabled == 1,
            kind=KINDS.get(self.schedule_type or 0),
            time=self.schedule_time,
            weekday=self.schedule_weekday,
            day=self.schedule_day,
            date=self.schedule_once_date,
        )


class TaskRef(Wire):
    """A task in the path."""

    task_id: WireName = Field(validation_alias="workerTaskId")


class TaskList(Page):
    worker_id: WireText = Field("", description="tasks of this worker only")
    keyword: WireText = Field("", description="part of the title or the slug")


class NewTask(ScheduleMembers):
    worker_id: WireName
    title: WireName
    input: Input
    description: WireText = ""
    version: WireText = Field(
        "",
        description="`latest` follows the worker; empty or absent: the version that is newest now",
    )


class TaskChange(TaskRef, ScheduleMembers):
    title: WireName | None = None
    description: WireText | None = None


class TaskInput(TaskRef):
    input: Input
    version: WireText = Field("", description="empty or absent: as it is; `latest` follows")


class TaskStart(TaskRef, StartBody):
    pass
