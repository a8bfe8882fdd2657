"""Row orders: the positions of a run's filtered or sorted rows, computed once and cached.

An order is an array of positions, four bytes per row, so all pages cost the same. To compute it,
the run is read once: in blocks, in threads, with a temporary file, so that memory does not grow
with the run and other requests do not wait. While one block is added, the next one is read. The
first positions are returned before the rest is sorted. The order of an ended run is always valid;
that of an active run for ``FRESH_SECONDS``, or as long as a cursor refers to it.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import compress
from operator import not_
from pathlib import Path
from weakref import WeakValueDictionary

from fyke.domain.results.query.matching import matcher_of
from fyke.domain.results.query.model import RowSelection, Sort
from fyke.domain.results.query.ordering import KINDS, keys_by_kind
from fyke.domain.results.query.picker import Column, Picker
from fyke.domain.results.query.sorter import FIRST, Sorter
from fyke.errors import Unavailable
from fyke.kit.read_ahead import read_ahead
from fyke.model.results import RowBlock

MAX_CACHED = 4_000_000  # positions of all cached orders: 16 MB
FRESH_SECONDS = 10.0
MAX_CONCURRENT = 2

Walk = Callable[[str, frozenset[str]], AsyncGenerator[RowBlock, None]]


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
    """The positions of the selected rows in order, among all rows up to the position ``bound``.

    ``count``: the number of all of them; ``positions`` may have only the first of these.
    """

    positions: array[int]
    bound: int
    count: int


@dataclass(frozen=True, slots=True)
class _Computation:
    """``first`` is done when the first positions are known, unless these are all."""

    first: asyncio.Future[RowOrder]
    whole: asyncio.Task[RowOrder]


class RowOrders:
    """Computes orders, one at a time for each account, and caches those used last."""

    def __init__(self, walk: Walk, scratch: Path | None, *, limit: int = MAX_CACHED) -> None:
        self._walk = walk
        self._scratch = scratch
        self._limit = limit
        # by request: the order, and the monotonic seconds at which it was computed
        self._cache: OrderedDict[OrderRequest, tuple[RowOrder, float]] = OrderedDict()
        self._count = 0  # positions in the cache
        self._running: dict[OrderRequest, _Computation] = {}
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._accounts: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, request: OrderRequest, *, first: int | None = None) -> RowOrder:
        """The order; concurrent equal requests share one computation. With ``first``, it is
        returned when so many positions are known. Raises ``Unavailable``, also if the disk is full.
        """
        cached = self._cached(request)
        if cached is not None:
            return cached
        running = self._running.get(request)
        if running is None:
            known = asyncio.get_running_loop().create_future()
            running = _Computation(known, asyncio.create_task(self._compute(request, known)))
            self._running[request] = running
            running.whole.add_done_callback(lambda done: self._cache_result(request, done))
        if first is not None and first <= FIRST:
            await asyncio.wait((running.first, running.whole), return_when=asyncio.FIRST_COMPLETED)
            if not running.whole.done():
                return running.first.result()
        return await asyncio.shield(running.whole)

    def _cached(self, request: OrderRequest) -> RowOrder | None:
        if request not in self._cache:
            return None
        order, computed_at = self._cache[request]
        if not (request.ended or request.bound) and time.monotonic() - computed_at > FRESH_SECONDS:
            return None
        self._cache.move_to_end(request)
        return order

    def _cache_result(self, request: OrderRequest, task: asyncio.Task[RowOrder]) -> None:
        del self._running[request]
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

    async def _compute(self, request: OrderRequest, first: asyncio.Future[RowOrder]) -> RowOrder:
        lock = self._accounts.setdefault(request.account_id, asyncio.Lock())
        async with lock, self._slots:
            builder = _Builder(request.selection, request.bound, self._scratch)
            try:
                return await self._build(request, builder, first)
            except OSError as error:
                raise Unavailable(f"The rows could not be sorted: {error.strerror}") from error
            finally:
                await asyncio.to_thread(builder.close)

    async def _build(
        self, request: OrderRequest, builder: _Builder, first: asyncio.Future[RowOrder]
    ) -> RowOrder:
        async with aclosing(read_ahead(self._blocks(request))) as blocks:
            async for block in blocks:
                await asyncio.to_thread(builder.add, block)
        known = await asyncio.to_thread(builder.first)
        order = RowOrder(known, builder.last_position, builder.count)
        if len(known) == builder.count:
            return order
        first.set_result(order)
        return replace(order, positions=await asyncio.to_thread(builder.positions))

    async def _blocks(self, request: OrderRequest) -> AsyncGenerator[RowBlock, None]:
        async with aclosing(self._walk(request.run_id, request.hidden)) as blocks:
            async for block in blocks:
                yield block
                if 0 < request.bound < block.positions[-1]:
                    return


class _Builder:
    """Collects the positions of the selected rows. Rows are added in the order of positions."""

    def __init__(self, selection: RowSelection, bound: int, scratch: Path | None) -> None:
        self.last_position = 0
        self.count = 0  # of the selected rows
        self._bound = bound
        sort, filters = selection.sort, selection.filters
        fields = [item.field for item in filters] + ([sort.field] if sort else [])
        self._pick = Picker(fields)
        self._matches = matcher_of(filters) if filters else None
        self._sorted = _SortedPositions(sort, scratch) if sort else None
        self._unsorted = array("I")

    def add(self, block: RowBlock) -> None:
        """Add rows, except those after the bound."""
        positions, columns = block.positions, self._pick.columns(block.data)
        if 0 < self._bound < positions[-1]:
            count = bisect_right(positions, self._bound)
            positions, columns = positions[:count], [column[:count] for column in columns]
        if positions:
            self.last_position = positions[-1]
        tokens = columns.pop() if self._sorted is not None else []
        if self._matches is not None:
            chosen = self._matches(columns)
            positions = list(compress(positions, chosen))
            tokens = list(compress(tokens, chosen))
        self.count += len(positions)
        if self._sorted is None:
            self._unsorted.extend(positions)
        else:
            self._sorted.add(tokens, positions)

    def first(self) -> array[int]:
        """The first ``FIRST`` positions in order, at least."""
        return self._unsorted if self._sorted is None else self._sorted.first()

    def positions(self) -> array[int]:
        return self._unsorted if self._sorted is None else self._sorted.positions()

    def close(self) -> None:
        if self._sorted is not None:
            self._sorted.close()


class _SortedPositions:
    """The positions of rows with the field, sorted by it, then those of rows without it."""

    def __init__(self, sort: Sort, scratch: Path | None) -> None:
        # by kind, in order
        by_kind = {kind: Sorter(descending=sort.descending, scratch=scratch) for kind in KINDS}
        self._sorters = dict(sorted(by_kind.items(), reverse=sort.descending))
        self._without = array("I")

    def add(self, tokens: Column, positions: list[int]) -> None:
        if not all(tokens):
            self._without.extend(compress(positions, map(not_, tokens)))
            positions = list(compress(positions, tokens))
            tokens = list(compress(tokens, tokens))
        for kind, keys, of_kind in keys_by_kind(tokens, positions):
            self._sorters[kind].add(keys, of_kind)

    def first(self) -> array[int]:
        result = array("I")
        for sorter in self._sorters.values():
            result.extend(sorter.first())
        return (result + self._without[:FIRST])[:FIRST]

    def positions(self) -> array[int]:
        result = array("I")
        for sorter in self._sorters.values():
            result += sorter.positions()
        return result + self._without

    def close(self) -> None:
        for sorter in self._sorters.values():
            sorter.close()
