"""The log of a run: pages from any position, filters, full lines, and the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.responses import RedirectResponse, Response

from fyke.api.files import LOG, Links
from fyke.console.page import ConsolePage
from fyke.console.pages.run_frame import AREA, RunFrame, RunFrames
from fyke.console.view import View
from fyke.domain.accounts.link_issuers import issuer_of
from fyke.domain.logs import ansi
from fyke.domain.logs.reading import LogPage, LogPosition, LogReader
from fyke.domain.logs.repeats import ShownLines
from fyke.domain.logs.service import RunLogs
from fyke.errors import NotFound
from fyke.model.log import MAX_SEARCHED_TEXT, LogFilter, LogType

LINES = 500
AROUND = 100  # lines before the one that a link names

_TEXT = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}


@dataclass(frozen=True, slots=True)
class LogAddress:
    """The query of the log tab. ``line``: the line of a link, 0 for none."""

    level: int = LogType.DEBUG
    search: str = ""
    after: int | None = None
    before: int | None = None
    line: int = 0

    @property
    def filter(self) -> LogFilter:
        return LogFilter(self.level, self.search)

    @property
    def position(self) -> LogPosition:
        if self.line:
            return LogPosition(after=max(0, self.line - AROUND))
        return LogPosition(self.after, self.before)

    @property
    def at_end(self) -> bool:
        """Whether the page shows the end, where new lines appear."""
        return self.after is None and self.before is None and not self.line

    def query(self, **position: int) -> str:
        pairs: list[tuple[str, str]] = []
        if self.level > LogType.DEBUG:
            pairs.append(("level", str(int(self.level))))
        if self.search:
            pairs.append(("search", self.search))
        pairs += [(name, str(number)) for name, number in position.items()]
        return urlencode(pairs)

    def path(self, at: str, **position: int) -> str:
        query = self.query(**position)
        return f"{at}/log?{query}" if query else f"{at}/log"


def read(query: QueryParams) -> LogAddress:
    """The address of these parameters; values that are not numbers are ignored."""
    level = _number(query, "level") or LogType.DEBUG
    return LogAddress(
        level=min(max(level, LogType.DEBUG), LogType.ERROR),
        search=query.get("search", "")[:MAX_SEARCHED_TEXT],
        after=_number(query, "after"),
        before=_number(query, "before"),
        line=_number(query, "line") or 0,
    )


def _number(query: QueryParams, name: str) -> int | None:
    text = query.get(name, "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else None


@dataclass(frozen=True, slots=True)
class RunLogPages:
    frames: RunFrames
    reading: LogReader
    logs: RunLogs
    links: Links

    def pages(self) -> list[ConsolePage]:
        at = "/runs/{id}/log"
        return [
            ConsolePage("GET", at, self.show, area=AREA),
            ConsolePage("GET", f"{at}/download", self.download, area=AREA, part=True),
            ConsolePage("GET", f"{at}/{{position}}", self.line, area=AREA),
            ConsolePage("GET", f"{at}/{{position}}/text", self.line_text, area=AREA, part=True),
        ]

    async def show(self, view: View) -> Response:
        address = read(view.query)
        page = await self.reading.page(
            view.caller, view.param("id"), address.position, address.filter, limit=LINES
        )
        live = ""
        if address.at_end:
            # the stream continues after the last line searched, not the last one shown
            live = f"tab=log&place={page.count}&" + address.query()
        frame = await self.frames.get(view, "/log", live or "tab=other")
        values: dict[str, Any] = {
            "frame": frame,
            "address": address,
            "page": replace(page, lines=ShownLines().excerpts(page.lines)),
            "spans": ansi.spans,
            **_adjacent_pages(frame, address, page),
        }
        if view.wants_part and address.before is not None:
            return view.part("run/log.html", "earlier_lines", **values)
        return view.page("run/log.html", **values)

    async def line(self, view: View) -> Response:
        frame = await self.frames.get(view, "/log")
        line = await self.reading.line(view.caller, frame.view.run.id, _position(view))
        return view.page("run/line.html", frame=frame, line=line, whole=ansi.plain(line.content))

    async def line_text(self, view: View) -> Response:
        """The unchanged line, with its control characters, as a file."""
        line = await self.reading.line(view.caller, view.param("id"), _position(view))
        name = f'attachment; filename="line-{line.position}.txt"'
        return Response(
            line.content.encode("utf-8", "replace"),
            headers=_TEXT | {"content-disposition": name},
        )

    async def download(self, view: View) -> Response:
        """Redirect to the file by a newly signed link."""
        run_id = view.param("id")
        await self.logs.tail(view.caller, run_id, 1)
        url = self.links.url(view.visit, issuer_of(view.caller), LOG, run_id, f"{run_id}.log")
        return RedirectResponse(url, status_code=303)


def _position(view: View) -> int:
    text = view.param("position")
    if not text.isdecimal() or not text.isascii() or len(text) > 9:
        raise NotFound
    return int(text)


def _adjacent_pages(frame: RunFrame, address: LogAddress, page: LogPage) -> dict[str, str]:
    """Addresses of the pages before and after, and of the rest of a search; "" for none."""
    forward = address.position.after is not None
    first = page.lines[0].position if page.lines else page.count + 1
    at = frame.at
    earlier = later = continuation = ""
    if forward:
        begin = (address.position.after or 0) + 1
        earlier = address.path(at, before=begin) if begin > 1 else ""
        later = "" if page.complete else address.path(at, after=page.reached)
        continuation = later if len(page.lines) < LINES else ""
    else:
        earlier = "" if page.complete else address.path(at, before=min(page.reached, first))
        continuation = earlier if len(page.lines) < LINES else ""
        if not address.at_end:
            later = address.path(at, after=(address.before or 1) - 1)
    return {"earlier": earlier, "later": later, "more": continuation if address.search else ""}
