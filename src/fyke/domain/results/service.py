"""Reading what runs pushed: pages for people and clients, walks for exports; all rows as they
were pushed, or some of them in another order and form.

Which rows are visible follows from how their attempts ended, which is state; the rows themselves
lie in a store of their own. Each read asks the state once, then the rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from fyke.contracts.results import Results
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import existing_run, own_run
from fyke.domain.results.headers import headers_from_rows
from fyke.domain.results.query import cursor as cursors
from fyke.domain.results.query.cursor import Cursor
from fyke.domain.results.query.model import PLAIN, START, FieldSelection, Query
from fyke.domain.results.query.orders import OrderRequest, RowOrder, RowOrders
from fyke.domain.results.query.shape import Shape
from fyke.domain.workers import output_schema
from fyke.errors import InvalidFields, InvalidRequest
from fyke.model.account import Caller
from fyke.model.results import Header, Row, RunTotals
from fyke.model.run import Run

SAMPLE_ROWS = 100  # looked at when columns must be derived from rows
_FIRST_CHUNK = 64
_MAX_ROWS = 1024
_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class RowPage:
    """One page of visible rows; ``count`` is across all pages.

    ``walking``: requested with a cursor; ``next_cursor`` is then that of the next page, None on
    the last one. ``bare``: the rows are to be shown without the platform's id.
    """

    count: int
    headers: list[Header]
    rows: list[Row]
    page_index: int
    page_size: int
    walking: bool = False
    next_cursor: str | None = None
    bare: bool = False


@dataclass(frozen=True, slots=True)
class RunRows:
    """A run with what its state says about its rows."""

    run: Run
    hidden: frozenset[str]
    output_schema: str


class RunResults:
    """Rows and columns of runs, each run seen only by its own account. ``scratch`` is where sorting
    a large run puts its temporary file."""

    def __init__(self, storage: Storage, results: Results, scratch: Path | None = None) -> None:
        self._storage = storage
        self._results = results
        self._orders = RowOrders(self.walk, scratch)

    async def page(
        self,
        caller: Caller,
        run_id: str,
        page_index: int,
        page_size: int,
        query: Query = PLAIN,
        cursor: str = "",
    ) -> RowPage:
        """One page of the caller's run; it may still be running.

        Pages count from 1, lower numbers mean the first. ``page_size`` is at least 1; its upper
        bound is the caller's to set. Behind the end ``rows`` is empty and ``count`` the same.
        With a ``cursor`` (``*`` to begin, then ``next_cursor`` of the page before) there are no
        page numbers, and rows that come meanwhile move none of the others.
        Raises ``RunNotFound``, including for another account's run, and ``InvalidFields``.
        """
        if query.plain and not cursor:
            return await self._plain_page(caller, run_id, page_index, page_size)
        if cursor and page_index > 1:
            raise InvalidFields(
                "cursor replaces the page number (offset, page_index); give one of them"
            )
        source = await self.source(caller, run_id, failed_rows=query.failed_rows)
        index, size = max(1, page_index), max(1, page_size)
        at = None
        if cursor:
            at = Cursor() if cursor == START else cursors.decode(cursor, run_id, query.choice)
        count, rows, following = await self._part(source, query.choice, index, size, at)
        text = cursors.encode(following, run_id, query.choice) if at and following else None
        shaped = await asyncio.to_thread(Shape(query.form).rows, rows)
        headers = await self.headers_for(source, query)
        bare = query.form.clean
        return RowPage(count, headers, shaped, index, size, at is not None, text, bare)

    async def _plain_page(
        self, caller: Caller, run_id: str, page_index: int, page_size: int
    ) -> RowPage:
        source = await self.source(caller, run_id)
        index, size = max(1, page_index), max(1, page_size)
        count = (await self.totals(source)).rows
        offset = (index - 1) * size
        rows: list[Row] = []
        if offset < count:
            rows = await self._results.page(run_id, source.hidden, offset=offset, limit=size)
        # The first page often shows enough to derive columns; do not read it twice.
        enough = index == 1 and len(rows) in (count, max(size, SAMPLE_ROWS))
        sample = rows if enough else None
        return RowPage(count, await self._headers(source, sample), rows, index, size)

    async def row(
        self, caller: Caller, run_id: str, position: int, *, failed_rows: bool = False
    ) -> Row | None:
        """The visible row at a position, None when there is none. Raises ``RunNotFound``."""
        source = await self.source(caller, run_id, failed_rows=failed_rows)
        found = await self._results.rows_after(
            run_id, source.hidden, position=position - 1, limit=1
        )
        return found[0] if found and found[0].position == position else None

    async def plain_rows(self, source: RunRows, page_index: int, page_size: int) -> list[Row]:
        """One page of the visible rows as they were pushed; pages count from 1."""
        return await self._results.page(
            source.run.id,
            source.hidden,
            offset=(max(1, page_index) - 1) * page_size,
            limit=page_size,
        )

    async def source(self, caller: Caller, run_id: str, *, failed_rows: bool = False) -> RunRows:
        """The caller's run for reading its rows; ``failed_rows`` as in ``Query``. Raises
        ``RunNotFound``.
        """
        return await self._storage.read(
            lambda tx: _rows_of(tx, own_run(tx, caller, run_id), failed_rows)
        )

    async def source_of(self, run_id: str, *, failed_rows: bool = False) -> RunRows:
        """As ``source``, for requests with a signed link instead of a key."""
        return await self._storage.read(
            lambda tx: _rows_of(tx, existing_run(tx, run_id), failed_rows)
        )

    async def hidden_count(self, caller: Caller, run_id: str) -> int:
        """How many rows are stored and left out, because their Worker failed. Raises
        ``RunNotFound``.
        """
        source = await self.source(caller, run_id)
        if not source.hidden:
            return 0
        stored = await self._results.totals(run_id, frozenset())
        return stored.rows - (await self.totals(source)).rows

    async def totals(self, source: RunRows) -> RunTotals:
        """Visible rows and their bytes."""
        return await self._results.totals(source.run.id, source.hidden)

    async def headers_of(self, source: RunRows) -> list[Header]:
        """The run's columns: as its Worker named them, else as the version's output schema says,
        else as the first rows show."""
        return await self._headers(source, None)

    async def _headers(self, source: RunRows, sample: list[Row] | None) -> list[Header]:
        declared = await self._results.headers(source.run.id)
        if declared:
            return declared
        try:
            declared = output_schema.headers(source.output_schema)
        except InvalidRequest:
            # Publishing refuses such a schema; should one exist, its rows must still be readable.
            declared = []
        if declared:
            return declared
        if sample is None:
            sample = await self._results.rows_after(
                source.run.id, source.hidden, position=0, limit=SAMPLE_ROWS
            )
        return headers_from_rows(sample[:SAMPLE_ROWS])

    async def headers_for(self, source: RunRows, query: Query) -> list[Header]:
        """The columns of the rows in the form of ``query``."""
        declared = await self._headers(source, None)
        if query.form.plain:
            return declared
        shape, sample = Shape(query.form), []
        if query.form.flatten:
            sample = await self._results.rows_after(
                source.run.id, source.hidden, position=0, limit=SAMPLE_ROWS
            )
        return await asyncio.to_thread(lambda: shape.headers(declared, shape.rows(sample)))

    async def _part(
        self, source: RunRows, choice: FieldSelection, index: int, size: int, at: Cursor | None
    ) -> tuple[int, list[Row], Cursor | None]:
        """Number of all chosen rows, the rows of one page, and where the next page begins."""
        if choice.plain and at is not None:
            return await self._onward(source, size, at)
        if choice.plain:
            count = (await self.totals(source)).rows
            rows = await self._results.page(
                source.run.id, source.hidden, offset=(index - 1) * size, limit=size
            )
            return count, rows, None
        order = await self._order(source, choice, at.bound if at else 0)
        count = len(order.positions)
        begin = _after(order, at) if at else (index - 1) * size
        positions = order.positions[begin : begin + size]
        rows = await self._results.rows_at(source.run.id, positions)
        end = begin + len(positions)
        if not positions or end >= count:
            return count, rows, None
        bound = 0 if source.run.state.terminal else order.bound
        return count, rows, Cursor(positions[-1], end, at.bound if at and at.bound else bound)

    async def _onward(
        self, source: RunRows, size: int, at: Cursor
    ) -> tuple[int, list[Row], Cursor | None]:
        """The next rows as they were pushed. While the run pushes, more may always follow."""
        count = (await self.totals(source)).rows
        rows = await self._results.rows_after(
            source.run.id, source.hidden, position=at.position, limit=size + 1
        )
        more = len(rows) > size
        rows = rows[:size]
        if not more and source.run.state.terminal:
            return count, rows, None
        return count, rows, Cursor(rows[-1].position if rows else at.position)

    async def _order(self, source: RunRows, choice: FieldSelection, bound: int = 0) -> RowOrder:
        run = source.run
        wanted = OrderRequest(
            run.account_id, run.id, source.hidden, choice, run.state.terminal and not bound, bound
        )
        return await self._orders.get(wanted)

    async def walk_chosen(self, source: RunRows, query: Query) -> AsyncGenerator[list[Row], None]:
        """As ``walk``, but only the chosen rows, in their order and form."""
        if query.choice.plain:
            pages = self.walk(source.run.id, source.hidden)
        else:
            order = await self._order(source, query.choice)
            pages = self._walk_at(source.run.id, order.positions)
        shape = Shape(query.form)
        async with aclosing(pages):
            async for rows in pages:
                shaped = rows
                if not query.form.plain:
                    shaped = await asyncio.to_thread(shape.rows, rows)
                if shaped:
                    yield shaped

    async def _walk_at(
        self, run_id: str, positions: Sequence[int]
    ) -> AsyncGenerator[list[Row], None]:
        begin, limit = 0, _FIRST_CHUNK
        while begin < len(positions):
            rows = await self._results.rows_at(run_id, positions[begin : begin + limit])
            begin += limit
            if rows:
                yield rows
                limit = _next_limit(rows, limit)

    async def walk(self, run_id: str, hidden: frozenset[str]) -> AsyncGenerator[list[Row], None]:
        """All visible rows in order, in chunks of about a megabyte and at most 1024 rows.

        No transaction stays open between chunks, so a slow reader blocks no other.
        """
        position, limit = 0, _FIRST_CHUNK
        while rows := await self._results.rows_after(
            run_id, hidden, position=position, limit=limit
        ):
            yield rows
            position = rows[-1].position
            limit = _next_limit(rows, limit)


def _after(order: RowOrder, at: Cursor) -> int:
    """Where an order continues after the last row of the walk. Rows that were hidden in the
    meantime may have moved it."""
    offset = min(at.offset, len(order.positions))
    if offset and order.positions[offset - 1] != at.position:
        try:
            return order.positions.index(at.position) + 1
        except ValueError:
            return offset
    return offset


def _rows_of(tx: Transaction, run: Run, failed_rows: bool) -> RunRows:
    version = tx.workers.version(run.worker_id, run.version)
    schema = version.output_schema if version is not None else ""
    hidden = frozenset[str]() if failed_rows else tx.runs.hidden_attempts(run.id)
    return RunRows(run, hidden, schema)


def _next_limit(rows: list[Row], limit: int) -> int:
    """Follow the size of the rows: shrink at once, grow by doubling, so that a run whose rows
    become large never fills the memory."""
    average = max(1, sum(len(row.data) for row in rows) // len(rows))
    return max(1, min(_CHUNK_BYTES // average, limit * 2, _MAX_ROWS))
