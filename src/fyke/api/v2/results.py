"""Rows of a run: a page of them, or a link to a file with all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.exporting import ExportLinks
from fyke.api.querying import query_from
from fyke.api.routes import Json
from fyke.api.shared import SharedReads
from fyke.api.v2.run_selector import OperationIds, RunSelector, for_each_selector
from fyke.domain.results.service import RunResults
from fyke.model.account import Scope
from fyke.wire.rows import Download, ResultPage
from fyke.wire.v2.fields import ResultExport, ResultQuery, RunId, WorkerId


@dataclass(frozen=True, slots=True)
class ResultRoutes:
    tag: ClassVar[str] = "Results"

    results: RunResults
    exports: ExportLinks
    selector: RunSelector
    pages: SharedReads[Json[ResultPage]] = field(default_factory=SharedReads)

    @for_each_selector(
        "GET",
        "/result",
        OperationIds(
            "listLastWorkerRunResults", "listWorkerRunResults", "listWorkerLastRunResults"
        ),
        scope=Scope.READ,
        hot=True,
        validated=True,
    )
    async def list_results(
        self, call: Call, query: ResultQuery, run_id: RunId = "", worker_id: WorkerId = ""
    ) -> Json[ResultPage]:
        """A page of the rows of {run}; it may still be running.

        Beyond the last page `list` is empty. Filters, sorting and cursors are explained in
        docs/reference/rows.md.
        """
        caller, run_id = call.caller, await self.selector.find(call, run_id, worker_id)
        index, size = query.offset, query.limit
        rows_query, cursor = query_from(query), query.cursor.strip()

        async def read() -> Json[ResultPage]:
            page = await self.results.page(caller, run_id, index, size, rows_query, cursor)
            return Json(ResultPage.of(page))

        key = (caller.account_id, run_id, index, size, rows_query, cursor)
        return await self.pages.get(key, read)

    @for_each_selector(
        "GET",
        "/export",
        OperationIds(
            "exportLastWorkerRunResults", "exportWorkerRunResults", "exportWorkerLastRunResults"
        ),
        scope=Scope.READ,
        run_suffix="/result/export",
    )
    async def export_results(
        self, call: Call, query: ResultExport, run_id: RunId = "", worker_id: WorkerId = ""
    ) -> Download:
        """A temporary link to a file with the rows of {run}.

        The file is generated from the rows at the time of the download. Rows that do not fit into
        an xls file are refused.
        """
        return await self.exports.answer(
            call,
            await self.selector.find(call, run_id, worker_id),
            query.format,
            query.filter_keys,
            safe=query.safe,
            bom=query.bom,
            query=query_from(query),
        )
