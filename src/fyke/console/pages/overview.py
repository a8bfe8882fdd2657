"""The overview: active and failed runs, spending, schedules and health, as cards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from markupsafe import Markup
from starlette.responses import Response

from fyke.console import formats
from fyke.console.charts import chart_of
from fyke.console.page import ConsolePage
from fyke.console.pages.run_pictures import RunPictures
from fyke.console.pages.usage import UsageAddress
from fyke.console.reasons import why_shortly
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.console.waits import wait_text
from fyke.domain.billing.usage import UsageReports, UsageStep
from fyke.domain.health import Health
from fyke.domain.overview import Overview, RunsNow
from fyke.domain.queue.board import QueueBoard
from fyke.domain.runs.lists import RunLists, RunRow
from fyke.domain.runs.waiting import WaitReasons
from fyke.errors import FykeError, NotFound
from fyke.model.billing import UsageOrder
from fyke.model.health import Level
from fyke.model.run import RunState
from fyke.model.run_list import RunSearch

AREA = "/"
CARDS = "overview/cards.html"
CARD_WAIT = 0.25  # seconds that the page waits for its cards; later ones load by themselves
FEW = 5
GROUPED = 50  # the newest failures, of which equal ones are shown once
MONTH = 28  # days for which the chart of a month has room at least
RUNNING = (RunState.RUNNING, RunState.ENDING, RunState.ABORTING)

log = structlog.get_logger("fyke.console")


@dataclass(frozen=True, slots=True)
class Failures:
    """Runs of one Worker that failed for the same reason: the last, and how many they are.
    ``more``: older runs were not looked at.
    """

    last: RunRow
    number: int
    more: bool


@dataclass(frozen=True, slots=True)
class OverviewPages:
    overview: Overview
    board: QueueBoard
    waiting: WaitReasons
    lists: RunLists
    usage: UsageReports
    health: Health
    pictures: RunPictures

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", "/", self.show, area=AREA),
            ConsolePage("GET", "/overview/{card}", self.card, area=AREA),
        ]

    async def show(self, view: View) -> Response:
        counts = await self._counts(view)
        has_runs = counts is None or counts.total > 0
        names = self._names(view) if has_runs else await self._first_names(view)
        tasks = {name: asyncio.ensure_future(self._text(view, name, counts)) for name in names}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=CARD_WAIT)
        cards: dict[str, Markup | None] = {}
        for name, task in tasks.items():
            cards[name] = task.result() if task.done() else None
            task.cancel()
        return view.page(
            "overview/page.html",
            area=AREA,
            cards=cards,
            has_runs=has_runs,
            titles=_titles(),
        )

    async def card(self, view: View) -> Response:
        """One card: a part for htmx, a page of its own for other clients."""
        name = view.param("card")
        if name not in self._names(view):
            raise NotFound
        text = await self._text(view, name)
        if view.wants_part:
            return view.part(CARDS, "bare", text=text)
        return view.page("overview/one.html", area=AREA, text=text, title=_titles()[name])

    def _names(self, view: View) -> list[str]:
        names = ["day", "now", "next", "workers", "slow", "usage"]
        return [*names, "health"] if view.caller.runs_installation else names

    async def _first_names(self, view: View) -> list[str]:
        """The cards that have something to show before the first run."""
        try:
            planned = bool(await self.overview.next_runs(view.caller, 1))
        except FykeError:
            planned = True  # the card says why it is not available
        names = ["next"] if planned else []
        return [*names, "health"] if view.caller.runs_installation else names

    async def _text(self, view: View, name: str, counts: RunsNow | None = None) -> Markup:
        """The card as HTML; a card that fails shows its error. ``counts`` saves a second read."""
        cards: dict[str, Callable[[View], Awaitable[dict[str, Any]]]] = {
            "now": partial(self._now, counts=counts),
            "day": self._day,
            "usage": self._usage,
            "next": self._next,
            "workers": self._workers,
            "slow": self._slow,
            "health": self._health,
        }
        try:
            return _rendered(view, name, name, await cards[name](view))
        except FykeError as error:
            return _rendered(view, "failed", name, {"reason": error.message})
        except Exception:
            log.exception("card failed", card=name)
            return _rendered(
                view, "failed", name, {"reason": _("Internal error. See the server log.")}
            )

    async def _counts(self, view: View) -> RunsNow | None:
        """How many runs the account has in which state; None when the state is unavailable."""
        try:
            return await self.overview.now(view.caller)
        except FykeError:
            return None

    async def _now(self, view: View, counts: RunsNow | None) -> dict[str, Any]:
        caller = view.caller
        reasons, _more = await self.waiting.in_order(caller, None, FEW)
        # runs that run come before those that wait, however many these are
        runs = (await self.lists.ids(caller, RunSearch(states=RUNNING), FEW))[0]
        if len(runs) < FEW:
            ready = RunSearch(states=(RunState.READY,))
            runs += (await self.lists.ids(caller, ready, FEW - len(runs)))[0]
        return {
            "counts": counts or await self.overview.now(caller),
            "slots": await self.board.slots(caller),
            "rows": await self.lists.rows(caller, runs),
            "reasons": {reason.run_id: wait_text(reason.reason) for reason in reasons},
        }

    async def _day(self, view: View) -> dict[str, Any]:
        day = await self.overview.last_day(view.caller)
        search = RunSearch(states=(RunState.FAILED,), created_from=day.since)
        failed, _more = await self.lists.ids(view.caller, search, GROUPED)
        failures = await self.lists.rows(view.caller, failed)
        picture = await self.pictures.of_day(view)
        return {"last": day, "failures": _grouped(failures)[:FEW], "picture": picture}

    async def _usage(self, view: View) -> dict[str, Any]:
        period = await self.usage.period(view.caller)
        usage = await self.usage.view(view.caller, period, UsageStep.DAY)
        by_cost = usage.total.usage_micros > 0
        points = [
            (
                formats.date_of(day),
                sums.usage_micros if by_cost else sums.runs,
                formats.money(sums.usage_micros) if by_cost else formats.count(sums.runs),
            )
            for day, sums in usage.bars
        ]
        return {"usage": usage, "chart": chart_of(points, least=MONTH), "by_cost": by_cost}

    async def _next(self, view: View) -> dict[str, Any]:
        return {"coming": await self.overview.next_runs(view.caller, FEW)}

    async def _workers(self, view: View) -> dict[str, Any]:
        workers = await self.overview.recent_workers(view.caller, 6)
        pictures = await self.pictures.of_workers(view, [worker.id for worker in workers])
        return {"workers": workers, "pictures": pictures}

    async def _slow(self, view: View) -> dict[str, Any]:
        week = await self.usage.slowest(view.caller, FEW)
        since, until = week.period.first.isoformat(), week.period.last.isoformat()
        address = UsageAddress(since=since, until=until, order=UsageOrder.SLOWEST.value)
        return {"slowest": week.workers, "address": f"{address.path()}#split"}

    async def _health(self, view: View) -> dict[str, Any]:
        checks = await self.health.all(view.caller)
        order = (Level.BAD, Level.WARNING)
        faults = [check for level in order for check in checks if check.level is level]
        return {"faults": faults, "healthy": [c for c in checks if c.level is Level.GOOD]}


def _grouped(rows: Sequence[RunRow]) -> list[Failures]:
    """Newest first. Those of one Worker for the same reason are one group."""
    groups: dict[tuple[str, str], list[RunRow]] = {}
    for row in rows:
        groups.setdefault((row.line.worker_id, why_shortly(row.line)), []).append(row)
    return [Failures(group[0], len(group), len(rows) == GROUPED) for group in groups.values()]


def _rendered(view: View, block: str, name: str, values: dict[str, Any]) -> Markup:
    html = view.text_of(CARDS, block, card=name, title=_titles()[name], **values)
    return Markup(html)  # noqa: S704 - a template of ours, which escapes its values


def _titles() -> dict[str, str]:
    return {
        "now": _("Now"),
        "day": _("Last 24 hours"),
        "usage": _("This month"),
        "next": _("Next schedules"),
        "workers": _("Recently used Workers"),
        "slow": _("Slowest Workers of the last 7 days"),
        "health": _("Health of the installation"),
    }
