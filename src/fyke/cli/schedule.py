"""``fyke task schedule`` and ``fyke task next``: when a task runs by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, server_command
from fyke.cli.output import data_of
from fyke.cli.task import Slug, tasks

if TYPE_CHECKING:
    from fyke.wire.fyke.schedules import TaskSchedule, Timing

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
    str, typer.Option("--cron", help="Five fields, such as '0 9 * * 1-5'.", metavar="RULE")
]
EveryOption = Annotated[
    str, typer.Option("--every", help="At an interval, such as 15m, 6h, 1d.", metavar="TIME")
]
ZoneOption = Annotated[
    str,
    typer.Option("--zone", help="Time zone, such as Europe/Berlin; else the account's."),
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
            "--overlap", help="While a run of the task is not over: skip, queue or allow."
        ),
    ] = "allow",
    off: Annotated[bool, typer.Option("--off", help="Keep the schedule, switched off.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the schedule.")] = False,
) -> None:
    """Show, set or remove the schedule of a task.

    \b
    Examples:
      fyke task schedule 01JG... --daily 09:30 --zone Europe/Berlin
      fyke task schedule 01JG... --weekly monday --at 07:00 --overlap skip
      fyke task schedule 01JG... --cron '*/15 8-18 * * 1-5'
      fyke task schedule 01JG... --off
      fyke task schedule 01JG... --remove
    """
    plan = _plan(daily, weekly, monthly, once, at, cron, every, zone)
    if remove:
        server.client.delete_schedule(task)
        if server.out.as_json:
            server.out.json({"deleted": task})
        else:
            server.out.say(f"The task {task} has no schedule any more.")
        return
    if plan is not None:
        found = server.client.set_schedule(task, plan, overlap=overlap, enabled=not off)
    else:
        found = server.client.schedule(task)
        if off:
            from fyke.wire.fyke.schedules import Timing

            kept = Timing(**{name: getattr(found, name) for name in Timing.__struct_fields__})
            if found.zone_of_account:
                kept.time_zone = ""
            found = server.client.set_schedule(task, kept, overlap=found.overlap, enabled=False)
    _report(server, found)


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
    """The next times at which a task runs, or would run with another schedule.

    \b
    Examples:
      fyke task next 01JG...
      fyke task next 01JG... --cron '0 9 * * 1-5' --zone Europe/Berlin --count 5
    """
    plan = _plan(daily, weekly, monthly, once, at, cron, every, zone)
    found = server.client.next_times(task, count, plan)
    if server.out.as_json:
        server.out.json(data_of(found))
        return
    server.out.table(("time", "zone"), [(time.local, found.time_zone) for time in found.items])


def _plan(
    daily: str, weekly: str, monthly: int, once: str, at: str, cron: str, every: str, zone: str
) -> Timing | None:
    """What the options say, None when they say nothing."""
    from fyke.model.schedule import ScheduleKind as Kind
    from fyke.wire.fyke.schedules import Timing

    given = [
        Timing(kind=Kind.DAILY, time=daily) if daily else None,
        Timing(kind=Kind.WEEKLY, time=at, weekday=_weekday(weekly)) if weekly else None,
        Timing(kind=Kind.MONTHLY, time=at, day=monthly) if monthly else None,
        Timing(kind=Kind.ONCE, time=at, date=once) if once else None,
        Timing(kind=Kind.CRON, cron=cron) if cron else None,
        Timing(kind=Kind.INTERVAL, every=_seconds(every)) if every else None,
    ]
    chosen = [plan for plan in given if plan is not None]
    if len(chosen) > 1:
        raise typer.BadParameter(
            "give one of --daily, --weekly, --monthly, --once, --cron and --every"
        )
    if not chosen:
        if at or zone:
            raise typer.BadParameter(
                "--at and --zone go with a kind: "
                "--daily, --weekly, --monthly, --once, --cron or --every"
            )
        return None
    chosen[0].time_zone = zone
    return chosen[0]


def _weekday(text: str) -> int:
    word = text.strip().lower()
    for number, name in enumerate(DAYS, 1):
        if word == str(number) or (len(word) >= 2 and name.startswith(word)):
            return number
    raise typer.BadParameter(f'--weekly: "{text}" is not a day; use monday to sunday, or 1 to 7')


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text.strip().lower())
    if not match:
        raise typer.BadParameter(f'--every: "{text}" is not a time; write 90s, 15m, 6h or 1d')
    return int(match[1]) * _UNITS[match[2] or "s"]


def _report(server: ServerContext, found: TaskSchedule) -> None:
    if server.out.as_json:
        server.out.json(data_of(found))
        return
    server.out.fields(
        [
            ("schedule", found.kind if found.enabled else f"{found.kind}, off"),
            ("when", _when(found)),
            ("time zone", found.time_zone + (" (the account's)" if found.zone_of_account else "")),
            ("overlap", found.overlap),
            ("next run", formatting.when(found.next_at) if found.next_at else "-"),
            ("missed", str(found.missed)),
            ("last error", found.last_error or "-"),
        ]
    )


def _when(found: TaskSchedule) -> str:
    if found.kind == "cron":
        return found.cron
    if found.kind == "interval":
        return f"every {found.every} s"
    day = {
        "weekly": DAYS[(found.weekday or 1) - 1],
        "monthly": f"day {found.day}",
        "once": found.date,
    }
    return f"{day.get(found.kind, '')} {found.time}".strip()
