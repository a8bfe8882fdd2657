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
    Version,
    VersionState,
    Worker,
    WorkerFacts,
    WorkerOrder,
)

MAX_RESULTS = 100
MAX_FAVOURITES = 200
_LOOKED_AT = 300  # workers whose names may be proposed
_PROPOSED = 3


@dataclass(frozen=True, slots=True)
class CatalogQuery:
    """What to find and how to sort it; a blank ``text`` is everything."""

    text: str = ""
    category: int | None = None
    order: WorkerOrder = WorkerOrder.USED
    offset: int = 0
    limit: int = 24


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A worker as the list shows it."""

    worker: Worker
    facts: WorkerFacts = NO_FACTS
    favourite: bool = False


@dataclass(frozen=True, slots=True)
class CatalogView:
    """One worker with the content of its page. ``runs`` and ``tasks`` are those of the caller's
    account; ``notice`` says why the latest version is deprecated, ``None`` when it is not;
    ``latest`` is the version that the caller gets, None without one.
    """

    entry: CatalogEntry
    runs: int
    tasks: int
    notice: str | None
    latest: Version | None = None


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """A category that has workers under the search text."""

    number: int
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class CatalogListing:
    """One page. ``everywhere`` counts what the text finds in all categories together;
    ``proposals`` has workers with similar names when nothing is found.
    """

    total: int
    entries: Sequence[CatalogEntry]
    categories: Sequence[CategoryCount]
    everywhere: int
    proposals: Sequence[Worker] = field(default=())


class Catalog:
    """Search for public workers; a caller also finds the private ones of the account."""

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
        wanted = text.strip()
        if not wanted or len(wanted) > MAX_SEARCH:
            rule = f"1 to {MAX_SEARCH} characters that are not all blank"
            raise InvalidRequest(
                f"must be {rule}; send a word of the worker's title", field="search"
            )
        _, found = await self.page(caller, wanted, offset=0, limit=max(1, min(limit, MAX_RESULTS)))
        return found

    async def page(
        self, caller: Caller | None, text: str, *, offset: int, limit: int
    ) -> tuple[int, list[Worker]]:
        """Total count and one page, newest first, of what ``search`` finds; everything for a
        blank text.
        """
        account_id = caller.account_id if caller is not None else None
        total, found = await self._storage.read(
            lambda tx: tx.workers.search(
                text.strip(), account_id=account_id, offset=offset, limit=limit
            )
        )
        return total, [view_for(worker, caller) for worker in found]

    async def browse(self, caller: Caller, query: CatalogQuery) -> CatalogListing:
        """One page of the catalog with figures, counts of categories, and similar names when
        nothing is found. Raise ``InvalidRequest`` for a text that is too long.
        """
        text = query.text.strip()
        if len(text) > MAX_SEARCH:
            raise InvalidRequest(
                f"must be at most {MAX_SEARCH} characters; send a word of the worker's title",
                field="search",
            )
        found = await self._storage.read(lambda tx: self._browse(tx, caller, query, text))
        if found.everywhere or not text:
            return found
        names = await self._storage.read(lambda tx: _best_known(tx, caller))
        proposed = await asyncio.to_thread(_proposals, text, names)
        return CatalogListing(0, (), (), 0, proposed)

    def _browse(
        self, tx: Transaction, caller: Caller, query: CatalogQuery, text: str
    ) -> CatalogListing:
        account_id = caller.account_id
        total, workers = tx.workers.search(
            text,
            account_id=account_id,
            offset=max(0, query.offset),
            limit=max(1, min(query.limit, MAX_RESULTS)),
            category=query.category,
            order=query.order,
        )
        everywhere = total
        if query.category is not None:
            everywhere, _ = tx.workers.search(text, account_id=account_id, offset=0, limit=1)
        counts = tx.workers.categories(text, account_id=account_id)
        return CatalogListing(
            total,
            _entries(tx, caller, workers),
            [CategoryCount(n, self.categories.name(n), counts[n]) for n in self._sorted(counts)],
            everywhere,
        )

    def _sorted(self, counts: dict[int, int]) -> list[int]:
        """Named categories in their own order, then the others by number."""
        named = [number for number in self.categories.all if number in counts]
        return [*named, *sorted(counts.keys() - set(named))]

    async def entry(self, caller: Caller, ref: str) -> CatalogEntry:
        """One worker with its figures. Raise ``WorkerNotFound``."""

        def work(tx: Transaction) -> CatalogEntry:
            return _entries(tx, caller, [find_worker(tx, caller, ref)])[0]

        return await self._storage.read(work)

    async def view(self, caller: Caller, ref: str) -> CatalogView:
        """One worker with the content of its page. Raise ``WorkerNotFound``."""

        def work(tx: Transaction) -> CatalogView:
            entry = _entries(tx, caller, [find_worker(tx, caller, ref)])[0]
            worker, account_id = entry.worker, caller.account_id
            of_worker = RunFilter(worker_id=worker.id)
            runs, _found = tx.runs.page(account_id, of_worker, offset=0, limit=1)
            tasks, _tasks = tx.tasks.of_account(account_id, offset=0, limit=1, worker_id=worker.id)
            latest = tx.workers.version(worker.id, worker.latest) if worker.latest else None
            deprecated = latest is not None and latest.state is VersionState.DEPRECATED
            notice = latest.notice if latest and deprecated else None
            return CatalogView(entry, runs, tasks, notice, latest)

        return await self._storage.read(work)

    async def entries(self, caller: Caller, workers: Sequence[Worker]) -> list[CatalogEntry]:
        """The catalog entries of given workers."""
        return await self._storage.read(lambda tx: _entries(tx, caller, workers))

    async def favourites(self, caller: Caller, text: str = "") -> list[CatalogEntry]:
        """The caller's favourites that are still visible, the latest first; with ``text`` only
        those with it in path, title or description.
        """
        wanted = text.strip().casefold()

        def work(tx: Transaction) -> list[CatalogEntry]:
            found = []
            for worker_id in tx.favourites.of_user(caller.user_id)[:MAX_FAVOURITES]:
                try:
                    worker = find_worker(tx, caller, worker_id)
                except WorkerNotFound:  # deleted, or no longer public
                    continue
                if wanted in f"{worker.path}\n{worker.title}\n{worker.description}".casefold():
                    found.append(worker)
            return _entries(tx, caller, found)

        return await self._storage.read(work)

    async def mark(self, caller: Caller, ref: str, *, favourite: bool) -> CatalogEntry:
        """Add the worker to the caller's favourites, or remove it. Raise ``WorkerNotFound``, and
        ``InvalidRequest`` when there are too many.
        """

        def work(tx: Transaction) -> CatalogEntry:
            worker = find_worker(tx, caller, ref)
            if not favourite:
                tx.favourites.remove(caller.user_id, worker.id)
            elif len(tx.favourites.of_user(caller.user_id)) < MAX_FAVOURITES:
                tx.favourites.add(caller.user_id, worker.id, tx.now)
            else:
                raise InvalidRequest(
                    f"at most {MAX_FAVOURITES} workers can be marked; unmark one first",
                    field="favourites",
                )
            return _entries(tx, caller, [worker])[0]

        return await self._storage.write(work)


def _entries(tx: Transaction, caller: Caller, workers: Sequence[Worker]) -> list[CatalogEntry]:
    if not workers:
        return []
    facts = tx.worker_facts.of_workers([worker.id for worker in workers])
    marked = frozenset(tx.favourites.of_user(caller.user_id))
    return [
        CatalogEntry(view_for(worker, caller), facts.get(worker.id, NO_FACTS), worker.id in marked)
        for worker in workers
    ]


def _best_known(tx: Transaction, caller: Caller) -> list[Worker]:
    _, found = tx.workers.search(
        "", account_id=caller.account_id, offset=0, limit=_LOOKED_AT, order=WorkerOrder.USED
    )
    return [view_for(worker, caller) for worker in found]


def _proposals(text: str, workers: list[Worker]) -> list[Worker]:
    names = [
        (worker.id, name) for worker in workers for name in (worker.title, worker.name, worker.path)
    ]
    by_id = {worker.id: worker for worker in workers}
    return [by_id[key] for key in nearest(text, names, _PROPOSED)]
