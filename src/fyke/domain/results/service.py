"""Reads the rows of runs: pages for the console and clients, walks for exports, and queries that
select, sort and convert rows.

Which rows are visible depends on the outcome of their attempts, which is in the state storage; the
rows are in a store of their own. Each read reads the state once, then the rows.
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
from fyke.domain.results.columns import EndedColumns
from fyke.domain.results.headers import headers_from_rows
from fyke.domain.results.query import cursor as cursors
from fyke.domain.results.query.cursor import Cursor
from fyke.domain.results.query.model import PLAIN, START, Query, RowSelection
from fyke.domain.results.query.orders import OrderRequest, RowOrder, RowOrders
from fyke.domain.results.query.shape import Shape
from fyke.domain.workers import output_schema
from fyke.errors import InvalidFields, InvalidRequest, RunNotFound
from fyke.kit.read_ahead import read_ahead
from fyke.model.account import Caller
from fyke.model.results import ROWS_LOST_AT, Header, Row, RowBlock, RunTotals
from fyke.model.run import Run

SAMPLE_ROWS = 100  # rows that columns are derived from
_FIRST_CHUNK = 64
_MAX_BLOCK_ROWS = 4096
_CHUNK_BYTES = 2**20
_DATA_BYTES, _MAX_POSITIONS = 8 * 2**20, 2**16  # of the rows of an order that are read at a time


@dataclass(frozen=True, slots=True)
class RowPage:
    """One page of visible rows; ``count`` is across all pages.

    ``walking``: requested with a cursor; ``next_cursor`` is then that of the next page, None on
    the last one. ``bare``: the rows are returned without the platform's row id.
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
    """A run, its attempts with hidden rows, and the output schema of its version."""

    run: Run
    hidden: frozenset[str]
    output_schema: str


class RunResults:
    """Rows and columns of runs; each account can read only its own runs. ``scratch`` is the folder
    for the temporary files of large sorts.
    """

    def __init__(self, storage: Storage, results: Results, scratch: Path | None = None) -> None:
        self._storage = storage
        self._results = results
        self._columns = EndedColumns()
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

        Page numbers start at 1; lower ones mean the first page. ``page_size`` is at least 1, its
        maximum is checked by the caller. After the last page ``rows`` is empty. With a ``cursor``
        (``*`` at the start, then ``next_cursor`` of the previous page) there are no page numbers,
        and rows that are pushed meanwhile do not move others. Raises ``RunNotFound``, also for
        another account's run, and ``InvalidFields``.
        """
        if query.plain and not cursor:
            return await self.plain_page(await self.source(caller, run_id), page_index, page_size)
        if cursor and page_index > 1:
            raise InvalidFields(
                "cursor replaces the page number (offset, page_index); give one of them"
            )
        source = await self.source(caller, run_id, failed_rows=query.failed_rows)
        index, size = max(1, page_index), max(1, page_size)
        at = None
        if cursor:
            at = Cursor() if cursor == START else cursors.decode(cursor, run_id, query.selection)
        count, rows, following = await self._selected(source, query.selection, index, size, at)
        next_cursor = None
        if at and following:
            next_cursor = cursors.encode(following, run_id, query.selection)
        return RowPage(
            count=count,
            headers=await self.headers_for(source, query),
            rows=await asyncio.to_thread(Shape(query.form).rows, rows),
            page_index=index,
            page_size=size,
            walking=at is not None,
            next_cursor=next_cursor,
            bare=query.form.clean,
        )

    async def plain_page(self, source: RunRows, page_index: int, page_size: int) -> RowPage:
        """The page of a plain query, see ``page``."""
        index, size = max(1, page_index), max(1, page_size)
        totals = await self.totals(source)
        offset = (index - 1) * size
        rows: list[Row] = []
        if offset < totals.rows:
            # a row that was pushed meanwhile is not counted
            limit = min(size, totals.rows - offset)
            rows = await self._results.page(
                source.run.id, source.hidden, offset=offset, limit=limit
            )
        # the first page is often a sufficient sample for columns, so it is not read twice
        is_sample = index == 1 and len(rows) in (totals.rows, max(size, SAMPLE_ROWS))
        headers = await self._known_headers(source, totals, rows if is_sample else None)
        return RowPage(totals.rows, headers, rows, index, size)

    async def _known_headers(
        self, source: RunRows, totals: RunTotals, sample: list[Row] | None
    ) -> list[Header]:
        """``_headers``, read once for an ended run."""
        if not source.run.state.terminal:
            return await self._headers(source, sample)
        key = source.run.id, source.hidden, source.output_schema, totals, None
        known = self._columns.get(key)
        if known is None:
            known = await self._headers(source, sample)
            self._columns.put(key, known)
        return known

    async def row(
        self, caller: Caller, run_id: str, position: int, *, failed_rows: bool = False
    ) -> Row | None:
        """The visible row at a position, None when there is none. Raises ``RunNotFound``."""
        source = await self.source(caller, run_id, failed_rows=failed_rows)
        rows = await self._results.rows_after(run_id, source.hidden, position=position - 1, limit=1)
        return rows[0] if rows and rows[0].position == position else None

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
        """Like ``source``, for requests with a signed link instead of a key."""
        return await self._storage.read(
            lambda tx: _rows_of(tx, existing_run(tx, run_id), failed_rows)
        )

    async def hidden_count(self, caller: Caller, run_id: str) -> int:
        """The number of stored rows that are hidden, because their Worker failed. Raises
        ``RunNotFound``.
        """
        source = await self.source(caller, run_id)
        if not source.hidden:
            return 0
        all_rows = await self.source(caller, run_id, failed_rows=True)
        stored = await self._results.totals(run_id, all_rows.hidden)
        return stored.rows - (await self._results.totals(run_id, source.hidden)).rows

    async def totals(self, source: RunRows) -> RunTotals:
        """The number of visible rows, and their bytes. Raises ``RunNotFound`` when the run is being
        deleted, which begins with its rows.
        """
        run = source.run
        totals = await self._results.totals(run.id, source.hidden)
        if not totals.rows and run.results and run.state.terminal and await self._is_deleted(run):
            raise RunNotFound
        return totals

    async def _is_deleted(self, run: Run) -> bool:
        """Whether an ended run that had visible rows has none because it is being deleted. Else
        they are hidden now, or were lost with their database.
        """
        if (await self._results.totals(run.id, frozenset())).rows:
            return False
        lost_at = await self._storage.read(lambda tx: tx.installation.fact(ROWS_LOST_AT))
        return run.finished_at > int(lost_at or 0)

    async def headers_of(self, source: RunRows) -> list[Header]:
        """The run's columns: declared by its Worker, else from the output schema of the version,
        else derived from the first rows.
        """
        return await self._headers(source, None)

    async def _headers(self, source: RunRows, sample: list[Row] | None) -> list[Header]:
        declared = await self._results.headers(source.run.id)
        if declared:
            return declared
        try:
            declared = output_schema.headers(source.output_schema)
        except InvalidRequest:
            declared = []  # publishing refuses such a schema, but the rows must still be readable
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

    async def noted_keys(self, source: RunRows, query: Query) -> list[str] | None:
        """The keys of the selected rows, as ``Results.keys`` returns them; None when all these rows
        have to be read for that.
        """
        if not (query.selection.plain and query.form.plain):
            return None
        return await self._results.keys(source.run.id, source.hidden)

    async def _selected(
        self, source: RunRows, selection: RowSelection, index: int, size: int, at: Cursor | None
    ) -> tuple[int, list[Row], Cursor | None]:
        """The number of all selected rows, the rows of one page, and the cursor of the next."""
        if selection.plain and at is not None:
            return await self._next_rows(source, size, at)
        if selection.plain:
            count = (await self.totals(source)).rows
            rows = await self._results.page(
                source.run.id, source.hidden, offset=(index - 1) * size, limit=size
            )
            return count, rows, None
        # the offset of a cursor is compared with all positions
        first = None if at and at.offset else (index - 1) * size + size
        order = await self._order(source, selection, at.bound if at else 0, first=first)
        count = order.count
        begin = _offset_after(order, at) if at else (index - 1) * size
        positions = order.positions[begin : begin + size]
        rows = await self._results.rows_at(source.run.id, positions)
        end = begin + len(positions)
        if not positions or end >= count:
            return count, rows, None
        bound = 0 if source.run.state.terminal else order.bound
        return count, rows, Cursor(positions[-1], end, at.bound if at and at.bound else bound)

    async def _next_rows(
        self, source: RunRows, size: int, at: Cursor
    ) -> tuple[int, list[Row], Cursor | None]:
        """Like ``_selected``, for all rows in the order of the pushes. Until the run has ended,
        more may follow.
        """
        count = (await self.totals(source)).rows
        rows = await self._results.rows_after(
            source.run.id, source.hidden, position=at.position, limit=size + 1
        )
        has_more = len(rows) > size
        rows = rows[:size]
        if not has_more and source.run.state.terminal:
            return count, rows, None
        return count, rows, Cursor(rows[-1].position if rows else at.position)

    async def _order(
        self,
        source: RunRows,
        selection: RowSelection,
        bound: int = 0,
        *,
        first: int | None = None,
    ) -> RowOrder:
        run = source.run
        ended = run.state.terminal and not bound
        return await self._orders.get(
            OrderRequest(run.account_id, run.id, source.hidden, selection, ended, bound),
            first=first,
        )

    async def walk_selected(self, source: RunRows, query: Query) -> AsyncGenerator[RowBlock, None]:
        """Like ``walk``, but only the selected rows, in their order and form."""
        if query.selection.plain:
            blocks = self.walk(source.run.id, source.hidden)
        else:
            order = await self._order(source, query.selection)
            blocks = self._walk_at(source.run.id, order.positions)
        shape = Shape(query.form)
        found = False
        async with aclosing(read_ahead(blocks)) as ahead:
            async for block in ahead:
                found = True
                shaped = block
                if not query.form.plain:
                    shaped = await asyncio.to_thread(shape.block, block)
                if shaped:
                    yield shaped
        if not found:
            await self.totals(source)  # fails if there are none because they were deleted

    async def _walk_at(
        self, run_id: str, positions: Sequence[int]
    ) -> AsyncGenerator[RowBlock, None]:
        begin, limit = 0, _FIRST_CHUNK
        while chunk := positions[begin : begin + limit]:
            texts = await self._results.data_at(run_id, chunk, max_bytes=_DATA_BYTES)
            if not texts:
                raise RunNotFound  # it was deleted meanwhile: no row of an order goes otherwise
            size = sum(map(len, texts))
            rows = min(max(1, _CHUNK_BYTES * len(texts) // size), _MAX_BLOCK_ROWS)
            for first in range(0, len(texts), rows):
                some = texts[first : first + rows]
                yield RowBlock.of(chunk[first : first + len(some)], some)
            begin += len(texts)
            fitting = max(1, _DATA_BYTES * len(texts) // size)
            limit = min(fitting, limit * 8, _MAX_POSITIONS)

    async def walk(self, run_id: str, hidden: frozenset[str]) -> AsyncGenerator[RowBlock, None]:
        """All visible rows in order, in blocks of about a megabyte.

        No transaction stays open between blocks, so a slow reader does not block others. Raises
        ``RunNotFound`` when the run is deleted before the last row.
        """
        missing = (await self._results.totals(run_id, hidden)).rows
        position, limit = 0, _FIRST_CHUNK
        while block := await self._results.block_after(
            run_id, hidden, position=position, limit=limit
        ):
            yield block
            missing -= len(block)
            position = block.positions[-1]
            limit = _limit_after(block, limit)
        if missing > 0:
            raise RunNotFound


def _offset_after(order: RowOrder, at: Cursor) -> int:
    """The offset after the last row that was read, which has moved when rows were hidden
    in the meantime.
    """
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
    runs = tx.runs
    hidden = runs.replaced_attempts(run.id) if failed_rows else runs.hidden_attempts(run.id)
    return RunRows(run, hidden, schema)


def _limit_after(block: RowBlock, limit: int) -> int:
    """The number of rows in the block after this one: it shrinks at once and grows by doubling, so
    that large rows do not fill the memory.
    """
    return max(1, min(_CHUNK_BYTES * len(block) // len(block.data), limit * 2, _MAX_BLOCK_ROWS))
