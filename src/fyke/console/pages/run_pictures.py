"""The pictures of last runs that cards, rows and heads of pages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fyke.console import over_time
from fyke.console.over_time import DrawnOverTime
from fyke.console.run_bars import DrawnRuns, drawn
from fyke.console.run_filters import ListAddress
from fyke.console.view import View
from fyke.domain.runs.recent import RecentRuns
from fyke.domain.runs.search_terms import SearchTerms
from fyke.model.run_list import RunPoint, RunSearch

MOST_OF_DAY = 10_000  # runs that the picture of a day counts


@dataclass(frozen=True, slots=True)
class RunPictures:
    """Draws them for ``parts/run_bars.html``."""

    recent: RecentRuns

    async def of_workers(self, view: View, worker_ids: Sequence[str]) -> dict[str, DrawnRuns]:
        """By the id of the Worker, without those that the account never ran."""
        return _drawn(view, await self.recent.of_workers(view.caller, worker_ids))

    async def of_tasks(self, view: View, task_ids: Sequence[str]) -> dict[str, DrawnRuns]:
        """By the id of the task, without those that never ran."""
        return _drawn(view, await self.recent.of_tasks(view.caller, task_ids))

    async def of_machines(self, view: View) -> dict[str, DrawnRuns]:
        """The last attempts by the name of the machine, without machines that have none; for the
        operator. Attempts of other accounts are no links.
        """
        now = view.context.clock.now_ms()
        pictures = {}
        for name, attempts in (await self.recent.of_machines(view.caller)).items():
            own = view.caller.account_id
            foreign = {one.point.id for one in attempts if one.account_id != own}
            picture = drawn([one.point for one in attempts], now, view.zone, foreign)
            if picture is not None:
                pictures[name] = picture
        return pictures

    async def of_day(self, view: View) -> DrawnOverTime | None:
        """The account's runs of the last 24 hours over time, None without runs."""
        now = view.context.clock.now_ms()
        steps = over_time.steps_of(now - over_time.DAY, now, view.zone)
        over = await self.recent.over_time(view.caller, RunSearch(), steps, MOST_OF_DAY)
        if over is None or not any(over.counts):
            return None
        return over_time.drawn(over, view.zone, ListAddress(SearchTerms()).between, until_now=True)


def _drawn(view: View, last: Mapping[str, Sequence[RunPoint]]) -> dict[str, DrawnRuns]:
    now = view.context.clock.now_ms()
    pictures = {key: drawn(points, now, view.zone) for key, points in last.items()}
    return {key: picture for key, picture in pictures.items() if picture is not None}
