"""Rows of a run: a page of them, or a link to a file with all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.exporting import ExportLinks
from fyke.api.querying import query_in
from fyke.api.routes import Json
from fyke.api.shared import SharedReads
from fyke.api.v2.run_scopes import Names, RunScopes, in_all_scopes
from fyke.domain.results.service import RunResults
from fyke.model.account import Scope
from fyke.wire.rows import Download, ResultPage
from fyke.wire.v2.fields import ResultExport, ResultQuery, RunId, WorkerId


@dataclass(frozen=True, slots=True)
class ResultRoutes:
    tag: ClassVar[str] = "Results"

    results: RunResults
    exports: ExportLinks
    scopes: RunScopes
    pages: SharedReads[Json[ResultPage]] = field(default_factory=SharedReads)

    @in_all_scopes(
        "GET",
        "/result",
        Names("listLastWorkerRunResults", "listWorkerRunResults", "listWorkerLastRunResults"),
        scope=Scope.READ,
        hot=True,
        validated=True,
    )
    async def list_results(
        self, call: Call, wanted: ResultQuery, run_id: RunId = "", worker_id: WorkerId = ""
    ) -> Json[ResultPage]:
        """A page of the rows of {run}; it may still be running.

        Behind the last page `list` is empty. Filters, sorting and cursors are explained in
        docs/reference/rows.md.
        """
        caller, run_id = call.caller, await self.scopes.find(call, run_id, worker_id)
        index, size = wanted.offset, wanted.limit
        query, cursor = query_in(wanted), wanted.cursor.strip()

        async def read() -> Json[ResultPage]:
            page = await self.results.page(caller, run_id, index, size, query, cursor)
            return Json(ResultPage.of(page))

        return await self.pages.get((caller.account_id, run_id, index, size, query, cursor), read)

    @in_all_scopes(
        "GET",
        "/export",
        Names("exportLastWorkerRunResults", "exportWorkerRunResults", "exportWorkerLastRunResults"),
        scope=Scope.READ,
        run_suffix="/result/export",
    )
    async def export_results(
        self, call: Call, wanted: ResultExport, run_id: RunId = "", worker_id: WorkerId = ""
    ) -> Download:
        """A temporary link to a file with the rows of {run}.

        The file is made when it is fetched, from the rows as they are then. Rows that do not fit
        into an xls file are refused.
        """
        return await self.exports.answer(
            call,
            await self.scopes.find(call, run_id, worker_id),
            wanted.format,
            wanted.filter_keys,
            safe=wanted.safe,
            bom=wanted.bom,
            query=query_in(wanted),
        )
