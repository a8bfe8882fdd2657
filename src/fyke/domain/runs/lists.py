"""Lists of runs: filtered over the whole history, with pages by cursor or by number."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from fyke.contracts.results import Results
from fyke.contracts.state import Storage, Transaction
from fyke.domain.runs.present import present_figures
from fyke.domain.runs.search_terms import SearchTerms, parse_search
from fyke.domain.runs.summary import summary_of_text
from fyke.domain.runs.transitions import Rules
from fyke.errors import InvalidRequest
from fyke.model.account import Caller
from fyke.model.run import RunState, duration
from fyke.model.run_list import ListCursor, ListWalk, RunLine, RunSearch
from fyke.model.run_list_limits import MAX_LISTED
from fyke.model.worker import Worker

COUNT_LIMIT = 1000  # matches that are counted without a stored counter
MAX_OFFSET = 10_000  # of a page by number
BATCH_SIZE = 500  # of an export
FEW_SUBTASKS = 10  # the attempts of a failed run with more are not read for a list


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in a list, with its current figures. ``worker`` is None when it no longer exists;
    ``task_title`` is empty when the task was deleted. ``hidden``: of a failed run without rows,
    how many are stored; 0 when it has more than ``FEW_SUBTASKS``, of which it is not read.
    """

    line: RunLine
    worker: Worker | None
    task_title: str
    summary: str
    results: int
    usage_micros: int
    traffic_bytes: int
    now: int
    hidden: int = 0

    @property
    def shown_state(self) -> RunState:
        """The state for clients: a run that is being stopped at a limit is still running."""
        return RunState.RUNNING if self.line.state is RunState.ENDING else self.line.state

    @property
    def duration_ms(self) -> int:
        """From the start of the first Worker to the end, or until now; 0 before the start."""
        line = self.line
        return duration(line.started_at, line.finished_at or self.now, line.gap_ms)


@dataclass(frozen=True, slots=True)
class RunListPage:
    """One page, newest first. ``total`` is the number of matches, None when not counted, or the
    minimum with ``at_least``. ``next`` and ``previous`` are the cursors of the older and the newer
    page. ``looked_back_to`` (ms) is the time at which the search reached its limit for one request,
    else 0; ``next`` continues from there.
    """

    rows: list[RunRow]
    total: int | None
    at_least: bool
    next: ListCursor | None
    previous: ListCursor | None
    looked_back_to: int = 0


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """The options of a filter."""

    workers: list[Worker]


@dataclass(frozen=True, slots=True)
class _PageCursors:
    """The cursors of the runs of one page, newest first; the rest as in ``RunListPage``."""

    cursors: list[ListCursor]
    total: int | None = None
    at_least: bool = False
    next: ListCursor | None = None
    previous: ListCursor | None = None
    looked_back_to: int = 0


class RunLists:
    """Lists of runs; each account can read only its own."""

    def __init__(self, storage: Storage, results: Results, rules: Rules) -> None:
        self._storage = storage
        self._results = results
        self._rules = rules

    async def search(self, caller: Caller, words: SearchTerms, zone: str = "") -> RunSearch:
        """Parse ``words``; times are in ``zone``, by default the account's. Raises
        ``InvalidFields``.
        """
        return await self._storage.read(
            lambda tx: parse_search(tx, caller, words, zone or account_zone(tx, caller))
        )

    async def choices(self, caller: Caller) -> FilterChoices:
        """The workers of the account's runs, by path."""

        def work(tx: Transaction) -> list[Worker]:
            return list(tx.workers.get_all(tx.run_lists.workers(caller.account_id)).values())

        workers = await self._storage.read(work)
        return FilterChoices(sorted(workers, key=lambda worker: worker.path))

    async def page(
        self, caller: Caller, search: RunSearch, *, number: int = 1, size: int = 50
    ) -> RunListPage:
        """The page of this number. Raises ``InvalidRequest`` for a number that is too high."""
        size = _page_size(size)
        offset = (max(1, number) - 1) * size
        if offset > MAX_OFFSET:
            raise InvalidRequest(
                f"pages by number reach {MAX_OFFSET:,} runs back; continue with next_cursor, "
                "or narrow the search by time",
                field="page_index",
            )
        return await self._page(
            caller, lambda tx: _page_by_number(tx, caller.account_id, search, offset, size)
        )

    async def page_from(
        self,
        caller: Caller,
        search: RunSearch,
        cursor: ListCursor,
        *,
        size: int = 50,
        newer: bool = False,
    ) -> RunListPage:
        """The page of runs that are older than ``cursor``, or with ``newer`` that of newer ones. If
        less than a full page is newer, returns the first page.
        """
        size = _page_size(size)
        page = await self._page(
            caller, lambda tx: _page_from(tx, caller.account_id, search, cursor, size, newer=newer)
        )
        if newer and page.previous is None:
            return await self.page(caller, search, size=size)
        return page

    async def rows(self, caller: Caller, run_ids: Sequence[str]) -> list[RunRow]:
        """The present rows of these runs, in this order, without deleted ones."""
        return await self._rows(caller, list(dict.fromkeys(run_ids))[:MAX_LISTED])

    async def ids(self, caller: Caller, search: RunSearch, limit: int) -> tuple[list[str], bool]:
        """The ids of up to ``limit`` matching runs, newest first, and whether there may be more."""

        def work(tx: Transaction) -> ListWalk:
            return tx.run_lists.walk(caller.account_id, search, None, limit=limit + 1)

        walked = await self._storage.read(work)
        has_more = len(walked.cursors) > limit or walked.stopped is not None
        return [place.run_id for place in walked.cursors[:limit]], has_more

    async def newer(self, caller: Caller, search: RunSearch, top: ListCursor, limit: int) -> int:
        """The number of matching runs that are newer than ``top``, counted up to ``limit``."""

        def work(tx: Transaction) -> int:
            walked = tx.run_lists.walk(caller.account_id, search, top, limit=limit, newer=True)
            return len(walked.cursors)

        return await self._storage.read(work)

    async def all_rows(self, caller: Caller, search: RunSearch) -> AsyncIterator[list[RunRow]]:
        """All matching runs, newest first, in batches, without a limit."""
        after: ListCursor | None = None
        while True:

            def work(tx: Transaction, start: ListCursor | None = after) -> ListWalk:
                return tx.run_lists.walk(caller.account_id, search, start, limit=BATCH_SIZE)

            walked = await self._storage.read(work)
            if walked.cursors:
                yield await self._rows(caller, [cursor.run_id for cursor in walked.cursors])
            after = walked.stopped
            if after is None and len(walked.cursors) == BATCH_SIZE:
                after = walked.cursors[-1]
            if after is None:
                return

    async def _page(
        self, caller: Caller, find: Callable[[Transaction], _PageCursors]
    ) -> RunListPage:
        page = await self._storage.read(find)
        return RunListPage(
            rows=await self._rows(caller, [cursor.run_id for cursor in page.cursors]),
            total=page.total,
            at_least=page.at_least,
            next=page.next,
            previous=page.previous,
            looked_back_to=page.looked_back_to,
        )

    async def _rows(self, caller: Caller, run_ids: list[str]) -> list[RunRow]:
        rows, active = await self._storage.read(
            lambda tx: _rows(tx, self._rules, caller.account_id, run_ids)
        )
        for index, hidden in active.items():
            totals = await self._results.totals(rows[index].line.id, hidden)
            rows[index] = replace(rows[index], results=totals.rows)
        return rows


def account_zone(tx: Transaction, caller: Caller) -> str:
    account = tx.accounts.get(caller.account_id)
    return account.time_zone if account else "UTC"


def _page_size(size: int) -> int:
    return max(1, min(size, MAX_LISTED))


def _page_by_number(
    tx: Transaction, account_id: str, search: RunSearch, offset: int, size: int
) -> _PageCursors:
    """Read the page and count the matches in one walk, unless there is a stored counter."""
    total = tx.run_lists.total(account_id, search)
    limit = enough = offset + size + 1
    counting = total is None
    if counting:
        limit = max(limit, COUNT_LIMIT + 1)
    walked = tx.run_lists.walk(account_id, search, None, limit=limit, enough=enough)
    cursors = walked.cursors[offset : offset + size]
    has_more = len(walked.cursors) > offset + size
    stopped = None if has_more else walked.stopped
    if counting:
        total = len(walked.cursors) - (len(walked.cursors) == limit)
    return _PageCursors(
        cursors=cursors,
        total=total,
        at_least=counting and (len(walked.cursors) == limit or walked.stopped is not None),
        next=cursors[-1] if has_more and cursors else stopped,
        previous=cursors[0] if offset and cursors else None,
        looked_back_to=stopped.created_at if stopped else 0,
    )


def _page_from(
    tx: Transaction,
    account_id: str,
    search: RunSearch,
    cursor: ListCursor,
    size: int,
    *,
    newer: bool,
) -> _PageCursors:
    total = tx.run_lists.total(account_id, search)
    walked = tx.run_lists.walk(account_id, search, cursor, limit=size + 1, newer=newer)
    cursors, has_more = walked.cursors[:size], len(walked.cursors) > size
    following = cursors[-1] if has_more else walked.stopped
    if newer:
        cursors.reverse()
        return _PageCursors(
            cursors, total, next=cursors[-1] if cursors else cursor, previous=following
        )
    return _PageCursors(
        cursors,
        total,
        next=following,
        previous=cursors[0] if cursors else cursor,
        looked_back_to=walked.stopped.created_at if walked.stopped and not has_more else 0,
    )


def _rows(
    tx: Transaction, rules: Rules, account_id: str, run_ids: list[str]
) -> tuple[list[RunRow], dict[int, frozenset[str]]]:
    """The rows in order; and for each active run, by its index, the attempts with hidden rows."""
    lines = tx.run_lists.lines(account_id, run_ids)
    workers = tx.workers.get_all({line.worker_id for line in lines.values()})
    tasks = tx.tasks.get_all({line.task_id for line in lines.values() if line.task_id})
    open_runs = tx.runs.get_all([line.id for line in lines.values() if not line.state.terminal])
    present = present_figures(tx, rules, open_runs.values())
    hidden = _hidden_rows(tx, rules, lines.values())
    rows: list[RunRow] = []
    active: dict[int, frozenset[str]] = {}
    for line in (lines[run_id] for run_id in run_ids if run_id in lines):
        usage, traffic = line.usage_micros, line.traffic_bytes
        if line.id in present:
            now = present[line.id]
            usage, traffic = now.usage_micros, now.traffic_bytes
            if now.has_attempts:
                active[len(rows)] = now.hidden
        task = tasks.get(line.task_id)
        rows.append(
            RunRow(
                line=line,
                worker=workers.get(line.worker_id),
                task_title=task.title if task else "",
                summary=line.summary or summary_of_text(line.input_json),
                results=line.results,
                usage_micros=usage,
                traffic_bytes=traffic,
                now=tx.now,
                hidden=hidden.get(line.id, 0),
            )
        )
    return rows, active


def _hidden_rows(tx: Transaction, rules: Rules, lines: Iterable[RunLine]) -> dict[str, int]:
    """How many rows of each failed run without rows are stored, by run."""
    run_ids = [
        line.id
        for line in lines
        if line.state is RunState.FAILED and not line.results and line.subtasks <= FEW_SUBTASKS
    ]
    if not run_ids:
        return {}
    found = tx.runs.attempts_of(run_ids)
    return {
        run_id: sum(one.rows for one in attempts if not one.replaced)
        for run_id, attempts in found.items()
    }
