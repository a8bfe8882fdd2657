"""Reads the facts that hints about the end of a run need."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.domain.logs.reading import LogPosition, LogReader
from fyke.domain.runs.hints import MAX_LINES, hint
from fyke.domain.runs.service import RunView
from fyke.domain.runs.sites import RunSites
from fyke.model.log import LogExcerpt, LogFilter, LogType
from fyke.model.run import RunState
from fyke.reasons import Hint


@dataclass(frozen=True, slots=True)
class RunEnding:
    """``hint`` is None if there is none. ``errors``: the last error lines of the log."""

    hint: Hint | None
    errors: list[LogExcerpt]


class RunEndings:
    """Explains the ends of runs. The caller has checked the access to them."""

    def __init__(self, logs: LogReader, sites: RunSites) -> None:
        self._logs = logs
        self._sites = sites

    async def of(self, view: RunView) -> RunEnding:
        """The ending of a run. Log and sites are read only when it has failed or has no rows."""
        run = view.run
        if not run.state.terminal:
            return RunEnding(None, [])
        if run.state is RunState.SUCCEEDED and view.results:
            return RunEnding(hint(run, view.results, []), [])
        page = await self._logs.page_of(
            run.id, LogPosition(), LogFilter(level=LogType.ERROR), limit=MAX_LINES
        )
        lines = [line.content for line in page.lines]
        sites = await self._sites.contacted(run)
        return RunEnding(hint(run, view.results, lines, sites), page.lines)
