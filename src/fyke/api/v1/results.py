"""Rows of a run: a page of them, or a link to a file with all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.exporting import ExportLinks
from fyke.api.querying import query_from
from fyke.api.routes import Json, post
from fyke.api.shared import SharedReads
from fyke.domain.results.service import RunResults
from fyke.errors import RunNotFound
from fyke.model.account import Scope
from fyke.wire import rows, v1


@dataclass(frozen=True, slots=True)
class ResultRoutes:
    tag: ClassVar[str] = "Results"

    results: RunResults
    exports: ExportLinks
    pages: SharedReads[Json[rows.ResultPage]] = field(default_factory=SharedReads)

    @post("/api/v1/run/result/list", scope=Scope.READ, errors=(RunNotFound,), hot=True)
    async def list_results_v1(self, call: Call, body: v1.ResultList) -> Json[rows.ResultPage]:
        """A page of a run's rows; it may still be running.

        Rows are the objects that the Worker pushed, numbers digit for digit, with
        `__coreclaw_data_id__` at their end. Beyond the last page `list` is empty and `count` the
        same. Filters, sorting and cursors are explained in docs/reference/rows.md.
        """
        caller, run = call.caller, body.run_slug
        index, size = body.page_index, body.page_size
        query, cursor = query_from(body), body.cursor.strip()

        async def read() -> Json[rows.ResultPage]:
            page = await self.results.page(caller, run, index, size, query, cursor)
            return Json(rows.ResultPage.of(page))

        return await self.pages.get((caller.account_id, run, index, size, query, cursor), read)

    @post("/api/v1/run/result/export", scope=Scope.READ, errors=(RunNotFound,))
    async def export_results_v1(self, call: Call, body: v1.Export) -> rows.Download:
        """A temporary link to a file with a run's rows.

        The file is generated from the rows at the time of the download. Rows that do not fit into
        an xls file are refused.
        """
        return await self.exports.answer(
            call,
            body.run_slug,
            body.format,
            body.filter_keys,
            safe=body.safe,
            bom=body.bom,
            query=query_from(body),
        )
