"""The pictures of last runs that cards, rows and heads of pages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fyke.console.run_bars import DrawnRuns, drawn
from fyke.console.view import View
from fyke.domain.runs.recent import RecentRuns
from fyke.model.run_list import RunPoint


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


def _drawn(view: View, last: Mapping[str, Sequence[RunPoint]]) -> dict[str, DrawnRuns]:
    now = view.context.clock.now_ms()
    pictures = {key: drawn(points, now, view.zone) for key, points in last.items()}
    return {key: picture for key, picture in pictures.items() if picture is not None}
