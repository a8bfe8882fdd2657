"""Rows of a run: a page of them, or a link to a file with all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fyke.api.call import Call
from fyke.api.envelope import encode
from fyke.api.exporting import ExportLinks
from fyke.api.operations import Operation
from fyke.api.querying import query_in
from fyke.api.shared import SharedReads
from fyke.api.v1.answers import Download, ResultPage
from fyke.api.v1.views import result_page
from fyke.api.v2.fields import Export, RowPage
from fyke.api.v2.run_scopes import Names, RunScopes, in_all_scopes
from fyke.domain.results.export.formats import FORMATS
from fyke.domain.results.service import RunResults


@dataclass(frozen=True, slots=True)
class ResultOperations:
    results: RunResults
    exports: ExportLinks
    scopes: RunScopes
    pages: SharedReads[bytes] = field(default_factory=SharedReads)

    def operations(self) -> list[Operation[Any]]:
        return [
            *in_all_scopes(
                "GET",
                "/result",
                Names(
                    "listLastWorkerRunResults", "listWorkerRunResults", "listWorkerLastRunResults"
                ),
                tag="Results",
                summary="A page of the rows of {run}; it may still be running",
                fields=RowPage,
                handler=self.list,
                answer=ResultPage,
                hot=True,
                validated=True,
            ),
            *in_all_scopes(
                "GET",
                "/export",
                Names(
                    "exportLastWorkerRunResults",
                    "exportWorkerRunResults",
                    "exportWorkerLastRunResults",
                ),
                tag="Results",
                summary="A temporary link to a file with the rows of {run}",
                description=f"Formats: {', '.join(FORMATS)}. Unknown `filter_keys` are ignored.",
                fields=Export,
                handler=self.export,
                answer=Download,
                run_suffix="/result/export",
            ),
        ]

    async def list(self, call: Call, wanted: RowPage) -> bytes:
        caller, run_id = call.caller, await self.scopes.run_id(call, wanted)
        index, size = wanted.offset, wanted.limit
        query, cursor = query_in(wanted), wanted.cursor.strip()

        async def read() -> bytes:
            return result_page(await self.results.page(caller, run_id, index, size, query, cursor))

        return await self.pages.get((caller.account_id, run_id, index, size, query, cursor), read)

    async def export(self, call: Call, wanted: Export) -> bytes:
        return encode(
            await self.exports.answer(
                call,
                await self.scopes.run_id(call, wanted),
                wanted.format,
                wanted.filter_keys,
                safe=wanted.safe,
                bom=wanted.bom,
                query=query_in(wanted),
            )
        )
