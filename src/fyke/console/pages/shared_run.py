"""The read-only page of one run for visitors with its share link."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.responses import Response

from fyke.api.files import EXPORT, LOG, Links
from fyke.console.page import ConsolePage
from fyke.console.pages import run_log, run_rows
from fyke.console.view import View
from fyke.domain.accounts.link_issuers import Issuer, IssuerKind
from fyke.domain.logs import ansi
from fyke.domain.logs.reading import LogPosition, LogReader
from fyke.domain.results.export.formats import FORMATS, file_name
from fyke.domain.results.headers import with_undeclared
from fyke.domain.results.service import RunResults
from fyke.domain.runs.sharing import Shares
from fyke.errors import NotFound
from fyke.model.log import LogFilter

DOWNLOADS = ("csv", "json", "xlsx")


@dataclass(frozen=True, slots=True)
class SharedRunPages:
    shares: Shares
    results: RunResults
    logs: LogReader
    links: Links

    def pages(self) -> list[ConsolePage]:
        return [ConsolePage("GET", "/shared/{token:path}", self.show)]

    async def show(self, view: View) -> Response:
        """``part=log`` shows the log, where the link includes it."""
        try:
            shared = await self.shares.open(view.param("token"))
        except NotFound:
            # the same page for all causes, so that it does not reveal which links existed
            return view.page("run/share_invalid.html", status=404)
        run, issuer = shared.run, Issuer(IssuerKind.SHARE, shared.share.id)
        log = shared.share.log and (view.query.get("part") == "log" or not shared.share.rows)
        source = await self.results.source_of(run.id)
        totals = await self.results.totals(source)
        address = run_rows.read(view.query)
        size = run_rows.page_size(totals.rows, totals.row_bytes)
        rows, columns, log_page = [], [], None
        if shared.share.rows and not log:
            declared = await self.results.headers_of(source)
            page = await self.results.plain_rows(source, address.page, size)
            headers = await asyncio.to_thread(with_undeclared, declared, page)
            columns = run_rows.columns_of(address, headers)
            rows = await asyncio.to_thread(run_rows.records, page, "table", columns)
        if log:
            before = run_log.read(view.query).before
            log_page = await self.logs.page_of(
                run.id, LogPosition(before=before), LogFilter(), limit=run_log.LINES
            )
        return view.page(
            "run/shared.html",
            headers={"referrer-policy": "no-referrer", "x-robots-tag": "noindex"},
            shared=shared,
            showing_log=log,
            address=address,
            total=totals.rows,
            size=size,
            columns=columns,
            rows=rows,
            log=log_page,
            spans=ansi.spans,
            files=self._files(view, issuer, run.id) if shared.share.rows else [],
            log_file=self.links.url(view.visit, issuer, LOG, run.id, f"{run.id}.log")
            if shared.share.log
            else "",
        )

    def _files(self, view: View, issuer: Issuer, run_id: str) -> list[tuple[str, str]]:
        """(format, address) of each file. Addresses expire in minutes or end with the share link;
        each page makes new ones.
        """
        return [
            (
                name,
                self.links.url(
                    view.visit,
                    issuer,
                    EXPORT,
                    run_id,
                    file_name(FORMATS[name]),
                    format=name,
                    safe=name == "csv",
                ),
            )
            for name in DOWNLOADS
        ]
