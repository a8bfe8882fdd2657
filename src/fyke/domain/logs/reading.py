"""Reads the log of a run in pages before or after any position, filtered by severity and text.

A page is bounded in lines, in characters of each line, and in time: a search stops after
``SECONDS``, and the next one continues from ``LogPage.reached``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from fyke.contracts.results import Results
from fyke.contracts.state import Storage
from fyke.domain.access import existing_run, own_run
from fyke.errors import InvalidFields, NotFound
from fyke.model.account import Caller
from fyke.model.log import MAX_LISTED_LINES, MAX_SEARCHED_TEXT, LogEntry, LogExcerpt, LogFilter

CUT = 2_000  # characters of a line that a page shows
SECONDS = 0.25
_STEP = 20_000  # entries that one statement scans when a filter is set


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines in order of position.

    ``count``: entries of the whole log at that time. ``reached``: the position to continue from in
    the direction of the scan. ``complete``: there is nothing more in that direction, for now.
    """

    lines: list[LogExcerpt]
    count: int
    reached: int
    complete: bool


@dataclass(frozen=True, slots=True)
class LogPosition:
    """The position of a page: after ``after``, or before ``before``; with neither, at the end."""

    after: int | None = None
    before: int | None = None


class LogReader:
    """The logs of all runs in pages; an account reads only its own."""

    def __init__(self, storage: Storage, results: Results) -> None:
        self._storage = storage
        self._results = results

    async def page(
        self,
        caller: Caller,
        run_id: str,
        position: LogPosition = LogPosition(),
        log_filter: LogFilter = LogFilter(),  # noqa: B008 - frozen
        *,
        limit: int = MAX_LISTED_LINES,
        cut: int = CUT,
    ) -> LogPage:
        """A page of the log. Raises ``RunNotFound``, also for another account's run, and
        ``InvalidFields``.
        """
        await self._storage.read(lambda tx: own_run(tx, caller, run_id))
        return await self.page_of(run_id, position, log_filter, limit=limit, cut=cut)

    async def page_of(
        self,
        run_id: str,
        position: LogPosition,
        log_filter: LogFilter,
        *,
        limit: int = MAX_LISTED_LINES,
        cut: int = CUT,
    ) -> LogPage:
        """Like ``page``, for requests that are already authorised."""
        if len(log_filter.text) > MAX_SEARCHED_TEXT:
            raise InvalidFields(f"must have at most {MAX_SEARCHED_TEXT} characters", field="search")
        limit = min(max(limit, 1), MAX_LISTED_LINES)
        count = await self._results.log_count(run_id)
        scan = _LogScan(self._results, run_id, log_filter, limit, cut)
        if position.after is not None:
            return await scan.forward(min(max(position.after, 0), count), count)
        before = count + 1 if position.before is None else min(max(position.before, 1), count + 1)
        return await scan.backward(before, count)

    async def count_of(self, run_id: str) -> int:
        """The number of entries, which is also the position of the last one."""
        return await self._results.log_count(run_id)

    async def line(self, caller: Caller, run_id: str, position: int) -> LogEntry:
        """One whole line. Raises ``RunNotFound`` and ``NotFound``."""
        await self._storage.read(lambda tx: own_run(tx, caller, run_id))
        return await self.line_of(run_id, position)

    async def line_of(self, run_id: str, position: int) -> LogEntry:
        """Like ``line``, for requests that are already authorised. Raises ``NotFound``."""
        await self._storage.read(lambda tx: existing_run(tx, run_id))
        if position >= 1:
            entries = await self._results.log_after(run_id, position - 1, 1)
            if entries and entries[0].position == position:
                return entries[0]
        raise NotFound(f"The log of this run has no line {position}")


class _LogScan:
    """One scan, in steps of one statement each."""

    def __init__(
        self, results: Results, run_id: str, log_filter: LogFilter, limit: int, cut: int
    ) -> None:
        self._results = results
        self._run_id = run_id
        self._filter = log_filter
        self._limit = limit
        self._cut = cut
        self._until = time.monotonic() + SECONDS

    @property
    def _step(self) -> int:
        """The entries that a step scans: without a filter no more than the page shows."""
        return self._limit if self._filter.matches_all else _STEP

    async def forward(self, low: int, count: int) -> LogPage:
        lines: list[LogExcerpt] = []
        reached = low
        while reached < count:
            high = min(reached + self._step, count)
            lines += await self._scan(reached, high, len(lines), newest=False)
            reached = high
            if len(lines) >= self._limit:
                reached = lines[-1].position
                break
            if time.monotonic() > self._until:
                break
        return LogPage(lines, count, reached, reached >= count)

    async def backward(self, before: int, count: int) -> LogPage:
        lines: list[LogExcerpt] = []
        reached = before
        while reached > 1:
            low = max(reached - 1 - self._step, 0)
            lines = await self._scan(low, reached - 1, len(lines), newest=True) + lines
            reached = low + 1
            if len(lines) >= self._limit:
                reached = lines[0].position
                break
            if time.monotonic() > self._until:
                break
        return LogPage(lines, count, reached, reached <= 1)

    async def _scan(self, low: int, high: int, count: int, *, newest: bool) -> list[LogExcerpt]:
        return await self._results.log_scan(
            self._run_id,
            self._filter,
            low=low,
            high=high,
            limit=self._limit - count,
            cut=self._cut,
            newest=newest,
        )
