"""Lists of runs: filtered over the whole history, with pages by cursor or by number."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from fyke.contracts.results import Results
from fyke.contracts.state import Storage, Transaction
from fyke.domain.runs.search_terms import SearchTerms, search_of
from fyke.domain.runs.summary import summary_of_text
from fyke.domain.runs.transitions import Rules, charged
from fyke.errors import InvalidRequest
from fyke.model.account import Caller
from fyke.model.run import RunState
from fyke.model.run_list import MAX_LISTED, ListCursor, ListWalk, RunLine, RunSearch
from fyke.model.worker import Worker

COUNT_LIMIT = 1000  # of counting where there is no stored counter
MAX_OFFSET = 10_000  # of a page requested by number
BATCH_SIZE = 500  # when reading all runs


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in a list, with its present figures. ``worker`` is None when it no longer exists;
    ``task_title`` is empty when the task was deleted.
    """

    line: RunLine
    worker: Worker | None
    task_title: str
    summary: str
    results: int
    usage_micros: int
    traffic_bytes: int
    now: int

    @property
    def shown_state(self) -> RunState:
        """The state as clients see it: a run that is being stopped at a limit is still running."""
        return RunState.RUNNING if self.line.state is RunState.ENDING else self.line.state

    @property
    def duration_ms(self) -> int:
        """From the start of its first process to its end, or until now; 0 before the start."""
        end = self.line.finished_at or self.now
        return max(0, end - self.line.started_at) if self.line.started_at else 0


@dataclass(frozen=True, slots=True)
class RunListPage:
    """One page, newest first. ``total`` is the number of matches, None when not counted; with
    ``at_least`` counting stopped there. ``next`` and ``previous`` are the cursors of the older and
    newer pages. ``looked_back_to`` (ms) is where the search stopped at its limit for one request;
    ``next`` continues from there.
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
class _Found:
    """The cursors of one page, newest first, and its totals."""

    places: list[ListCursor]
    total: int | None = None
    at_least: bool = False
    next: ListCursor | None = None
    previous: ListCursor | None = None
    looked_back_to: int = 0


class RunLists:
    """Lists of runs; each account sees only its own."""

    def __init__(self, storage: Storage, results: Results, rules: Rules) -> None:
        self._storage = storage
        self._results = results
        self._rules = rules

    async def search(self, caller: Caller, words: SearchTerms, zone: str = "") -> RunSearch:
        """Parse ``words``; times in ``zone``, or the account's. Raises ``InvalidFields``."""
        return await self._storage.read(
            lambda tx: search_of(tx, caller, words, zone or account_zone(tx, caller))
        )

    async def choices(self, caller: Caller) -> FilterChoices:
        """The workers of the account's runs, by path."""

        def work(tx: Transaction) -> list[Worker]:
            found = (tx.workers.get(ref) for ref in tx.run_lists.workers(caller.account_id))
            return [worker for worker in found if worker is not None]

        workers = await self._storage.read(work)
        return FilterChoices(sorted(workers, key=lambda worker: worker.path))

    async def page(
        self, caller: Caller, search: RunSearch, *, number: int = 1, size: int = 50
    ) -> RunListPage:
        """The page of this number. Raises ``InvalidRequest`` for a number that is too high."""
        size = _checked(size)
        before = (max(1, number) - 1) * size
        if before > MAX_OFFSET:
            raise InvalidRequest(
                f"pages by number reach {MAX_OFFSET:,} runs back; continue with next_cursor, "
                "or narrow the search by time",
                field="page_index",
            )
        return await self._shown(
            caller, lambda tx: _numbered(tx, caller.account_id, search, before, size)
        )

    async def beyond(
        self,
        caller: Caller,
        search: RunSearch,
        place: ListCursor,
        *,
        size: int = 50,
        newer: bool = False,
    ) -> RunListPage:
        """The page of older runs after the cursor ``place``, or with ``newer`` the page before it.
        If less than a full page is newer, returns the first page.
        """
        size = _checked(size)
        found = await self._shown(
            caller, lambda tx: _beyond(tx, caller.account_id, search, place, size, newer=newer)
        )
        if newer and found.previous is None:
            return await self.page(caller, search, size=size)
        return found

    async def rows(self, caller: Caller, run_ids: Sequence[str]) -> list[RunRow]:
        """These runs as they are now, in this order; deleted ones are left out."""
        wanted = list(dict.fromkeys(run_ids))[:MAX_LISTED]
        return await self._rows(caller, wanted)

    async def ids(self, caller: Caller, search: RunSearch, limit: int) -> tuple[list[str], bool]:
        """Ids of up to ``limit`` runs that match, newest first, and whether there may be more."""

        def work(tx: Transaction) -> ListWalk:
            return tx.run_lists.walk(caller.account_id, search, None, limit=limit + 1)

        walked = await self._storage.read(work)
        more = len(walked.cursors) > limit or walked.stopped is not None
        return [place.run_id for place in walked.cursors[:limit]], more

    async def newer(self, caller: Caller, search: RunSearch, top: ListCursor, limit: int) -> int:
        """How many matching runs are newer than ``top``, counted up to ``limit``."""

        def work(tx: Transaction) -> int:
            walked = tx.run_lists.walk(caller.account_id, search, top, limit=limit, newer=True)
            return len(walked.cursors)

        return await self._storage.read(work)

    async def all_rows(self, caller: Caller, search: RunSearch) -> AsyncIterator[list[RunRow]]:
        """All matching runs, newest first, in batches, without a limit."""
        place: ListCursor | None = None
        while True:

            def work(tx: Transaction, start: ListCursor | None = place) -> ListWalk:
                return tx.run_lists.walk(caller.account_id, search, start, limit=BATCH_SIZE)

            walked = await self._storage.read(work)
            if walked.cursors:
                yield await self._rows(caller, [found.run_id for found in walked.cursors])
            place = walked.stopped
            if place is None and len(walked.cursors) == BATCH_SIZE:
                place = walked.cursors[-1]
            if place is None:
                return

    async def _shown(self, caller: Caller, find: Callable[[Transaction], _Found]) -> RunListPage:
        found = await self._storage.read(find)
        return RunListPage(
            rows=await self._rows(caller, [place.run_id for place in found.places]),
            total=found.total,
            at_least=found.at_least,
            next=found.next,
            previous=found.previous,
            looked_back_to=found.looked_back_to,
        )

    async def _rows(self, caller: Caller, run_ids: list[str]) -> list[RunRow]:
        rows, living = await self._storage.read(
            lambda tx: _rows(tx, self._rules, caller.account_id, run_ids)
        )
        for at, hidden in living.items():
            totals = await self._results.totals(rows[at].line.id, hidden)
            rows[at] = replace(rows[at], results=totals.rows)
        return rows


def account_zone(tx: Transaction, caller: Caller) -> str:
    account = tx.accounts.get(caller.account_id)
    return account.time_zone if account else "UTC"


def _checked(size: int) -> int:
    return max(1, min(size, MAX_LISTED))


def _numbered(
    tx: Transaction, account_id: str, search: RunSearch, before: int, size: int
) -> _Found:
    """One pass finds the page and counts, unless a counter has the number."""
    total = tx.run_lists.total(account_id, search)
    limit = before + size + 1
    counting = total is None
    if counting:
        limit = max(limit, COUNT_LIMIT + 1)
    walked = tx.run_lists.walk(account_id, search, None, limit=limit)
    places = walked.cursors[before : before + size]
    rest = len(walked.cursors) > before + size
    stopped = None if rest else walked.stopped
    if counting:
        total = len(walked.cursors) - (len(walked.cursors) == limit)
    return _Found(
        places=places,
        total=total,
        at_least=counting and (len(walked.cursors) == limit or walked.stopped is not None),
        next=places[-1] if rest and places else stopped,
        previous=places[0] if before and places else None,
        looked_back_to=stopped.created_at if stopped else 0,
    )


def _beyond(
    tx: Transaction,
    account_id: str,
    search: RunSearch,
    place: ListCursor,
    size: int,
    *,
    newer: bool,
) -> _Found:
    total = tx.run_lists.total(account_id, search)
    walked = tx.run_lists.walk(account_id, search, place, limit=size + 1, newer=newer)
    places, rest = walked.cursors[:size], len(walked.cursors) > size
    further = places[-1] if rest else walked.stopped
    if newer:
        places.reverse()
        return _Found(places, total, next=places[-1] if places else place, previous=further)
    return _Found(
        places,
        total,
        next=further,
        previous=places[0] if places else place,
        looked_back_to=walked.stopped.created_at if walked.stopped and not rest else 0,
    )


def _rows(
    tx: Transaction, rules: Rules, account_id: str, run_ids: list[str]
) -> tuple[list[RunRow], dict[int, frozenset[str]]]:
    """The rows in order, and for each that is not over yet, by its index, the attempts whose rows
    do not count.
    """
    lines = tx.run_lists.lines(account_id, run_ids)
    workers = {ref: tx.workers.get(ref) for ref in {line.worker_id for line in lines.values()}}
    tasks = {ref: _title(tx, ref) for ref in {line.task_id for line in lines.values()}}
    rows: list[RunRow] = []
    living: dict[int, frozenset[str]] = {}
    for line in (lines[run_id] for run_id in run_ids if run_id in lines):
        usage, traffic = line.usage_micros, line.traffic_bytes
        if not line.state.terminal:
            living[len(rows)] = tx.runs.hidden_attempts(line.id)
            run = tx.runs.get(line.id)
            usage = charged(tx, rules, run) if run else 0
            traffic = tx.runs.usage(line.id).traffic_bytes
        rows.append(
            RunRow(
                line=line,
                worker=workers[line.worker_id],
                task_title=tasks[line.task_id],
                summary=line.summary or summary_of_text(line.input_json),
                results=line.results,
                usage_micros=usage,
                traffic_bytes=traffic,
                now=tx.now,
            )
        )
    return rows, living


def _title(tx: Transaction, task_id: str) -> str:
    task = tx.tasks.get(task_id) if task_id else None
    return task.title if task else ""
