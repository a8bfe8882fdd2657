"""The catalog: search in published workers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from fyke.contracts.state import Storage, Transaction
from fyke.domain.catalog.categories import Categories
from fyke.domain.catalog.nearest import nearest
from fyke.domain.workers.lookup import find_worker, view_for
from fyke.errors import InvalidRequest, WorkerNotFound
from fyke.model.account import Caller
from fyke.model.run import RunFilter
from fyke.model.worker import (
    MAX_SEARCH,
    NO_FACTS,
    BrowserFilter,
    BrowserNeed,
    Version,
    VersionEnvironment,
    VersionState,
    Worker,
    WorkerFacts,
    WorkerOrder,
)

MAX_RESULTS = 100
MAX_FAVOURITES = 200
_CANDIDATES = 300  # most used workers, whose names may be proposed
_MAX_PROPOSALS = 3


@dataclass(frozen=True, slots=True)
class CatalogQuery:
    """The filters and the order of a listing; a blank ``text`` finds all workers."""

    text: str = ""
    category: int | None = None
    browser: BrowserFilter = BrowserFilter.ANY
    order: WorkerOrder = WorkerOrder.USED
    offset: int = 0
    limit: int = 24


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A worker with its statistics. ``favourite``: whether it is one of the caller's favourites;
    ``browser``: whether its latest version uses one.
    """

    worker: Worker
    facts: WorkerFacts = NO_FACTS
    favourite: bool = False
    browser: BrowserNeed = BrowserNeed.UNKNOWN


@dataclass(frozen=True, slots=True)
class CatalogView:
    """One worker with the content of its page. ``runs`` and ``tasks`` count those of the caller's
    account; ``notice`` is the reason why the latest version is deprecated, or None;
    ``latest`` is the version that the caller gets, or None, and ``environment`` says
    whether its dependencies are installed.
    """

    entry: CatalogEntry
    runs: int
    tasks: int
    notice: str | None
    latest: Version | None = None
    environment: VersionEnvironment | None = None


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """The number of workers in a category that match the search text."""

    number: int
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class CatalogListing:
    """One page of workers. ``everywhere`` is the total in all categories; ``proposals`` are workers
    with similar names when nothing is found.
    """

    total: int
    entries: Sequence[CatalogEntry]
    categories: Sequence[CategoryCount]
    everywhere: int
    proposals: Sequence[Worker] = field(default=())


class Catalog:
    """Lists public workers; callers also find the private ones of their account."""

    def __init__(
        self, storage: Storage, categories: Categories | None = None, *, priced: bool = False
    ) -> None:
        """``priced``: whether runs cost money on this installation."""
        self._storage = storage
        self.priced = priced
        self.categories = categories or Categories()

    async def search(self, caller: Caller | None, text: str, limit: int = 10) -> list[Worker]:
        """Return at most ``limit`` workers (1 to 100) with ``text`` in id, path, title or
        description. Raise ``InvalidRequest`` for a blank text.
        """
        text = text.strip()
        if not text or len(text) > MAX_SEARCH:
            rule = f"1 to {MAX_SEARCH} characters that are not all blank"
            raise InvalidRequest(
                f"must be {rule}; send a word of the worker's title", field="search"
            )
        limit = max(1, min(limit, MAX_RESULTS))
        _, workers = await self.page(caller, text, offset=0, limit=limit)
        return workers

    async def page(
        self, caller: Caller | None, text: str, *, offset: int, limit: int
    ) -> tuple[int, list[Worker]]:
        """Return the total count and one page, newest first, of the workers that ``search`` finds;
        all workers for a blank text.
        """
        account_id = caller.account_id if caller is not None else None
        total, workers = await self._storage.read(
            lambda tx: tx.workers.search(
                text.strip(), account_id=account_id, offset=offset, limit=limit
            )
        )
        return total, [view_for(worker, caller) for worker in workers]

    async def browse(self, caller: Caller, query: CatalogQuery) -> CatalogListing:
        """Return one page of the catalog with statistics, counts by category, and workers with
        similar names when nothing is found. Raise ``InvalidRequest`` for a text that is too long.
        """
        text = query.text.strip()
        if len(text) > MAX_SEARCH:
            raise InvalidRequest(
                f"must be at most {MAX_SEARCH} characters; send a word of the worker's title",
                field="search",
            )
        listing = await self._storage.read(lambda tx: self._browse(tx, caller, query, text))
        if listing.everywhere or not text or query.browser is not BrowserFilter.ANY:
            return listing
        return CatalogListing(0, (), (), 0, await self.similar(caller, text))

    async def similar(self, caller: Caller, text: str) -> list[Worker]:
        """The workers whose names are most like ``text``, best first, of those used most."""
        candidates = await self._storage.read(lambda tx: _most_used(tx, caller))
        return await asyncio.to_thread(_proposals, text, candidates)

    def _browse(
        self, tx: Transaction, caller: Caller, query: CatalogQuery, text: str
    ) -> CatalogListing:
        account_id, browser = caller.account_id, query.browser.uses
        total, workers = tx.workers.search(
            text,
            account_id=account_id,
            offset=max(0, query.offset),
            limit=max(1, min(query.limit, MAX_RESULTS)),
            category=query.category,
            browser=browser,
            order=query.order,
        )
        everywhere = total
        if query.category is not None:
            everywhere, _ = tx.workers.search(
                text, account_id=account_id, offset=0, limit=1, browser=browser
            )
        counts = tx.workers.categories(text, account_id=account_id, browser=browser)
        return CatalogListing(
            total,
            _entries(tx, caller, workers),
            [CategoryCount(n, self.categories.name(n), counts[n]) for n in self._sorted(counts)],
            everywhere,
        )

    def _sorted(self, counts: dict[int, int]) -> list[int]:
        """Named categories in the order of the setting, then the others by number."""
        named = [number for number in self.categories.all if number in counts]
        return [*named, *sorted(counts.keys() - set(named))]

    async def entry(self, caller: Caller, ref: str) -> CatalogEntry:
        """Return one worker with its statistics. Raise ``WorkerNotFound``."""

        def work(tx: Transaction) -> CatalogEntry:
            return _entries(tx, caller, [find_worker(tx, caller, ref)])[0]

        return await self._storage.read(work)

    async def view(self, caller: Caller, ref: str) -> CatalogView:
        """Return one worker with the content of its page. Raise ``WorkerNotFound``."""

        def work(tx: Transaction) -> CatalogView:
            entry = _entries(tx, caller, [find_worker(tx, caller, ref)])[0]
            worker, account_id = entry.worker, caller.account_id
            of_worker = RunFilter(worker_id=worker.id)
            runs, _ = tx.runs.page(account_id, of_worker, offset=0, limit=1)
            tasks, _ = tx.tasks.of_account(account_id, offset=0, limit=1, worker_id=worker.id)
            latest = tx.workers.version(worker.id, worker.latest) if worker.latest else None
            deprecated = latest is not None and latest.state is VersionState.DEPRECATED
            notice = latest.notice if latest and deprecated else None
            environment = tx.environments.get(latest.id) if latest else None
            return CatalogView(entry, runs, tasks, notice, latest, environment)

        return await self._storage.read(work)

    async def entries(self, caller: Caller, workers: Sequence[Worker]) -> list[CatalogEntry]:
        """Return the catalog entries of ``workers``."""
        return await self._storage.read(lambda tx: _entries(tx, caller, workers))

    async def favourites(self, caller: Caller, text: str = "") -> list[CatalogEntry]:
        """Return the caller's favourites that are still visible, newest first, with ``text`` in
        path, title or description.
        """
        text = text.strip().casefold()

        def work(tx: Transaction) -> list[CatalogEntry]:
            workers = []
            for worker_id in tx.favourites.of_user(caller.user_id)[:MAX_FAVOURITES]:
                try:
                    worker = find_worker(tx, caller, worker_id)
                except WorkerNotFound:  # deleted, or no longer public
                    continue
                if text in f"{worker.path}\n{worker.title}\n{worker.description}".casefold():
                    workers.append(worker)
            return _entries(tx, caller, workers)

        return await self._storage.read(work)

    async def mark(self, caller: Caller, ref: str, *, favourite: bool) -> CatalogEntry:
        """Add the worker to the caller's favourites, or remove it.

        Raise ``WorkerNotFound``, and ``InvalidRequest`` when there are too many.
        """

        def work(tx: Transaction) -> CatalogEntry:
            worker = find_worker(tx, caller, ref)
            if not favourite:
                tx.favourites.remove(caller.user_id, worker.id)
            elif len(tx.favourites.of_user(caller.user_id)) < MAX_FAVOURITES:
                tx.favourites.add(caller.user_id, worker.id, tx.now)
            else:
                raise InvalidRequest(
                    f"must have at most {MAX_FAVOURITES} workers; remove one first",
                    field="favourites",
                )
            return _entries(tx, caller, [worker])[0]

        return await self._storage.write(work)


def _entries(tx: Transaction, caller: Caller, workers: Sequence[Worker]) -> list[CatalogEntry]:
    if not workers:
        return []
    facts = tx.worker_facts.of_workers([worker.id for worker in workers])
    marked = frozenset(tx.favourites.of_user(caller.user_id))
    seen = [view_for(worker, caller) for worker in workers]
    needs = tx.workers.browser_needs({worker.id: worker.latest for worker in seen})
    return [
        CatalogEntry(
            worker,
            facts.get(worker.id, NO_FACTS),
            worker.id in marked,
            needs.get(worker.id, BrowserNeed.UNKNOWN),
        )
        for worker in seen
    ]


def _most_used(tx: Transaction, caller: Caller) -> list[Worker]:
    _, workers = tx.workers.search(
        "", account_id=caller.account_id, offset=0, limit=_CANDIDATES, order=WorkerOrder.USED
    )
    return [view_for(worker, caller) for worker in workers]


def _proposals(text: str, workers: list[Worker]) -> list[Worker]:
    names = [
        (worker.id, name) for worker in workers for name in (worker.title, worker.name, worker.path)
    ]
    by_id = {worker.id: worker for worker in workers}
    return [by_id[key] for key in nearest(text, names, _MAX_PROPOSALS)]
