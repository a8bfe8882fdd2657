"""Exports for callers: checked when they are asked for, written when they are fetched.

Whoever asks gets a link; whoever has the link gets the file, made from the rows as they are then.
Nothing is stored in between, so an export dies with its run.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fyke.domain.accounts.model import Caller
from fyke.domain.contracts import Storage, Transaction
from fyke.domain.results.export.books import XLS_MAX_BYTES
from fyke.domain.results.export.columns import choose_columns
from fyke.domain.results.export.formats import ExportFormat, format_named, write
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.service import RunResults, RunRows
from fyke.errors import InvalidRequest
from fyke.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class Export:
    """A file on its way. ``body`` must be read to its end or closed (``aclose``)."""

    content_type: str
    body: AsyncGenerator[bytes, None]


class Exports:
    """Writes the results of runs as files. ``scratch`` takes the workbooks while they are made."""

    def __init__(
        self, storage: Storage, results: RunResults, clock: Clock, scratch: Path | None = None
    ) -> None:
        self._storage = storage
        self._results = results
        self._clock = clock
        self._scratch = scratch

    async def check(self, caller: Caller, run_id: str, format: str | None) -> ExportFormat:
        """Whether the caller may export this run so; return the format for the link.

        Raises ``RunNotFound``, also for another account's run, and ``InvalidRequest`` for an
        unknown format and for a run that is too large for it.
        """
        wanted = format_named(format)
        await self._check_size(wanted, await self._results.source(caller, run_id))
        return wanted

    async def open(
        self,
        run_id: str,
        format: ExportFormat,
        filter_keys: Sequence[str] = (),
        *,
        safe: bool = False,
        bom: bool = False,
        link: str = "",
    ) -> Export:
        """Begin the file, for whoever shows a signed link. Raises ``RunNotFound`` and
        ``InvalidRequest`` before anything is sent.
        """
        source = await self._results.source_of(run_id)
        await self._check_size(format, source)
        headers = await self._results.headers_of(source)
        walk = partial(self._results.walk, run_id, source.hidden)
        columns = await choose_columns(format, headers, filter_keys, walk)
        meta = ExportMeta(
            run_id=run_id,
            title=await self._title(source),
            at=source.run.finished_at or self._clock.now_ms(),
            link=link,
            safe=safe,
            bom=bom,
        )
        body = write(format, columns, walk(), meta, scratch=self._scratch)
        return Export(format.content_type, body)

    async def _title(self, source: RunRows) -> str:
        def work(tx: Transaction) -> str:
            worker = tx.workers.get(source.run.worker_id)
            return f"Results of {worker.title or worker.path}" if worker else "Results"

        return await self._storage.read(work)

    async def _check_size(self, format: ExportFormat, source: RunRows) -> None:
        if format.name != "xls":
            return
        if (await self._results.totals(source)).row_bytes > XLS_MAX_BYTES:
            raise InvalidRequest(
                f"format: xls is for at most {XLS_MAX_BYTES // 2**20} MB of rows and this run has "
                "more; choose xlsx or csv"
            )
