"""Reads the facts that hints about the end of a run need."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fyke.contracts.state import Storage, Transaction
from fyke.domain.logs.reading import LogPosition, LogReader
from fyke.domain.logs.repeats import ShownLines
from fyke.domain.runs.hints import MAX_LINES, hint
from fyke.domain.runs.service import RunView
from fyke.domain.runs.sites import RunSites
from fyke.model.log import LogExcerpt, LogFilter, LogType
from fyke.model.run import Run, RunState
from fyke.reasons import Hint, ReasonCode


@dataclass(frozen=True, slots=True)
class RunEnding:
    """``hint`` is None if there is none. ``errors``: the last error lines of the log.
    ``has_last_page``: whether the last page of a browser is kept.
    """

    hint: Hint | None
    errors: list[LogExcerpt]
    has_last_page: bool = False


class RunEndings:
    """Explains the ends of runs. The caller has checked the access to them."""

    def __init__(self, storage: Storage, logs: LogReader, sites: RunSites) -> None:
        self._storage = storage
        self._logs = logs
        self._sites = sites

    async def of(self, view: RunView) -> RunEnding:
        """The ending of a run. Log and sites are read only when it has failed or has no rows, the
        subtasks only when some of them failed.
        """
        run = view.run
        if not run.state.terminal:
            return RunEnding(None, [])
        pages = 0
        if run.limits.browser_memory_mb:
            pages = await self._storage.read(lambda tx: tx.last_pages.count(run.id))
        ending = await self._explained(view, has_last_page=pages > 0)
        return replace(ending, has_last_page=pages > 0)

    async def _explained(self, view: RunView, *, has_last_page: bool) -> RunEnding:
        run = view.run
        if run.state is RunState.SUCCEEDED and view.results:
            busy, short = await self._without_browser(run) if run.subtasks_failed else (0, 0)
            found = hint(run, view.results, [], browser_busy=busy, short_of_memory=short)
            return RunEnding(found, [])
        page = await self._logs.page_of(
            run.id, LogPosition(), LogFilter(level=LogType.ERROR), limit=MAX_LINES
        )
        lines = [line.content for line in page.lines]
        sites = await self._sites.contacted(run)
        found = hint(run, view.results, lines, sites, has_last_page=has_last_page)
        return RunEnding(found, ShownLines().excerpts(page.lines))

    async def _without_browser(self, run: Run) -> tuple[int, int]:
        """How many subtasks failed because no browser was free, and how many of these because the
        machine had too little memory.
        """

        def work(tx: Transaction) -> tuple[int, int]:
            busy = tx.runs.count_subtasks(run.id, ReasonCode.BROWSER_BUSY)
            if not busy:
                return 0, 0
            return busy, tx.runs.count_subtasks(run.id, ReasonCode.BROWSER_BUSY, "needed_mb")

        return await self._storage.read(work)
