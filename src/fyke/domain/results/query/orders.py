"""The order in which a filtered or sorted walk meets a run's rows, worked out once and kept.

An order is an array of positions, four bytes a row, so a page anywhere in it costs what the first
does. Computing it means reading the run once: in chunks, in threads, with a temporary file, so that
memory does not grow with the run and other requests do not wait. The order of an ended run is valid
for ever; that of an active run for ``FRESH_SECONDS``, or as long as a cursor refers to it.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from fyke.domain.results.query.matching import Matcher, matcher_of
from fyke.domain.results.query.model import FieldSelection, Sort
from fyke.domain.results.query.ordering import sort_key
from fyke.domain.results.query.picker import Picker
from fyke.domain.results.query.sorter import Sorter
from fyke.errors import Unavailable
from fyke.model.results import Row

MAX_KEPT = 4_000_000  # positions across all orders: 16 MB
FRESH_SECONDS = 10.0
AT_ONCE = 2

Walk = Callable[[str, frozenset[str]], AsyncGenerator[list[Row], None]]


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """``bound``: the last position to look at, 0 for all there are. ``ended``: none will follow."""

    account_id: str
    run_id: str
    hidden: frozenset[str]
    choice: FieldSelection
    ended: bool
    bound: int = 0


@dataclass(frozen=True, slots=True)
class RowOrder:
    """Positions of the chosen rows in order, of all rows up to the position ``bound``."""

    positions: array[int]
    bound: int


class RowOrders:
    """Works out orders, one at a time for each account, and keeps those used last."""

    def __init__(self, walk: Walk, scratch: Path | None, *, limit: int = MAX_KEPT) -> None:
        self._walk = walk
        self._scratch = scratch
        self._limit = limit
        self._kept: OrderedDict[OrderRequest, tuple[RowOrder, float]] = OrderedDict()
        self._count = 0
        self._making: dict[OrderRequest, asyncio.Task[RowOrder]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._accounts: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, wanted: OrderRequest) -> RowOrder:
        """The order; requests for the same one share its computation. Raises ``Unavailable``,
        also when the disk has no space for sorting."""
        known = self._known(wanted)
        if known is not None:
            return known
        task = self._making.get(wanted)
        if task is None:
            task = asyncio.create_task(self._make(wanted))
            self._making[wanted] = task
            task.add_done_callback(lambda done: self._made(wanted, done))
        return await asyncio.shield(task)

    def _known(self, wanted: OrderRequest) -> RowOrder | None:
        found = self._kept.get(wanted)
        if found is None:
            return None
        order, made = found
        if not (wanted.ended or wanted.bound) and time.monotonic() - made > FRESH_SECONDS:
            return None
        self._kept.move_to_end(wanted)
        return order

    def _made(self, wanted: OrderRequest, task: asyncio.Task[RowOrder]) -> None:
        del self._making[wanted]
        if task.cancelled() or task.exception() is not None:
            return
        order = task.result()
        self._keep(wanted, order)
        if not wanted.bound:
            # a walk that begins now comes back and names where it ended
            self._keep(_bounded(wanted, order.bound), order)

    def _keep(self, wanted: OrderRequest, order: RowOrder) -> None:
        old = self._kept.pop(wanted, None)
        self._count += len(order.positions) - (len(old[0].positions) if old else 0)
        self._kept[wanted] = (order, time.monotonic())
        while self._count > self._limit and len(self._kept) > 1:
            _, (gone, _) = self._kept.popitem(last=False)
            self._count -= len(gone.positions)

    async def _make(self, wanted: OrderRequest) -> RowOrder:
        lock = self._accounts.setdefault(wanted.account_id, asyncio.Lock())
        async with lock, self._turns:
            builder = _Builder(wanted.choice, wanted.bound, self._scratch)
            try:
                return await self._build(wanted, builder)
            except OSError as error:
                raise Unavailable(f"The rows could not be sorted: {error.strerror}") from error
            finally:
                await asyncio.to_thread(builder.close)

    async def _build(self, wanted: OrderRequest, builder: _Builder) -> RowOrder:
        async with aclosing(self._walk(wanted.run_id, wanted.hidden)) as pages:
            async for rows in pages:
                if await asyncio.to_thread(builder.take, rows):
                    break
        return RowOrder(await asyncio.to_thread(builder.positions), builder.seen)


def _bounded(wanted: OrderRequest, bound: int) -> OrderRequest:
    return OrderRequest(
        wanted.account_id, wanted.run_id, wanted.hidden, wanted.choice, wanted.ended, bound
    )


class _Builder:
    """Takes the rows of a run in order of position and keeps the positions of those wanted."""

    def __init__(self, choice: FieldSelection, bound: int, scratch: Path | None) -> None:
        self.seen = 0
        self._bound = bound
        self._matches: Matcher | None = matcher_of(choice.filters) if choice.filters else None
        self._sorted = _Sorted(choice.sort, scratch) if choice.sort else None
        self._unsorted = array("I")

    def take(self, rows: list[Row]) -> bool:
        """Whether the bound has been passed, so that no more rows are needed."""
        past = False
        if self._bound and rows[-1].position > self._bound:
            rows = [row for row in rows if row.position <= self._bound]
            past = True
        if rows:
            self.seen = rows[-1].position
        if self._matches is not None:
            matches = self._matches
            rows = [row for row in rows if matches(row.data)]
        if self._sorted is None:
            self._unsorted.extend([row.position for row in rows])
        else:
            self._sorted.take(rows)
        return past

    def positions(self) -> array[int]:
        return self._unsorted if self._sorted is None else self._sorted.positions()

    def close(self) -> None:
        if self._sorted is not None:
            self._sorted.close()


class _Sorted:
    """Rows with the field go into a sorter; those without it follow."""

    def __init__(self, sort: Sort, scratch: Path | None) -> None:
        self._sorter = Sorter(descending=sort.descending, scratch=scratch)
        self._pick = Picker([sort.field])
        self._without = array("I")

    def take(self, rows: list[Row]) -> None:
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
