"""The log of a run: followed by position, or read page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import get
from fyke.domain.logs.reading import LogPosition, LogReading
from fyke.domain.logs.service import RunLogs
from fyke.errors import InvalidFields, NotFound, RunNotFound
from fyke.model.account import Scope
from fyke.model.log import LogFilter
from fyke.wire.fields import Integer
from fyke.wire.fyke import run_logs as wire
from fyke.wire.v1 import RunSlug

LOG = "/api/fyke/runs/{slug}/log"


@dataclass(frozen=True, slots=True)
class RunLogRoutes:
    tag: ClassVar[str] = "Runs"

    logs: RunLogs
    pages: LogReading

    @get(LOG, scope=Scope.READ, errors=(RunNotFound,))
    async def read_run_log(self, call: Call, slug: RunSlug, wanted: wire.LogQuery) -> wire.LogPart:
        """Entries of a run's log behind a position, in order.

        To follow a log, ask again with the last position that came.
        """
        limit = min(max(wanted.limit, 1), wire.MAX_LOG_ENTRIES)
        found = await self.logs.after(call.caller, slug, max(wanted.after, 0), limit)
        return wire.LogPart([wire.LogItem.of(entry) for entry in found])

    @get(f"{LOG}/page", scope=Scope.READ, errors=(RunNotFound,))
    async def read_run_log_page(
        self, call: Call, slug: RunSlug, wanted: wire.LogPageQuery
    ) -> wire.LogLinePage:
        """A page of a run's log, by severity and text.

        Behind `after`, before `before`, or without either the last entries. A search that takes too
        long stops: ask again from `reached`.
        """
        place = LogPosition(_position(wanted.after), _position(wanted.before))
        if place.after is not None and place.before is not None:
            raise InvalidFields("after and before exclude each other; send one of them")
        page = await self.pages.page(
            call.caller, slug, place, LogFilter(wanted.level, wanted.search), limit=wanted.limit
        )
        return wire.LogLinePage.of(page)

    @get(f"{LOG}/lines/{{position}}", scope=Scope.READ, errors=(RunNotFound, NotFound))
    async def read_run_log_line(
        self, call: Call, slug: RunSlug, position: Integer
    ) -> wire.LogLineItem:
        """One whole entry of a run's log."""
        return wire.LogLineItem.whole(await self.pages.line(call.caller, slug, position))


def _position(value: int | None) -> int | None:
    return value if value is not None and value >= 0 else None
