"""Exports: checked when they are requested, written when they are downloaded.

A caller gets a link; the link gives the file, made from the rows at the time of the download. An
export ends with its run. The export of an ended run has a mark: the same mark means the same bytes,
so its download may be kept for a while and resumed (see ``spool``).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fyke import __version__
from fyke.contracts.state import Storage, Transaction
from fyke.domain.results.export.books import (
    CELL_CHARACTERS,
    XLS_MAX_BYTES,
    XLS_ROWS,
    XLSX_ROWS,
)
from fyke.domain.results.export.columns import check_number, choose_columns
from fyke.domain.results.export.formats import ExportFormat, format_named, write
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.query.model import PLAIN, Query
from fyke.domain.results.service import RunResults, RunRows
from fyke.errors import InvalidRequest
from fyke.kit.clock import Clock
from fyke.model.account import Caller
from fyke.model.results import Header, RunTotals
from fyke.reasons import Detail, DetailCode


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file that is being sent. ``body`` must be read to its end or closed (``aclose``)."""

    content_type: str
    body: AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What a file of a run is to be like. ``keys``: columns, all when empty. ``link``: where the
    run is shown. ``safe`` and ``bom`` are for csv."""

    format: ExportFormat
    keys: tuple[str, ...] = ()
    query: Query = PLAIN
    safe: bool = False
    bom: bool = False
    link: str = ""


@dataclass(frozen=True, slots=True)
class ExportJob:
    """A file that can be made now. ``mark`` is empty while the run may still change it."""

    source: RunRows
    request: ExportRequest
    meta: ExportMeta
    mark: str


class Exports:
    """Writes the results of runs as files. ``scratch`` takes the workbooks while they are made."""

    def __init__(
        self, storage: Storage, results: RunResults, clock: Clock, scratch: Path | None = None
    ) -> None:
        self._storage = storage
        self._results = results
        self._clock = clock
        self._scratch = scratch

    async def check(
        self,
        caller: Caller,
        run_id: str,
        format: str | None,
        filter_keys: Sequence[str] = (),
        query: Query = PLAIN,
    ) -> tuple[ExportFormat, list[Detail]]:
        """Whether the caller may export this run so; return the format for the link, and what a
        person should know about the file beforehand.

        Raises ``RunNotFound``, including for another account's run, and ``InvalidRequest`` for an
        unknown format and for a run that is too large for it.
        """
        wanted = format_named(format)
        source = await self._results.source(caller, run_id, failed_rows=query.failed_rows)
        rows = await self._check_size(wanted, source)
        if wanted.name == "xls":
            # so few columns that an ordinary run may have more, and so few rows that looking is
            # quick: refuse here rather than when the link is opened
            await self._columns(source, ExportRequest(wanted, tuple(filter_keys), query))
        elif wanted.max_columns and not filter_keys:
            # further columns that only rows know are counted when the file is made
            check_number(wanted, len(await self._results.headers_for(source, query)))
        return wanted, _notes(wanted, rows)

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
        """``plan`` and ``begin`` in one, of all rows."""
        request = ExportRequest(format, tuple(filter_keys), safe=safe, bom=bom, link=link)
        return ExportFile(format.content_type, await self.begin(await self.plan(run_id, request)))

    async def plan(self, run_id: str, request: ExportRequest) -> ExportJob:
        """Prepare an export without a caller, for requests with a signed link. Raises
        ``RunNotFound`` and ``InvalidRequest``."""
        source = await self._results.source_of(run_id, failed_rows=request.query.failed_rows)
        await self._check_size(request.format, source)
        meta = ExportMeta(
            run_id=run_id,
            title=await self._title(source),
            at=source.run.finished_at or self._clock.now_ms(),
            link=request.link,
            safe=request.safe,
            bom=request.bom,
        )
        mark = ""
        if source.run.state.terminal:
            totals = await self._results.totals(source)
            mark = _mark(source, request, meta, totals)
        return ExportJob(source, request, meta, mark)

    async def begin(self, plan: ExportJob) -> AsyncGenerator[bytes, None]:
        """The file, from its first byte; to be read to its end or closed. Raises
        ``InvalidRequest`` when the format does not allow so many columns."""
        columns = await self._columns(plan.source, plan.request)
        pages = self._results.walk_chosen(plan.source, plan.request.query)
        return write(plan.request.format, columns, pages, plan.meta, scratch=self._scratch)

    async def _columns(self, source: RunRows, request: ExportRequest) -> list[Header] | None:
        headers = await self._results.headers_for(source, request.query)
        query = request.query
        if not query.choice.filters:
            query = Query(form=query.form)  # the order says nothing about columns
        walk = partial(self._results.walk_chosen, source, query)
        return await choose_columns(request.format, headers, request.keys, walk)

    async def _title(self, source: RunRows) -> str:
        def work(tx: Transaction) -> str:
            worker = tx.workers.get(source.run.worker_id)
            return f"Results of {worker.title or worker.path}" if worker else "Results"

        return await self._storage.read(work)

    async def _check_size(self, format: ExportFormat, source: RunRows) -> int:
        """The number of rows. Raises ``InvalidRequest`` when the format does not allow so many."""
        totals = await self._results.totals(source)
        if format.name == "xls" and totals.row_bytes > XLS_MAX_BYTES:
            raise InvalidRequest(
                f"xls is for at most {XLS_MAX_BYTES // 2**20} MB of rows and this run has "
                "more; choose xlsx or csv",
                field="format",
            )
        return totals.rows


def _notes(format: ExportFormat, rows: int) -> list[Detail]:
    """The limits of xls, always, because they are low; those of xlsx when they matter."""
    if format.name == "xls":
        columns = {"max_columns": format.max_columns, "max_mb": XLS_MAX_BYTES // 2**20}
        return [
            _sheets(format.name, rows, XLS_ROWS),
            Detail.of(DetailCode.SHEET_COLUMNS, format=format.name, **columns),
            Detail.of(DetailCode.CELL_LENGTH, max_characters=f"{CELL_CHARACTERS:,}"),
        ]
    if format.name == "xlsx" and rows >= XLSX_ROWS:
        return [_sheets(format.name, rows, XLSX_ROWS)]
    return []


def _sheets(format: str, rows: int, sheet_rows: int) -> Detail:
    count = max(1, -(-rows // (sheet_rows - 1)))
    more = count if count > 1 else None
    return Detail.of(DetailCode.SHEET_ROWS, format=format, sheet_rows=sheet_rows, sheets=more)


def _mark(source: RunRows, request: ExportRequest, meta: ExportMeta, totals: RunTotals) -> str:
    """A digest of all that the bytes of the file depend on, fit for a file name and an ETag."""
    depends = (
        __version__,
        zlib.ZLIB_RUNTIME_VERSION,  # xlsx is compressed, and the result may differ
        request.format.name,
        request.keys,
        request.query,
        meta,
        totals,
        sorted(source.hidden),
        source.output_schema,
    )
    return hashlib.sha256(repr(depends).encode("utf-8", "backslashreplace")).hexdigest()[:40]
