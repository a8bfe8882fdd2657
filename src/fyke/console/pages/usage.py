"""Usage: totals as chart and table, breakdowns, and the ledger."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import urlencode

from starlette.responses import Response

from fyke.api.csv_files import csv_file
from fyke.console import formats
from fyke.console.charts import Chart, chart_of
from fyke.console.page import ConsolePage
from fyke.console.texts import gettext as _
from fyke.console.usage_cells import cells_of
from fyke.console.view import View
from fyke.domain.billing.days import MAX_DAYS, longest_range_end, parse_day
from fyke.domain.billing.usage import Period, UsageReports, UsageStep, UsageView
from fyke.errors import InvalidRequest
from fyke.model.billing import UsageDimension, UsageOrder, UsageSums

AREA = "/usage"
LEDGER_ROWS = 25
MANY_DAYS = 92  # a longer period has one bar per month by default
_SHOWN = ("spent", "runs", "results", "traffic")


@dataclass(frozen=True, slots=True)
class UsageAddress:
    """The query of the address; empty members mean the default."""

    since: str = ""
    until: str = ""
    by: str = ""  # day, month
    show: str = ""  # spent, runs, results, traffic
    part: str = ""  # worker, task, key
    order: str = ""  # slowest
    holds: str = ""

    def path(self, **changes: str) -> str:
        """The address with changes."""
        return _path("/usage", replace(self, **changes))

    def with_holds(self, shown: bool) -> UsageAddress:
        return replace(self, holds="1" if shown else "")

    def ledger(self, path: str, cursor: str = "") -> str:
        """An address of the ledger of the same days."""
        same_days = UsageAddress(since=self.since, until=self.until, holds=self.holds)
        address = _path(path, same_days)
        separator = "&" if "?" in address else "?"
        return f"{address}{separator}{urlencode({'cursor': cursor})}" if cursor else address


@dataclass(frozen=True, slots=True)
class UsagePages:
    usage: UsageReports

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", "/usage", self.show, area=AREA),
            ConsolePage("GET", "/usage/ledger", self.ledger, area=AREA),
            ConsolePage("GET", "/usage/ledger.csv", self.export, area=AREA, part=True),
        ]

    async def show(self, view: View) -> Response:
        address = _read(view)
        try:
            period = await self.usage.period(view.caller, address.since, address.until)
        except InvalidRequest as error:
            return await self._refused(view, address, error)
        step = _step(address, period)
        part = (
            UsageDimension(address.part)
            if address.part in set(UsageDimension)
            else UsageDimension.WORKER
        )
        slowest = address.order == UsageOrder.SLOWEST.value
        order = UsageOrder.SLOWEST if slowest else UsageOrder.SPENT
        report = await self.usage.view(view.caller, period, step)
        show = address.show if address.show in _SHOWN else _default_measure(report)
        return view.page(
            "usage/page.html",
            area=AREA,
            cells_of=cells_of,
            address=address,
            report=report,
            step=step.value,
            show=show,
            chart=_chart(report, show),
            rows=[(day, sums) for day, sums in reversed(report.bars) if sums != UsageSums()],
            part=part.value,
            slowest=slowest,
            split=await self.usage.split(view.caller, period, part, order=order),
            presets=_presets(report.period, await self._today(view)),
            faults={},
            longest="",
        )

    async def _refused(self, view: View, address: UsageAddress, error: InvalidRequest) -> Response:
        """The form with its errors, and the longest period that can be shown instead."""
        [problem] = error.problems
        longest = ""
        try:
            first, last = parse_day(address.since, "from"), parse_day(address.until, "until")
        except InvalidRequest:
            first = last = date.min
        if (last - first).days >= MAX_DAYS:
            longest = address.path(until=longest_range_end(first).isoformat())
        return view.page(
            "usage/page.html",
            area=AREA,
            status=422,
            cells_of=cells_of,
            address=address,
            report=None,
            presets=_presets(None, await self._today(view)),
            faults={problem.field: problem.text},
            longest=longest,
        )

    async def ledger(self, view: View) -> Response:
        address = _read(view)
        ledger_filter = self.usage.ledger_filter(
            await self._period(view, address), holds=bool(address.holds)
        )
        page = await self.usage.ledger(
            view.caller, ledger_filter, cursor=view.query.get("cursor", ""), size=LEDGER_ROWS
        )
        return view.page_or_part(
            "usage/ledger.html", "ledger", area=AREA, address=address, ledger=page
        )

    async def export(self, view: View) -> Response:
        address = _read(view)
        ledger_filter = self.usage.ledger_filter(
            await self._period(view, address), holds=bool(address.holds)
        )
        return await csv_file(self.usage.ledger_csv(view.caller, ledger_filter), "ledger.csv")

    async def _period(self, view: View, address: UsageAddress) -> Period | None:
        if not (address.since or address.until):
            return None
        return await self.usage.period(view.caller, address.since, address.until)

    async def _today(self, view: View) -> date:
        return (await self.usage.period(view.caller)).last


def _read(view: View) -> UsageAddress:
    query = view.query
    return UsageAddress(
        since=query.get("from", "").strip()[:40],
        until=query.get("until", "").strip()[:40],
        by=query.get("by", ""),
        show=query.get("show", ""),
        part=query.get("part", ""),
        order=query.get("order", ""),
        holds="1" if query.get("holds") else "",
    )


def _path(path: str, address: UsageAddress) -> str:
    values = {
        "from": address.since, "until": address.until, "by": address.by,
        "show": address.show, "part": address.part, "order": address.order, "holds": address.holds,
    }  # fmt: skip
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{path}?{query}" if query else path


def _step(address: UsageAddress, period: Period) -> UsageStep:
    if address.by in set(UsageStep):
        return UsageStep(address.by)
    return UsageStep.MONTH if (period.last - period.first).days > MANY_DAYS else UsageStep.DAY


def _default_measure(report: UsageView) -> str:
    return "spent" if report.total.usage_micros else "runs"


def _chart(report: UsageView, show: str) -> Chart:
    points = []
    for day, sums in report.bars:
        label = formats.date_of(day) if report.step is UsageStep.DAY else formats.month_of(day)
        points.append((label, _value(sums, show), _formatted(sums, show)))
    return chart_of(points)


def _value(sums: UsageSums, show: str) -> int:
    return {
        "spent": sums.usage_micros,
        "runs": sums.runs,
        "results": sums.results,
        "traffic": sums.traffic_bytes,
    }[show]


def _formatted(sums: UsageSums, show: str) -> str:
    value = _value(sums, show)
    match show:
        case "spent":
            return formats.money(value)
        case "traffic":
            return formats.size(value)
        case _:
            return formats.count(value)


def _presets(period: Period | None, today: date) -> list[tuple[str, str, str, bool]]:
    """Periods to choose from: first and last day, label, whether it is the current one."""
    month = today.replace(day=1)
    before = (month.replace(month=month.month - 1) if month.month > 1
              else month.replace(year=month.year - 1, month=12))  # fmt: skip
    ranges = [
        (month, today, _("This month")),
        (before, date.fromordinal(month.toordinal() - 1), _("Last month")),
        (date.fromordinal(today.toordinal() - 6), today, _("Last 7 days")),
        (date.fromordinal(today.toordinal() - 29), today, _("Last 30 days")),
        (today.replace(month=1, day=1), today, _("This year")),
    ]
    shown = (period.first, period.last) if period is not None else None
    chosen = next((words for *days, words in ranges if tuple(days) == shown), "")  # one of equals
    return [
        (first.isoformat(), last.isoformat(), words, words == chosen)
        for first, last, words in ranges
    ]
