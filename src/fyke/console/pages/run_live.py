"""The stream of a run's page: changed figures, new log lines, the number of rows.

The id of a message is the position in the log, the last state sent and the number of rows that the
page shows. A browser that reconnects, to this server or another one, resumes from it, so that
nothing is skipped or sent twice. A reader that is too far behind skips lines, with a mark.

New rows are added at the end of a page that is not full; ``run-rows.js`` keeps them back while the
rows are in use. Sorted or filtered rows are only announced.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from starlette.responses import Response

from fyke.api.event_stream import EventStream
from fyke.api.network import header
from fyke.console import formats, live
from fyke.console.page import ConsolePage
from fyke.console.pages import run_rows
from fyke.console.pages.run_frame import AREA, RunFrame, RunFrames
from fyke.console.pages.run_log import LogAddress, read
from fyke.console.pages.run_output import shown_rows
from fyke.console.pages.run_traffic import SiteOrder, TrafficView
from fyke.console.texts import use_language
from fyke.console.usage_marks import marked_rows
from fyke.console.view import View
from fyke.domain.logs import ansi
from fyke.domain.logs.reading import CUT, LogReader
from fyke.domain.logs.repeats import ShownLines
from fyke.domain.results.service import RunResults
from fyke.domain.runs.browser_reports import RunBrowsers
from fyke.domain.runs.sites import RunSites
from fyke.domain.runs.stream import RunStreams, RunUpdate, StreamCursor, StreamFilter
from fyke.domain.runs.usage import RunUsages
from fyke.errors import RateLimited, RunNotFound
from fyke.model.log import LogEntry, LogExcerpt
from fyke.model.run import RunState

MAX_LINES_BEHIND = 2_000  # a reader further behind skips lines
FIGURES_SECONDS = 1.0
USAGE_SECONDS = 5.0
QUIET_SECONDS = 15.0
STREAM_SECONDS = 600.0  # then the browser reconnects, and its session is checked again
STREAMS_PER_SESSION = 30

_CURSOR = re.compile(r"(\d{1,10})\.([a-z]{1,12}|-)\.(\d{1,12})")
_STATES = {"-": None} | {state.value: state for state in RunState}


@dataclass(frozen=True, slots=True)
class RunLivePages:
    frames: RunFrames
    streams: RunStreams
    reading: LogReader
    usages: RunUsages
    sites: RunSites
    browsers: RunBrowsers
    results: RunResults
    open: dict[str, int] = field(default_factory=dict)

    def pages(self) -> list[ConsolePage]:
        return [ConsolePage("GET", "/runs/{id}/live", self.live, area=AREA, part=True)]

    async def live(self, view: View) -> Response:
        frame = await self.frames.get(view)
        tab = view.query.get("tab", "other")
        run_id = frame.view.run.id
        cursor = _cursor(view)
        session = view.signed_in.session_id if view.signed_in else ""
        if self.open.get(session, 0) >= STREAMS_PER_SESSION:
            raise RateLimited(5)
        self.open[session] = self.open.get(session, 0) + 1
        stream = _Stream(self, view, tab, read(view.query), run_id)

        def closed() -> None:
            self.open[session] -= 1
            if not self.open[session]:
                del self.open[session]

        return EventStream(stream.messages(cursor), closed)


def _cursor(view: View) -> StreamCursor:
    """The position of the browser: the last update sent, or the end of its page."""
    text = header(view.request.scope, b"last-event-id") or ""
    match = _CURSOR.fullmatch(text)
    if match is not None and match[2] in _STATES:
        return StreamCursor(int(match[1]), int(match[3]), _STATES[match[2]])
    lines, rows = view.query.get("place", ""), view.query.get("seen", "")
    return StreamCursor(
        int(lines) if lines.isdecimal() and len(lines) < 10 else 0,
        int(rows) if rows.isdecimal() and len(rows) < 12 else 0,
    )


class _Stream:
    """The stream of one open page."""

    def __init__(
        self, pages: RunLivePages, view: View, tab: str, address: LogAddress, run_id: str
    ) -> None:
        self._pages = pages
        self._view = view
        self._tab = tab
        self._address = address
        self._shown = ShownLines()
        self._run_id = run_id
        self._rows_shown = 0
        self._full_page: dict[str, Any] = {}
        self._figures_at = self._usage_at = 0.0
        self._last_sent = monotonic()

    async def messages(self, cursor: StreamCursor) -> AsyncGenerator[bytes, None]:
        until = monotonic() + STREAM_SECONDS
        self._rows_shown = cursor.row
        at: StreamCursor | None = cursor
        while at is not None and monotonic() < until:
            at, gap = await self._skipped(at)
            if gap:
                yield self._message(gap, at)
            messages = self._follow(at, until)
            at = None
            async with aclosing(messages):
                async for after, message in messages:
                    yield message
                    at = after

    async def _follow(
        self, cursor: StreamCursor, until: float
    ) -> AsyncGenerator[tuple[StreamCursor | None, bytes], None]:
        """Messages, each with the cursor after it. Ends when the reader is too far behind, with the
        cursor to continue from, and otherwise with None.
        """
        selection = StreamFilter(state=True, log=self._tab == "log", rows=False)
        caller = self._view.caller
        async with self._pages.streams.follow(caller, self._run_id, cursor, selection) as follower:
            while monotonic() < until:
                began = monotonic()
                update = await follower.next()
                html = None if update is None else await self._html_unless_deleted(update)
                if update is None or html is None:
                    yield None, self._deleted_message() + live.END
                    return
                if html:
                    yield update.cursor, self._message(html, update.cursor)
                    self._last_sent = monotonic()
                elif monotonic() - self._last_sent > QUIET_SECONDS:
                    yield update.cursor, live.comment()
                    self._last_sent = monotonic()
                if update.ended:
                    yield None, live.END
                    return
                if len(update.log) >= live.MAX_LINES and await self._too_far_behind(update.cursor):
                    return
                # updates within this interval are sent together; no signal is lost in the meantime
                await asyncio.sleep(max(0.0, live.BATCH_SECONDS - (monotonic() - began)))
        yield None, live.comment()

    async def _too_far_behind(self, cursor: StreamCursor) -> bool:
        count = await self._pages.reading.count_of(self._run_id)
        return count - cursor.log > MAX_LINES_BEHIND

    async def _skipped(self, cursor: StreamCursor) -> tuple[StreamCursor, str]:
        """A reader that is too far behind resumes near the end; a mark names the skipped lines."""
        if self._tab != "log" or not await self._too_far_behind(cursor):
            return cursor, ""
        count = await self._pages.reading.count_of(self._run_id)
        reached = count - live.MAX_LINES
        html = self._part("gap", first=cursor.log + 1, last=reached, address=self._address)
        return StreamCursor(reached, cursor.row, cursor.state), live.partial(
            "#log-lines", "beforeend", html
        )

    async def _html_unless_deleted(self, update: RunUpdate) -> str | None:
        try:
            return await self._html(update)
        except RunNotFound:  # deleted since the update was sent
            return None

    async def _html(self, update: RunUpdate) -> str:
        html = ""
        if update.log:
            html += self._lines(update.log)
        elif update.view is None:
            # figures are throttled; the last change must not wait for another one
            await asyncio.sleep(max(0.0, self._figures_at + FIGURES_SECONDS - monotonic()))
        now = monotonic()
        if update.view is not None or now - self._figures_at >= FIGURES_SECONDS:
            self._figures_at = now
            html += await self._figures(full=update.view is not None)
        if self._tab == "usage" and (update.ended or now - self._usage_at >= USAGE_SECONDS):
            self._usage_at = now
            html += await self._usage()
        if self._tab == "traffic" and (update.ended or now - self._usage_at >= USAGE_SECONDS):
            self._usage_at = now
            html += await self._traffic()
        if self._tab == "browser" and (update.ended or now - self._usage_at >= USAGE_SECONDS):
            self._usage_at = now
            html += await self._browser()
        return html

    async def _usage(self) -> str:
        frame = await self._pages.frames.get(self._view)
        usage = await self._pages.usages.of_run(self._view.caller, self._run_id)
        marked = marked_rows(usage)
        text = self._text("run/usage.html", "usage", frame=frame, usage=usage, marked=marked)
        return live.partial("#use", "outerHTML", text)

    async def _traffic(self) -> str:
        frame = await self._pages.frames.get(self._view)
        traffic = await self._pages.sites.of_run(self._view.caller, self._run_id)
        shown = TrafficView(traffic, SiteOrder.read(self._view.query))
        text = self._text("run/traffic.html", "traffic", frame=frame, shown=shown)
        return live.partial("#traffic", "outerHTML", text)

    async def _browser(self) -> str:
        frame = await self._pages.frames.get(self._view)
        browser = await self._pages.browsers.of_run(self._view.caller, self._run_id)
        text = self._text("run/browser.html", "browser", frame=frame, browser=browser)
        return live.partial("#browser", "outerHTML", text)

    def _lines(self, entries: tuple[LogEntry, ...]) -> str:
        log_filter = self._address.filter
        lines = [
            LogExcerpt(e.position, e.type, e.group, e.content[:CUT], e.timestamp, len(e.content))
            for e in entries
            if log_filter.matches(e)
        ]
        lines = self._shown.excerpts(lines)
        if not lines:
            return ""
        html = self._part("lines", lines=lines)
        return live.partial("#log-lines", "beforeend", html)

    async def _figures(self, *, full: bool) -> str:
        """The figures; when ``full``, also the facts, the outcome and the actions after the end."""
        frame = await self._pages.frames.get(self._view)
        text = self._text("run/frame.html", "figures", frame=frame)
        html = live.partial("#run-figures", "outerHTML", text)
        title = self._text("run/frame.html", "title", frame=frame)
        html += live.partial("head > title", "innerHTML", f"{title} · Fyke")
        with use_language(self._view.language):
            tally = formats.count(frame.view.results)
        html += live.partial("#run-tally", "innerHTML", tally)
        if self._tab == "output":
            html += await self._rows(frame)
        if not full:
            return html
        facts = self._text("run/frame.html", "facts", frame=frame)
        html += live.partial("#run-facts", "outerHTML", facts)
        if frame.over:  # until then they stay the same, and an open question stays open
            actions = self._text("run/frame.html", "run_actions", frame=frame)
            html += live.partial("#run-actions", "outerHTML", actions)
        rows_say_it = self._tab == "output" and not frame.view.results
        ending = self._text("run/frame.html", "ending", frame=frame, rows_say_it=rows_say_it)
        return html + live.partial("#run-ending", "outerHTML", ending)

    async def _rows(self, frame: RunFrame) -> str:
        """The rows written since the last message; of sorted or filtered ones only the number,
        unless the page has none.
        """
        html = ""
        address = run_rows.read(self._view.query)
        row_count = frame.view.results + (frame.hidden if address.failed else 0)
        if not self._rows_shown or not address.modified:
            html = await self._new_rows(frame, row_count) if row_count != self._rows_shown else ""
        fresh = row_count - self._rows_shown
        text = self._text("run/output.html", "fresh", frame=frame, fresh=fresh, streamed=True)
        return html + live.partial("#fresh", "outerHTML", text)

    async def _new_rows(self, frame: RunFrame, row_count: int) -> str:
        """The new rows of the page and its pager; all of its rows when there are none yet, when
        rows were hidden because their Worker failed, and when there are more columns.
        """
        seen = self._rows_shown
        if self._full_page and row_count > seen:  # rows of later pages: only the numbers change
            values = self._full_page | {"count": row_count, "total": row_count}
        else:
            values = await shown_rows(self._pages.results, self._view, frame)
        self._rows_shown = total = values["total"]
        first = (values["address"].page - 1) * values["size"]
        self._full_page = values if total >= first + values["size"] else {}
        wider = values["address"].form == "table" and run_rows.has_more_columns(
            values["rows"], seen - first
        )
        if total < seen or seen <= first or wider:
            swap = "innerMorph" if seen else "innerHTML"
            text = self._text("run/output.html", "shown_rows", frame=frame, **values)
            return live.partial("#run-rows", swap, text)
        added = values["rows"][seen - first :]
        html = ""
        if added:
            more = values | {"rows": added}
            text = self._text(
                "run/output.html", f"{values['address'].form}_rows", frame=frame, **more
            )
            html = live.partial("#rows-new", "beforeend", text)
        text = self._text("run/output.html", "rows_pager", frame=frame, **values)
        return html + live.partial("#pager-new", "innerHTML", text)

    def _deleted_message(self) -> bytes:
        html = self._text("run/lines.html", "deleted")
        return live.message(live.partial("#run-ending", "outerHTML", html))

    def _part(self, block: str, **values: Any) -> str:
        values = {"spans": ansi.spans, "at": f"/runs/{self._run_id}", **values}
        return self._text("run/lines.html", block, **values)

    def _text(self, template: str, block: str, **values: Any) -> str:
        with use_language(self._view.language):
            return self._view.text_of(template, block, **values)

    def _message(self, html: str, cursor: StreamCursor) -> bytes:
        state = cursor.state.value if cursor.state else "-"
        return live.message(html, f"{cursor.log}.{state}.{self._rows_shown}")
