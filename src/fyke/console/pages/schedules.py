"""All schedules of an account: as a list, and as a month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import partial

from starlette.responses import Response

from fyke.console import formats
from fyke.console.formats import zone_named
from fyke.console.page import ConsolePage
from fyke.console.pages.run_pictures import RunPictures
from fyke.console.pages.task_schedule import schedule_label, weekdays
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.schedules.calendar import PlannedRun, ScheduleCalendar
from fyke.domain.tasks.board import TaskBoard
from fyke.errors import InvalidRequest

AREA = "/schedules"
SIZE = 50


@dataclass(frozen=True, slots=True)
class SchedulePages:
    calendar: ScheduleCalendar
    board: TaskBoard
    pictures: RunPictures

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", AREA, self.list, area=AREA),
            ConsolePage("GET", f"{AREA}/month", self.month, area=AREA),
        ]

    async def list(self, view: View) -> Response:
        text = view.query.get("page", "1")
        number = int(text) if text.isdecimal() and 0 < int(text[:6]) < 100_000 else 1
        offset = (number - 1) * SIZE
        count, lines = await self.calendar.page(view.caller, offset=offset, limit=SIZE)
        tasks = 1 if lines else (await self.board.page(view.caller, offset=0, limit=1))[0]
        return view.page(
            "schedules/list.html",
            area=AREA,
            lines=lines,
            has_tasks=tasks > 0,
            pictures=await self.pictures.of_tasks(view, [line.task.id for line in lines]),
            paused=[line for line in lines if line.schedule.paused_at],
            count=count,
            first=offset + 1,
            last=offset + len(lines),
            number=number,
            more=offset + len(lines) < count,
            schedule_label=schedule_label,
        )

    async def month(self, view: View) -> Response:
        today = datetime.fromtimestamp(view.context.clock.now_ms() / 1000, view.zone).date()
        year, number = _read(view.query.get("month", ""), today)
        month = await self.calendar.month(view.caller, year, number, view.zone_name)
        first = date(year, number, 1)
        return view.page(
            "schedules/month.html",
            area=AREA,
            month=month,
            title=formats.month_of(first),
            weeks=_weeks(month.days, first.weekday()),
            before=_neighbour(first, -1) if (year, number) > (today.year, today.month) else "",
            after=_neighbour(first, 1),
            today=today,
            day_name=_day_name,
            times_text=partial(_times_text, zone_named(month.time_zone)),
            schedule_label=schedule_label,
        )


def _day_name(day: date) -> str:
    names = {"weekday": weekdays()[day.weekday()], "date": formats.date_of(day)}
    return _("%(weekday)s, %(date)s") % names


def _times_text(zone: tzinfo, planned: PlannedRun, brief: bool = False) -> str:
    """The times of a day; only the first when ``brief``."""
    shown = planned.times[:1] if brief else planned.times
    text = ", ".join(datetime.fromtimestamp(at / 1000, zone).strftime("%H:%M") for at in shown)
    return f"{text} …" if planned.more or len(shown) < len(planned.times) else text


def _read(text: str, today: date) -> tuple[int, int]:
    if not text:
        return today.year, today.month
    year, _, month = text.partition("-")
    if not (year.isdecimal() and month.isdecimal() and len(year) == 4 and len(month) == 2):
        raise InvalidRequest("must be written as YYYY-MM, such as 2030-01", field="month")
    return int(year), int(month)


def _neighbour(first: date, step: int) -> str:
    months = first.year * 12 + first.month - 1 + step
    return f"{months // 12:04}-{months % 12 + 1:02}"


def _weeks(days: tuple[object, ...], skipped: int) -> list[list[object | None]]:
    """The days in rows of seven, Monday first; None for days of other months."""
    cells: list[object | None] = [*([None] * skipped), *days]
    cells += [None] * (-len(cells) % 7)
    return [cells[at : at + 7] for at in range(0, len(cells), 7)]
