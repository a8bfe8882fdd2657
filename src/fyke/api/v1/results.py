"""Rows of a run: a page of them, or a link to a file with all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fyke.api.errors import TABLE
from fyke.api.exporting import ExportLinks
from fyke.api.operations import Call, Operation
from fyke.api.querying import query_in
from fyke.api.shared import SharedReads
from fyke.api.v1 import answers, fields, views
from fyke.domain.results.export.formats import FORMATS
from fyke.domain.results.service import RunResults
from fyke.errors import RunNotFound


@dataclass(frozen=True, slots=True)
class ResultOperations:
    results: RunResults
    exports: ExportLinks
    pages: SharedReads[bytes] = field(default_factory=SharedReads)

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "POST",
                "/api/v1/run/result/list",
                id="listResultsV1",
                tag="Results",
                summary="A page of a run's rows; it may still be running",
                fields=fields.ResultList,
                handler=self.list,
                answer=answers.ResultPage,
                errors=(TABLE[RunNotFound],),
                hot=True,
            ),
            Operation(
                "POST",
                "/api/v1/run/result/export",
                id="exportResultsV1",
                tag="Results",
                summary="A temporary link to a file with a run's rows",
                description=f"Formats: {', '.join(FORMATS)}. Unknown `filter_keys` are ignored.",
                fields=fields.Export,
                handler=self.export,
                answer=answers.Download,
                errors=(TABLE[RunNotFound],),
            ),
        ]

    async def list(self, call: Call, wanted: fields.ResultList) -> bytes:
        caller, run = call.caller, wanted.run_slug
        index, size = wanted.page_index, wanted.page_size
        query, cursor = query_in(wanted), wanted.cursor.strip()

        async def read() -> bytes:
            page = await self.results.page(caller, run, index, size, query, cursor)
            return views.result_page(page)

        return await self.pages.get((caller.account_id, run, index, size, query, cursor), read)

    async def export(self, call: Call, wanted: fields.Export) -> bytes:
        return await self.exports.answer(
            call,
            wanted.run_slug,
            wanted.format,
            wanted.filter_keys,
            safe=wanted.safe,
            bom=wanted.bom,
            query=query_in(wanted),
        )
