"""The output of a run: its rows by pages as table, records or JSON, one row, and one value."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages import run_rows
from fyke.console.pages.run_frame import AREA, RunFrame, RunFrames
from fyke.console.view import View
from fyke.domain.logs import ansi
from fyke.domain.logs.reading import LogPosition, LogReader
from fyke.domain.logs.repeats import ShownLines
from fyke.domain.results.headers import with_undeclared
from fyke.domain.results.query.model import OPERATORS
from fyke.domain.results.service import RunResults
from fyke.errors import InvalidRequest, NotFound
from fyke.model.log import LogFilter
from fyke.model.results import Row

LAST_LINES = 20
LINES_ABOVE_ROWS = 5
_TEXT = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}


@dataclass(frozen=True, slots=True)
class RunOutputPages:
    frames: RunFrames
    results: RunResults
    logs: LogReader

    def pages(self) -> list[ConsolePage]:
        at = "/runs/{id}"
        return [
            ConsolePage("GET", at, self.show, area=AREA),
            ConsolePage("GET", f"{at}/rows/{{position}}", self.row, area=AREA),
            ConsolePage("GET", f"{at}/rows/{{position}}/value", self.value, area=AREA, part=True),
        ]

    async def show(self, view: View) -> Response:
        frame = await self.frames.get(view, live="tab=output")
        rows = await shown_rows(self.results, view, frame)
        lines = []
        if frame.failed:
            last = await self.logs.page_of(
                frame.view.run.id,
                LogPosition(),
                LogFilter(),
                limit=LINES_ABOVE_ROWS if rows["total"] else LAST_LINES,
            )
            lines = ShownLines().excerpts(last.lines)
        return view.page_or_part(
            "run/output.html",
            "output",
            status=422 if rows["faults"] else 200,
            frame=frame,
            last_lines=lines,
            spans=ansi.spans,
            **rows,
        )

    async def row(self, view: View) -> Response:
        frame = await self.frames.get(view)
        row = await self._row(view)
        record = await asyncio.to_thread(run_rows.record, row, run_rows.RECORD_CHARS)
        failed = run_rows.read(view.query).failed
        last = frame.view.results + (frame.hidden if failed else 0)
        return view.page(
            "run/row.html",
            frame=frame,
            record=record,
            size=len(row.data),
            last=last,
            failed=failed,
        )

    async def value(self, view: View) -> Response:
        """One value, or the full row without ``field``, as a file."""
        row = await self._row(view)
        key = view.query.get("field")
        name = f"row-{row.position}.{'json' if key is None else 'txt'}"
        body: bytes | str = row.data
        if key is not None:
            body = await asyncio.to_thread(run_rows.whole_value, row, key)
        headers = _TEXT | {"content-disposition": f'attachment; filename="{name}"'}
        return Response(body, headers=headers)

    async def _row(self, view: View) -> Row:
        """The row of the path, if it is visible. Raise ``RunNotFound`` and ``NotFound``."""
        position = view.param("position")
        if not position.isdecimal() or len(position) > 9:
            raise NotFound
        failed = run_rows.read(view.query).failed
        row = await self.results.row(
            view.caller, view.param("id"), int(position), failed_rows=failed
        )
        if row is None:
            raise NotFound
        return row


async def shown_rows(results: RunResults, view: View, frame: RunFrame) -> dict[str, Any]:
    """The values of the block ``shown_rows``, for the rows of the query."""
    address = run_rows.read(view.query)
    source = await results.source(view.caller, frame.view.run.id, failed_rows=address.failed)
    totals = await results.totals(source)
    size = run_rows.page_size(totals.rows, totals.row_bytes)
    faults: dict[str, str] = {}
    page = None
    try:
        page = await results.page(
            view.caller, frame.view.run.id, address.page, size, address.query()
        )
    except InvalidRequest as error:
        faults = _faults(error)
    declared = page.headers if page else await results.headers_of(source)
    rows = page.rows if page else []
    headers = await asyncio.to_thread(with_undeclared, declared, rows)
    columns = run_rows.columns_of(address, headers)
    records = await asyncio.to_thread(run_rows.records, rows, address.form, columns)
    return {
        "address": address,
        "faults": faults,
        "count": page.count if page else 0,
        "total": totals.rows,
        "size": size,
        "fields": headers,
        "columns": columns,
        "rows": records,
        "numbers": run_rows.number_columns(records),
        "operators": OPERATORS,
        "chooser": run_rows.CHOOSER,
        "overview": run_rows.OVERVIEW,
    }


def _faults(error: InvalidRequest) -> dict[str, str]:
    return {
        "sort" if problem.field == "sort" else "field": problem.sentence
        for problem in error.problems
    }
