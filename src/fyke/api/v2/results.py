"""Rows of a run: a page of them, or a link to a file with all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fyke.api.envelope import encode
from fyke.api.exporting import ExportLinks
from fyke.api.operations import Call, Operation
from fyke.api.shared import SharedReads
from fyke.api.v1.answers import Download, ResultPage
from fyke.api.v1.views import result_page
from fyke.api.v2.fields import Export, Page
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
                fields=Page,
                handler=self.list,
                answer=ResultPage,
                hot=True,
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

    async def list(self, call: Call, wanted: Page) -> bytes:
        caller, run_id = call.caller, await self.scopes.run_id(call, wanted)
        index, size = wanted.offset, wanted.limit

        async def read() -> bytes:
            return result_page(await self.results.page(caller, run_id, index, size))

        return await self.pages.get((caller.account_id, run_id, index, size), read)

    async def export(self, call: Call, wanted: Export) -> bytes:
        url = await self.exports.url(
            call,
            await self.scopes.run_id(call, wanted),
            wanted.format,
            wanted.filter_keys,
            safe=wanted.safe,
            bom=wanted.bom,
        )
        return encode({"download_url": url})
