"""Exports: checked when they are requested, written when they are downloaded.

A caller gets a link; its download is written from the rows at that time. A link ends when its run
is deleted. The export of an ended run has a fingerprint: files with the same fingerprint have the
same bytes, so a download can be kept for a while and resumed (see ``spool``).
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC
from functools import partial
from pathlib import Path

from fyke import __version__
from fyke.contracts.state import Storage, Transaction
from fyke.domain.results.columns import EndedColumns
from fyke.domain.results.export.cells import CELL_CHARACTERS, CUT_MARK
from fyke.domain.results.export.column_types import ColumnTypes, unchanged
from fyke.domain.results.export.columns import check_number, choose_columns, with_keys
from fyke.domain.results.export.formats import (
    ExportFormat,
    file_name,
    parse_format,
    readable_name,
    write,
)
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.xls import XLS_MAX_BYTES, XLS_ROWS
from fyke.domain.results.export.xlsx import XLSX_ROWS
from fyke.domain.results.query.model import PLAIN, Query
from fyke.domain.results.service import RunResults, RunRows
from fyke.errors import InvalidRequest
from fyke.kit.clock import Clock
from fyke.kit.zstd import zstd_module
from fyke.model.account import Caller
from fyke.model.results import Header, RowBlock, RunTotals
from fyke.reasons import Detail, DetailCode


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file that is being sent. ``body`` must be read to its end or closed (``aclose``)."""

    content_type: str
    body: AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The options of an export. ``keys``: columns, all when empty. ``link``: the address of the
    run's page. ``safe`` and ``bom`` are for csv.
    """

    format: ExportFormat
    keys: tuple[str, ...] = ()
    query: Query = PLAIN
    safe: bool = False
    bom: bool = False
    link: str = ""


@dataclass(frozen=True, slots=True)
class ExportJob:
    """A file that can be written now. ``fingerprint`` is empty until the run has ended; ``name`` is
    one for its users, with the time in UTC.
    """

    source: RunRows
    request: ExportRequest
    meta: ExportMeta
    fingerprint: str
    name: str


class Exports:
    """Writes the results of runs as files. ``scratch`` is the folder for temporary files."""

    def __init__(
        self, storage: Storage, results: RunResults, clock: Clock, scratch: Path | None = None
    ) -> None:
        self._storage = storage
        self._results = results
        self._clock = clock
        self._scratch = scratch
        self._ended_columns = EndedColumns()

    async def check(
        self,
        caller: Caller,
        run_id: str,
        format: str | None,
        filter_keys: Sequence[str] = (),
        query: Query = PLAIN,
    ) -> tuple[ExportFormat, list[Detail]]:
        """Check that the caller may export this run in this way; return the format, and the limits
        of the format that users should know beforehand.

        Raises ``RunNotFound``, also for another account's run, and ``InvalidRequest`` for an
        unknown format and for a run that is too large for it.
        """
        export_format = parse_format(format)
        source = await self._results.source(caller, run_id, failed_rows=query.failed_rows)
        rows = await self._check_size(export_format, source)
        if export_format.name == "xls":
            # xls allows few columns, and its few rows are read quickly: refuse too many columns
            # here, not when the link is opened
            await self._columns(source, ExportRequest(export_format, tuple(filter_keys), query))
        elif export_format.max_columns and not filter_keys:
            # keys that occur only in rows are counted when the file is written
            check_number(export_format, len(await self._results.headers_for(source, query)))
        return export_format, _notes(export_format, rows)

    async def open(
        self,
        run_id: str,
        format: ExportFormat,
        filter_keys: Sequence[str] = (),
        *,
        safe: bool = False,
        bom: bool = False,
        link: str = "",
    ) -> ExportFile:
        """``prepare`` and ``stream`` in one, for all rows."""
        request = ExportRequest(format, tuple(filter_keys), safe=safe, bom=bom, link=link)
        job = await self.prepare(run_id, request)
        return ExportFile(format.content_type, await self.stream(job))

    async def prepare(self, run_id: str, request: ExportRequest) -> ExportJob:
        """Prepare an export without a caller, for requests with a signed link. Raises
        ``RunNotFound`` and ``InvalidRequest``."""
        source = await self._results.source_of(run_id, failed_rows=request.query.failed_rows)
        await self._check_size(request.format, source)
        title, worker = await self._names(source)
        meta = ExportMeta(
            run_id=run_id,
            title=title,
            at=source.run.finished_at or self._clock.now_ms(),
            link=request.link,
            safe=request.safe,
            bom=request.bom,
        )
        fingerprint = ""
        if source.run.state.terminal:
            totals = await self._results.totals(source)
            fingerprint = _fingerprint(source, request, meta, totals)
        name = file_name(request.format, readable_name(worker, source.run.created_at, UTC))
        return ExportJob(source, request, meta, fingerprint, name)

    async def stream(self, job: ExportJob) -> AsyncGenerator[bytes, None]:
        """The bytes of the file, to be read to the end or closed. Raises ``InvalidRequest`` when
        the format does not allow so many columns.
        """
        columns = await self._columns(job.source, job.request)
        pages = self._results.walk_selected(job.source, job.request.query)
        if job.request.format.name == "parquet":
            columns, pages = await self._typed(job, columns or [], pages)
        return write(job.request.format, columns, pages, job.meta, scratch=self._scratch)

    async def _typed(
        self, job: ExportJob, columns: list[Header], pages: AsyncGenerator[RowBlock, None]
    ) -> tuple[list[Header], AsyncGenerator[RowBlock, None]]:
        """The columns with their types, and the rows from which these were made."""
        source, query = job.source, _in_any_order(job.request.query)
        types, last = ColumnTypes(columns), 0
        async with aclosing(self._results.walk_selected(source, query)) as blocks:
            async for block in blocks:
                await asyncio.to_thread(types.add, block)
                last = max(last, max(block.positions))
        if not source.run.state.terminal:
            pages = unchanged(pages, types, last)
        return types.headers(), pages

    async def _columns(self, source: RunRows, request: ExportRequest) -> list[Header] | None:
        query = _in_any_order(request.query)
        totals = await self._results.totals(source)
        key = source.run.id, source.hidden, source.output_schema, totals, query
        kept = self._ended_columns.get(key)
        if kept is not None:
            return await choose_columns(request.format, kept, request.keys, None)
        headers = await self._results.headers_for(source, request.query)
        if request.format.max_columns or request.keys:
            noted = await self._results.noted_keys(source, query)
            if noted is not None:
                known = with_keys(headers, noted)
                return await choose_columns(request.format, known, request.keys, None)
        walk = partial(self._results.walk_selected, source, query)
        columns = await choose_columns(request.format, headers, request.keys, walk)
        if columns is not None and not request.keys and source.run.state.terminal:
            self._ended_columns.put(key, columns)
        return columns

    async def _names(self, source: RunRows) -> tuple[str, str]:
        """A title of the results, and the name of the run's worker."""

        def work(tx: Transaction) -> tuple[str, str]:
            worker = tx.workers.get(source.run.worker_id)
            if worker is None:
                return "Results", "results"
            return f"Results of {worker.title or worker.path}", worker.name

        return await self._storage.read(work)

    async def _check_size(self, format: ExportFormat, source: RunRows) -> int:
        """The number of rows. Raises ``InvalidRequest`` when the format does not allow so many."""
        totals = await self._results.totals(source)
        if format.name == "xls" and totals.row_bytes > XLS_MAX_BYTES:
            raise InvalidRequest(
                f"xls is for at most {XLS_MAX_BYTES // 2**20} MB of rows and this run has more",
                remedy="choose xlsx or csv",
                field="format",
            )
        return totals.rows


def _in_any_order(query: Query) -> Query:
    """A query for the same rows in the order of the pushes."""
    return replace(query, selection=replace(query.selection, sort=None))


def _notes(format: ExportFormat, rows: int) -> list[Detail]:
    """The limits of the format; the rows of xlsx only if they do not fit into one sheet."""
    cells = Detail.of(
        DetailCode.CELL_LENGTH, max_characters=f"{CELL_CHARACTERS:,}", cut_mark=CUT_MARK
    )
    if format.name == "xls":
        columns = {"max_columns": format.max_columns, "max_mb": XLS_MAX_BYTES // 2**20}
        return [
            _sheets(rows, XLS_ROWS),
            Detail.of(DetailCode.SHEET_COLUMNS, **columns),
            cells,
        ]
    if format.name == "xlsx":
        return [*([_sheets(rows, XLSX_ROWS)] if rows >= XLSX_ROWS else []), cells]
    return []


def _sheets(rows: int, sheet_rows: int) -> Detail:
    sheets = max(1, -(-rows // (sheet_rows - 1)))
    several_sheets = sheets if sheets > 1 else None
    return Detail.of(DetailCode.SHEET_ROWS, sheet_rows=sheet_rows, sheets=several_sheets)


def _fingerprint(
    source: RunRows, request: ExportRequest, meta: ExportMeta, totals: RunTotals
) -> str:
    """A digest of everything that the bytes of the file depend on, valid in a file name and an
    ETag.
    """
    inputs = (
        __version__,
        zlib.ZLIB_RUNTIME_VERSION,  # xlsx is compressed, and the result may differ
        zstd_module().zstd_version,  # and so is parquet
        request.format.name,
        request.keys,
        request.query,
        meta,
        totals,
        sorted(source.hidden),
        source.output_schema,
    )
    return hashlib.sha256(repr(inputs).encode("utf-8", "backslashreplace")).hexdigest()[:40]
