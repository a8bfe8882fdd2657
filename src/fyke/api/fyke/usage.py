"""The usage of an account by day, month, worker, task and key; and the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from starlette.responses import Response

from fyke.api.call import Call
from fyke.api.csv_files import CSV_MEDIA, csv_file
from fyke.api.routes import get
from fyke.domain.billing.usage import UsageReports
from fyke.model.account import Caller, Scope
from fyke.model.billing import LedgerFilter
from fyke.wire.fyke import usage as wire


@dataclass(frozen=True, slots=True)
class UsageRoutes:
    tag: ClassVar[str] = "Account"

    usage: UsageReports

    @get("/api/fyke/usage", scope=Scope.READ)
    async def get_usage(self, call: Call, query: wire.UsageQuery) -> wire.UsageReport:
        """The usage by day or month.

        At most 366 days. A run counts on the day on which it ended, in the account's time zone on
        that day. The sums equal those of the ledger.
        """
        period = await self.usage.period(call.caller, query.since, query.until)
        return wire.UsageReport.of(await self.usage.view(call.caller, period, query.by))

    @get("/api/fyke/usage/parts", scope=Scope.READ)
    async def get_usage_parts(self, call: Call, query: wire.UsagePartsQuery) -> wire.UsageParts:
        """The usage by worker, task or key.

        The most expensive first, at most 100; `rest` is the sum of the others.
        """
        period = await self.usage.period(call.caller, query.since, query.until)
        return wire.UsageParts.of(await self.usage.split(call.caller, period, query.by))

    @get("/api/fyke/ledger", scope=Scope.READ)
    async def list_ledger(self, call: Call, query: wire.LedgerPageQuery) -> wire.LedgerList:
        """Movements of money and traffic, newest first.

        With `holds`, the amounts held at a start and released at the end are included.
        """
        entries = await self._filter(call.caller, query)
        page = await self.usage.ledger(
            call.caller, entries, cursor=query.cursor, size=query.page_size
        )
        return wire.LedgerList.of(page)

    @get("/api/fyke/ledger/export", scope=Scope.READ, produces=(CSV_MEDIA,))
    async def export_ledger(self, call: Call, query: wire.LedgerQuery) -> Response:
        """The whole ledger as CSV."""
        entries = await self._filter(call.caller, query)
        return await csv_file(self.usage.ledger_csv(call.caller, entries), "ledger.csv")

    async def _filter(self, caller: Caller, query: wire.LedgerQuery) -> LedgerFilter:
        period = None
        if query.since.strip() or query.until.strip():
            period = await self.usage.period(caller, query.since, query.until)
        return self.usage.ledger_filter(period, holds=query.holds)
