"""Reading what runs pushed: pages for people and clients, walks for exports.

Which rows are visible follows from how their attempts ended, which is state; the rows themselves
lie in a store of their own. Each read asks the state once, then the rows.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fyke.domain.accounts.model import Caller
from fyke.domain.contracts import Results, Storage, Transaction
from fyke.domain.results.access import existing_run, own_run
from fyke.domain.results.headers import headers_from_rows
from fyke.domain.results.model import Header, Row, RunTotals
from fyke.domain.runs.model import Run
from fyke.domain.workers import output_schema
from fyke.errors import InvalidRequest

SAMPLE_ROWS = 100  # looked at when columns must be derived from rows
_FIRST_CHUNK = 64
_MOST_ROWS = 1024
_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class ResultPage:
    """One page of visible rows; ``count`` is over all pages."""

    count: int
    headers: list[Header]
    rows: list[Row]
    page_index: int
    page_size: int


@dataclass(frozen=True, slots=True)
class RunRows:
    """A run with what its state says about its rows."""

    run: Run
    hidden: frozenset[str]
    output_schema: str


class RunResults:
    """Rows and columns of runs, each run seen only by its own account."""

    def __init__(self, storage: Storage, results: Results) -> None:
        self._storage = storage
        self._results = results

    async def page(
        self, caller: Caller, run_id: str, page_index: int, page_size: int
    ) -> ResultPage:
        """One page of the caller's run; it may still be running.

        Pages count from 1, lower numbers mean the first. ``page_size`` is at least 1; its upper
        bound is the caller's to set. Behind the end ``rows`` is empty and ``count`` the same.
        Raises ``RunNotFound``, also for another account's run.
        """
        source = await self._storage.read(lambda tx: _rows_of(tx, own_run(tx, caller, run_id)))
        index, size = max(1, page_index), max(1, page_size)
        count = (await self.totals(source)).rows
        offset = (index - 1) * size
        rows: list[Row] = []
        if offset < count:
            rows = await self._results.page(run_id, source.hidden, offset=offset, limit=size)
        # The first page often shows enough to derive columns; do not read it twice.
        enough = index == 1 and len(rows) in (count, max(size, SAMPLE_ROWS))
        sample = rows if enough else None
        return ResultPage(count, await self._headers(source, sample), rows, index, size)

    async def source(self, caller: Caller, run_id: str) -> RunRows:
        """The caller's run for reading its rows. Raises ``RunNotFound``."""
        return await self._storage.read(lambda tx: _rows_of(tx, own_run(tx, caller, run_id)))

    async def source_of(self, run_id: str) -> RunRows:
        """As ``source``, for whoever shows a signed link instead of a key."""
        return await self._storage.read(lambda tx: _rows_of(tx, existing_run(tx, run_id)))

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

    async def walk(self, run_id: str, hidden: frozenset[str]) -> AsyncGenerator[list[Row], None]:
        """All visible rows in order, in chunks of about a megabyte and at most 1024 rows.

        No read is held open between chunks, so a slow reader holds up nobody.
        """
        position, limit = 0, _FIRST_CHUNK
        while rows := await self._results.rows_after(
            run_id, hidden, position=position, limit=limit
        ):
            yield rows
            position = rows[-1].position
            limit = _next_limit(rows, limit)


def _rows_of(tx: Transaction, run: Run) -> RunRows:
    version = tx.workers.version(run.worker_id, run.version)
    schema = version.output_schema if version is not None else ""
    return RunRows(run, tx.runs.hidden_attempts(run.id), schema)


def _next_limit(rows: list[Row], limit: int) -> int:
    """Follow the size of the rows: shrink at once, grow by doubling, so that a run whose rows
    become large never fills the memory."""
    average = max(1, sum(len(row.data) for row in rows) // len(rows))
    return max(1, min(_CHUNK_BYTES // average, limit * 2, _MOST_ROWS))
