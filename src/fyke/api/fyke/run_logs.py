"""The log of a run: the entries after a position, or pages of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import get
from fyke.domain.logs.reading import LogPosition, LogReader
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
    pages: LogReader

    @get(LOG, scope=Scope.READ, errors=(RunNotFound,))
    async def read_run_log(self, call: Call, slug: RunSlug, query: wire.LogQuery) -> wire.LogPart:
        """Entries of a run's log after a position, in order.

        To follow a log, repeat the request with the position of the last entry received.
        """
        limit = min(max(query.limit, 1), wire.MAX_LOG_ENTRIES)
        entries = await self.logs.after(call.caller, slug, max(query.after, 0), limit)
        return wire.LogPart([wire.LogItem.of(entry) for entry in entries])

    @get(f"{LOG}/page", scope=Scope.READ, errors=(RunNotFound,))
    async def read_run_log_page(
        self, call: Call, slug: RunSlug, query: wire.LogPageQuery
    ) -> wire.LogLinePage:
        """A page of a run's log, filtered by severity and text.

        Entries after `after` or before `before`; with neither, the last entries. A search that
        takes too long stops early: continue from `reached`.
        """
        position = LogPosition(_position(query.after), _position(query.before))
        if position.after is not None and position.before is not None:
            raise InvalidFields("send either after or before, not both")
        page = await self.pages.page(
            call.caller, slug, position, LogFilter(query.level, query.search), limit=query.limit
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
