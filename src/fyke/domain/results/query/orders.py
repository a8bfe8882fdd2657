"""Row orders: the positions of a run's filtered or sorted rows, computed once and cached.

An order is an array of positions, four bytes per row, so all pages cost the same. To compute it,
the run is read once: in chunks, in threads, with a temporary file, so that memory does not grow
with the run and other requests do not wait. The order of an ended run is always valid; that of an
active run for ``FRESH_SECONDS``, or as long as a cursor refers to it.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakValueDictionary

from fyke.domain.results.query.matching import Matcher, matcher_of
from fyke.domain.results.query.model import RowSelection, Sort
from fyke.domain.results.query.ordering import sort_key
from fyke.domain.results.query.picker import Picker
from fyke.domain.results.query.sorter import Sorter
from fyke.errors import Unavailable
from fyke.model.results import Row

MAX_CACHED = 4_000_000  # positions of all cached orders: 16 MB
FRESH_SECONDS = 10.0
MAX_CONCURRENT = 2

Walk = Callable[[str, frozenset[str]], AsyncGenerator[list[Row], None]]


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """``bound``: the last position to include, 0 for all. ``ended``: no more rows will follow."""

    account_id: str
    run_id: str
    hidden: frozenset[str]
    selection: RowSelection
    ended: bool
    bound: int = 0


@dataclass(frozen=True, slots=True)
class RowOrder:
    """The positions of the selected rows in order, among all rows up to the position ``bound``."""

    positions: array[int]
    bound: int


class RowOrders:
    """Computes orders, one at a time for each account, and caches those used last."""

    def __init__(self, walk: Walk, scratch: Path | None, *, limit: int = MAX_CACHED) -> None:
        self._walk = walk
        self._scratch = scratch
        self._limit = limit
        # by request: the order, and the monotonic seconds at which it was computed
        self._cache: OrderedDict[OrderRequest, tuple[RowOrder, float]] = OrderedDict()
        self._count = 0  # positions in the cache
        self._tasks: dict[OrderRequest, asyncio.Task[RowOrder]] = {}
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._accounts: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, request: OrderRequest) -> RowOrder:
        """The order; concurrent equal requests share one computation. Raises ``Unavailable``, also
        if the disk is full.
        """
        cached = self._cached(request)
        if cached is not None:
            return cached
        task = self._tasks.get(request)
        if task is None:
            task = asyncio.create_task(self._compute(request))
            self._tasks[request] = task
            task.add_done_callback(lambda done: self._cache_result(request, done))
        return await asyncio.shield(task)

    def _cached(self, request: OrderRequest) -> RowOrder | None:
        if request not in self._cache:
            return None
        order, computed_at = self._cache[request]
        if not (request.ended or request.bound) and time.monotonic() - computed_at > FRESH_SECONDS:
            return None
        self._cache.move_to_end(request)
        return order

    def _cache_result(self, request: OrderRequest, task: asyncio.Task[RowOrder]) -> None:
        del self._tasks[request]
        if task.cancelled() or task.exception() is not None:
            return
        order = task.result()
        self._put(request, order)
        if not request.bound:
            # readers that start now send cursors with this bound
            self._put(replace(request, bound=order.bound), order)

    def _put(self, request: OrderRequest, order: RowOrder) -> None:
        old = self._cache.pop(request, None)
        self._count += len(order.positions) - (len(old[0].positions) if old else 0)
        self._cache[request] = (order, time.monotonic())
        while self._count > self._limit and len(self._cache) > 1:
            _, (removed, _) = self._cache.popitem(last=False)
            self._count -= len(removed.positions)

    async def _compute(self, request: OrderRequest) -> RowOrder:
        lock = self._accounts.setdefault(request.account_id, asyncio.Lock())
        async with lock, self._slots:
            builder = _Builder(request.selection, request.bound, self._scratch)
            try:
                return await self._build(request, builder)
            except OSError as error:
                raise Unavailable(f"The rows could not be sorted: {error.strerror}") from error
            finally:
                await asyncio.to_thread(builder.close)

    async def _build(self, request: OrderRequest, builder: _Builder) -> RowOrder:
        async with aclosing(self._walk(request.run_id, request.hidden)) as pages:
            async for rows in pages:
                if await asyncio.to_thread(builder.add, rows):
                    break
        return RowOrder(await asyncio.to_thread(builder.positions), builder.last_position)


class _Builder:
    """Collects the positions of the selected rows. Rows are added in the order of positions."""

    def __init__(self, selection: RowSelection, bound: int, scratch: Path | None) -> None:
        self.last_position = 0
        self._bound = bound
        filters = selection.filters
        self._matches: Matcher | None = matcher_of(filters) if filters else None
        self._sorted = _SortedPositions(selection.sort, scratch) if selection.sort else None
        self._unsorted = array("I")

    def add(self, rows: list[Row]) -> bool:
        """Add rows; return whether the bound has been passed, so that no more are needed."""
        past = False
        if self._bound and rows[-1].position > self._bound:
            rows = [row for row in rows if row.position <= self._bound]
            past = True
        if rows:
            self.last_position = rows[-1].position
        if self._matches is not None:
            matches = self._matches
            rows = [row for row in rows if matches(row.data)]
        if self._sorted is None:
            self._unsorted.extend([row.position for row in rows])
        else:
            self._sorted.add(rows)
        return past

    def positions(self) -> array[int]:
        return self._unsorted if self._sorted is None else self._sorted.positions()

    def close(self) -> None:
        if self._sorted is not None:
            self._sorted.close()


class _SortedPositions:
    """The positions of rows with the field, sorted by it, then those of rows without it."""

    def __init__(self, sort: Sort, scratch: Path | None) -> None:
        self._sorter = Sorter(descending=sort.descending, scratch=scratch)
        self._pick = Picker([sort.field])
        self._without = array("I")

    def add(self, rows: list[Row]) -> None:
        for row in rows:
            (token,) = self._pick(row.data)
            if token is None:
                self._without.append(row.position)
            else:
                self._sorter.add(sort_key(token), row.position)

    def positions(self) -> array[int]:
        return self._sorter.positions() + self._without

    def close(self) -> None:
        self._sorter.close()
