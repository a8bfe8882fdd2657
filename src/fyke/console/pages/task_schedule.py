"""Schedules as text and as form fields."""

from __future__ import annotations

from dataclasses import dataclass, field

from fyke.console.cron_labels import cron_label
from fyke.console.forms import PostedForm
from fyke.console.problems import faults_of
from fyke.console.texts import gettext as _
from fyke.domain.schedules.editing import ScheduleEdit
from fyke.domain.schedules.rules import MAX_INTERVAL_S, MEMBERS, MIN_INTERVAL_S
from fyke.errors import InvalidFields, InvalidRequest
from fyke.model.schedule import LatePolicy, OverlapPolicy, Schedule, ScheduleKind, ScheduleSpec

FIELDS = (
    "kind", "time", "weekday", "day", "date", "cron", "every", "time_zone", "overlap", "late",
)  # fmt: skip
UNITS = {"minutes": 60, "hours": 3600, "days": 86_400, "seconds": 1}
_EMPTY = dict.fromkeys((*FIELDS, "unit"), "")


def weekdays() -> list[str]:
    """Monday first."""
    return [
        _("Monday"),
        _("Tuesday"),
        _("Wednesday"),
        _("Thursday"),
        _("Friday"),
        _("Saturday"),
        _("Sunday"),
    ]


def schedule_label(spec: ScheduleSpec) -> str:
    """A schedule as text."""
    values = {"time": spec.time, "day": spec.day, "date": spec.date, "cron": spec.cron}
    match spec.kind:
        case ScheduleKind.DAILY:
            return _("every day at %(time)s") % values
        case ScheduleKind.WEEKLY:
            name = weekdays()[spec.weekday - 1] if spec.weekday else "?"
            return _("every %(weekday)s at %(time)s") % {**values, "weekday": name}
        case ScheduleKind.MONTHLY:
            return _("on day %(day)s of each month at %(time)s") % values
        case ScheduleKind.ONCE:
            return _("once, on %(date)s at %(time)s") % values
        case ScheduleKind.CRON:
            return cron_label(spec.cron, weekdays()) or _("cron %(cron)s") % values
    count, unit = in_largest_unit(spec.every_s)
    return _("every %(count)s %(unit)s") % {"count": count, "unit": unit_labels()[unit]}


def unit_labels() -> dict[str, str]:
    return {
        "minutes": _("minutes"),
        "hours": _("hours"),
        "days": _("days"),
        "seconds": _("seconds"),
    }


def in_largest_unit(seconds: int) -> tuple[int, str]:
    """An interval in the largest unit that divides it."""
    for unit in ("days", "hours", "minutes"):
        if seconds and seconds % UNITS[unit] == 0:
            return seconds // UNITS[unit], unit
    return seconds, "seconds" if seconds else "hours"


@dataclass(frozen=True, slots=True)
class TypedSchedule:
    """The values of the schedule's form, as typed."""

    values: dict[str, str] = field(default_factory=dict)
    enabled: bool = True


def initial_schedule(schedule: Schedule | None) -> TypedSchedule:
    """The initial values of the form: of the schedule, or the defaults."""
    if schedule is None:
        values = {"kind": "daily", "time": "09:00", "weekday": "1", "day": "1", "unit": "hours"}
        return TypedSchedule({**_EMPTY, **values, "overlap": "skip", "late": "start"})
    spec = schedule.spec
    count, unit = in_largest_unit(spec.every_s)
    return TypedSchedule(
        {
            "kind": spec.kind.value,
            "time": spec.time or "09:00",
            "weekday": str(spec.weekday or 1),
            "day": str(spec.day or 1),
            "date": spec.date,
            "cron": spec.cron,
            "every": str(count or ""),
            "unit": unit,
            "time_zone": spec.time_zone,
            "overlap": schedule.overlap.value,
            "late": schedule.late.value,
        },
        schedule.enabled,
    )


def typed_schedule_of(form: PostedForm) -> TypedSchedule:
    """The submitted form."""
    return TypedSchedule({name: form.get(name) for name in (*FIELDS, "unit")}, form.on("enabled"))


def schedule_spec_of(typed: TypedSchedule) -> ScheduleSpec:
    """The submitted rule. Raise ``InvalidFields``, which names the field."""
    values = typed.values
    kind = ScheduleKind(_one_of("kind", values.get("kind", ""), ScheduleKind))
    for name in MEMBERS[kind]:
        field_name = name.removesuffix("_s")
        if not values.get(field_name, "").strip():
            raise InvalidFields(_("Fill in this field."), field=field_name)
    unit = UNITS.get(values.get("unit", ""), 1)
    return ScheduleSpec(
        kind=kind,
        time=values.get("time", "").strip()[:5],
        weekday=_number("weekday", values),
        day=_number("day", values),
        date=values.get("date", "").strip(),
        cron=" ".join(values.get("cron", "").split()),
        every_s=_interval(values, unit) if kind is ScheduleKind.INTERVAL else 0,
        time_zone=values.get("time_zone", "").strip(),
    )


def change_of(typed: TypedSchedule) -> ScheduleEdit:
    """The submitted schedule. Raise ``InvalidFields``, which names the field."""
    spec = schedule_spec_of(typed)
    return ScheduleEdit(
        enabled=typed.enabled,
        kind=spec.kind,
        time=spec.time,
        weekday=spec.weekday,
        day=spec.day,
        date=spec.date,
        cron=spec.cron,
        every_s=spec.every_s,
        time_zone=spec.time_zone,
        overlap=OverlapPolicy(_one_of("overlap", typed.values.get("overlap", ""), OverlapPolicy)),
        late=LatePolicy(_one_of("late", typed.values.get("late", ""), LatePolicy)),
    )


def fault_of(error: InvalidRequest) -> dict[str, str]:
    """Field of the form to sentence."""
    return faults_of(error, {name: name for name in FIELDS}, "kind")


def _one_of(
    name: str, text: str, kind: type[ScheduleKind] | type[OverlapPolicy] | type[LatePolicy]
) -> str:
    known = [item.value for item in kind]
    if text not in known:
        raise InvalidFields(f"must be one of {', '.join(known)}", field=name)
    return text


def _interval(values: dict[str, str], unit: int) -> int:
    """In seconds. The field refuses what the rules of schedules state in seconds."""
    text = values.get("every", "").strip()
    seconds = int(text) * unit if text.isdecimal() and len(text) < 10 else 0
    if not MIN_INTERVAL_S <= seconds <= MAX_INTERVAL_S:
        raise InvalidFields(
            _("Enter a whole number; the interval may be from one minute to one year."),
            field="every",
        )
    return seconds


def _number(name: str, values: dict[str, str]) -> int:
    text = values.get(name, "").strip()
    if not text:
        return 0
    if not text.isdecimal() or len(text) > 9:
        raise InvalidFields("must be a whole number", field=name)
    return int(text)
