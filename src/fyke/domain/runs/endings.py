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
    """``hint`` is None when there is nothing to say. ``errors``: the last error lines."""

    hint: Hint | None
    errors: list[LogExcerpt]


class RunEndings:
    """Explains the ends of runs. The caller has already checked access to them."""

    def __init__(self, logs: LogReader, sites: RunSites) -> None:
        self._logs = logs
        self._sites = sites

    async def of(self, view: RunView) -> RunEnding:
        """Log and sites are only read of a run that has ended badly or with nothing."""
        run = view.run
        if not run.state.terminal:
            return RunEnding(None, [])
        if run.state is RunState.SUCCEEDED and view.results:
            return RunEnding(hint(run, view.results, []), [])
        page = await self._logs.page_of(
            run.id, LogPosition(), LogFilter(level=LogType.ERROR), limit=MAX_LINES
        )
        said = [line.content for line in page.lines]
        return RunEnding(hint(run, view.results, said, await self._sites.seen(run)), page.lines)
