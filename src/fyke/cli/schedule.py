"""``fyke task schedule`` and ``fyke task next``: when a task runs by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, server_command
from fyke.cli.output import data_of
from fyke.cli.task import Slug, tasks
from fyke.cli.task_check import warn_unless_runnable

if TYPE_CHECKING:
    from fyke_client.types.fyke.schedules import TaskSchedule, Timing

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

DailyOption = Annotated[
    str, typer.Option("--daily", help="Every day at this time.", metavar="HH:MM")
]
WeeklyOption = Annotated[
    str, typer.Option("--weekly", help="Every week on this day, with --at.", metavar="DAY")
]
MonthlyOption = Annotated[
    int, typer.Option("--monthly", help="Every month on this day, with --at.", min=0, max=31)
]
OnceOption = Annotated[
    str, typer.Option("--once", help="Once on this date, with --at.", metavar="YYYY-MM-DD")
]
AtOption = Annotated[str, typer.Option("--at", help="The time of day.", metavar="HH:MM")]
CronOption = Annotated[
    str, typer.Option("--cron", help="Five fields, for example '0 9 * * 1-5'.", metavar="RULE")
]
EveryOption = Annotated[
    str, typer.Option("--every", help="At an interval, for example 15m, 6h or 1d.", metavar="TIME")
]
ZoneOption = Annotated[
    str,
    typer.Option("--zone", help="Time zone, for example Europe/Berlin; default: the account's."),
]


@server_command(tasks, "schedule")
def schedule(
    server: ServerContext,
    task: Slug,
    daily: DailyOption = "",
    weekly: WeeklyOption = "",
    monthly: MonthlyOption = 0,
    once: OnceOption = "",
    at: AtOption = "",
    cron: CronOption = "",
    every: EveryOption = "",
    zone: ZoneOption = "",
    overlap: Annotated[
        str,
        typer.Option(
            "--overlap", help="If a run of the task is still active: skip, queue or allow."
        ),
    ] = "allow",
    on: Annotated[
        bool, typer.Option("--on", help="Switch the schedule on, even one that failures paused.")
    ] = False,
    off: Annotated[bool, typer.Option("--off", help="Switch the schedule off.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the schedule.")] = False,
) -> None:
    """Show, set, switch or remove the schedule of a task.

    \b
    Examples:
      fyke task schedule 01JG... --daily 09:30 --zone Europe/Berlin
      fyke task schedule 01JG... --weekly monday --at 07:00 --overlap skip
      fyke task schedule 01JG... --cron '*/15 8-18 * * 1-5'
      fyke task schedule 01JG... --off
      fyke task schedule 01JG... --on
      fyke task schedule 01JG... --remove
    """
    timing = _timing(daily, weekly, monthly, once, at, cron, every, zone)
    if on + off + remove > 1:
        raise typer.BadParameter("give one of --on, --off and --remove")
    if remove:
        server.client.delete_schedule(task)
        if server.out.as_json:
            server.out.json({"deleted": task})
        else:
            server.out.say(f"The schedule of the task {task} was removed.")
        return
    if timing is not None:
        result = server.client.set_schedule(task, timing, overlap=overlap, enabled=not off)
    elif on or off:
        result = server.client.switch_schedule(task, on=on)
    else:
        result = server.client.schedule(task)
    _report(server, result)
    if result.enabled:
        warn_unless_runnable(server, task)


@server_command(tasks, "next")
def next_times(
    server: ServerContext,
    task: Slug,
    count: Annotated[int, typer.Option("--count", min=1, max=100)] = 10,
    daily: DailyOption = "",
    weekly: WeeklyOption = "",
    monthly: MonthlyOption = 0,
    once: OnceOption = "",
    at: AtOption = "",
    cron: CronOption = "",
    every: EveryOption = "",
    zone: ZoneOption = "",
) -> None:
    """The next times of a task's schedule, or of another schedule.

    \b
    Examples:
      fyke task next 01JG...
      fyke task next 01JG... --cron '0 9 * * 1-5' --zone Europe/Berlin --count 5
    """
    timing = _timing(daily, weekly, monthly, once, at, cron, every, zone)
    result = server.client.next_times(task, count, timing)
    if server.out.as_json:
        server.out.json(data_of(result))
        return
    server.out.table(("time", "zone"), [(time.local, result.time_zone) for time in result.items])


def _timing(
    daily: str, weekly: str, monthly: int, once: str, at: str, cron: str, every: str, zone: str
) -> Timing | None:
    """The timing in the options, or None."""
    from fyke.model.schedule import ScheduleKind as Kind
    from fyke_client.types.fyke.schedules import Timing

    candidates = [
        Timing(kind=Kind.DAILY, time=daily) if daily else None,
        Timing(kind=Kind.WEEKLY, time=at, weekday=_weekday(weekly)) if weekly else None,
        Timing(kind=Kind.MONTHLY, time=at, day=monthly) if monthly else None,
        Timing(kind=Kind.ONCE, time=at, date=once) if once else None,
        Timing(kind=Kind.CRON, cron=cron) if cron else None,
        Timing(kind=Kind.INTERVAL, every=_seconds(every)) if every else None,
    ]
    timings = [timing for timing in candidates if timing is not None]
    if len(timings) > 1:
        raise typer.BadParameter(
            "use only one of --daily, --weekly, --monthly, --once, --cron and --every"
        )
    if not timings:
        if at or zone:
            raise typer.BadParameter(
                "--at and --zone require a kind: "
                "--daily, --weekly, --monthly, --once, --cron or --every"
            )
        return None
    timings[0].time_zone = zone
    return timings[0]


def _weekday(text: str) -> int:
    prefix = text.strip().lower()
    for number, name in enumerate(DAYS, 1):
        if prefix == str(number) or (len(prefix) >= 2 and name.startswith(prefix)):
            return number
    raise typer.BadParameter(f'--weekly: "{text}" is not a day; use monday to sunday, or 1 to 7')


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text.strip().lower())
    if not match:
        raise typer.BadParameter(f'--every: "{text}" is not a time; write 90s, 15m, 6h or 1d')
    return int(match[1]) * _UNITS[match[2] or "s"]


def _report(server: ServerContext, task_schedule: TaskSchedule) -> None:
    if server.out.as_json:
        server.out.json(data_of(task_schedule))
        return
    zone = task_schedule.time_zone + (" (the account's)" if task_schedule.zone_of_account else "")
    server.out.fields(
        [
            ("schedule", f"{task_schedule.kind}{_off(task_schedule)}"),
            ("when", _when(task_schedule)),
            ("time zone", zone),
            ("overlap", task_schedule.overlap),
            ("next run", formatting.when(task_schedule.next_at) if task_schedule.next_at else "-"),
            ("missed", str(task_schedule.missed)),
            ("last error", task_schedule.last_error or "-"),
        ]
    )


def _off(task_schedule: TaskSchedule) -> str:
    if task_schedule.enabled:
        return ""
    if not task_schedule.paused_at:
        return ", off"
    return f", paused after {task_schedule.failures} failures in a row; --on resumes it"


def _when(task_schedule: TaskSchedule) -> str:
    if task_schedule.kind == "cron":
        return task_schedule.cron
    if task_schedule.kind == "interval":
        return f"every {task_schedule.every} s"
    day = {
        "weekly": DAYS[(task_schedule.weekday or 1) - 1],
        "monthly": f"day {task_schedule.day}",
        "once": task_schedule.date,
    }
    return f"{day.get(task_schedule.kind, '')} {task_schedule.time}".strip()
