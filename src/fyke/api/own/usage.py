"""What an account has used: sums by day, month, worker, task and key, and the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import Field
from starlette.responses import Response

from fyke.api.call import Call
from fyke.api.csv_files import CSV_MEDIA, csv_file
from fyke.api.decode import PageSize20, Wire, WireBool, WireText
from fyke.api.envelope import encode
from fyke.api.operations import Operation
from fyke.api.own import usage_answers as answers
from fyke.api.v1.vocabulary import seconds
from fyke.domain.billing.days import MOST_DAYS
from fyke.domain.billing.pricing import format_balance
from fyke.domain.billing.usage import MOST_ENTRIES, UsageReports, UsageStep, UsageView
from fyke.errors import InvalidRequest
from fyke.kit.sheets import exact_usd
from fyke.model.account import Caller
from fyke.model.billing import LedgerEntry, LedgerFilter, UsageDimension, UsageSums, gb_seconds

_Kind = TypeVar("_Kind", bound=StrEnum)


class PeriodFields(Wire):
    since: WireText = Field(
        "", validation_alias="from", description="first day; empty = first of the month"
    )
    until: WireText = Field(
        "", description=f"last day, at most {MOST_DAYS} days in all; empty = today"
    )


class UsageFields(PeriodFields):
    by: WireText = Field("day", description="day or month")


class SplitFields(PeriodFields):
    by: WireText = Field("worker", description="worker, task or key")


class LedgerFields(PeriodFields):
    """Without days: of all time."""

    holds: WireBool = Field(False, description="also what was set aside and given back")


class LedgerPageFields(LedgerFields):
    cursor: WireText = Field("", description="`next_cursor` of the last answer")
    page_size: PageSize20 = 20


@dataclass(frozen=True, slots=True)
class UsageOperations:
    usage: UsageReports

    def operations(self) -> list[Operation[Any]]:
        return [*self._sums(), *self._ledger()]

    def _sums(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/usage",
                id="getUsage",
                tag="Account",
                summary="What was used, by day or month",
                fields=UsageFields,
                handler=self.view,
                answer=answers.UsageReport,
            ),
            Operation(
                "GET",
                "/api/fyke/usage/parts",
                id="getUsageParts",
                tag="Account",
                summary="What was used, by worker, task or key",
                fields=SplitFields,
                handler=self.split,
                answer=answers.UsageSplit,
            ),
        ]

    def _ledger(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/ledger",
                id="listLedger",
                tag="Account",
                summary="Movements of money and traffic, newest first",
                fields=LedgerPageFields,
                handler=self.ledger,
                answer=answers.LedgerPage,
            ),
            Operation(
                "GET",
                "/api/fyke/ledger/export",
                id="exportLedger",
                tag="Account",
                summary="The same as CSV, whole",
                fields=LedgerFields,
                handler=self.export,
                produces=(CSV_MEDIA,),
            ),
        ]

    async def view(self, call: Call, wanted: UsageFields) -> bytes:
        step = _word("by", wanted.by, UsageStep)
        period = await self.usage.period(call.caller, wanted.since, wanted.until)
        return encode(_report(await self.usage.view(call.caller, period, step)))

    async def split(self, call: Call, wanted: SplitFields) -> bytes:
        part = _word("by", wanted.by, UsageDimension)
        period = await self.usage.period(call.caller, wanted.since, wanted.until)
        found = await self.usage.split(call.caller, period, part)
        parts = [{"slug": one.ref, "name": one.name} | _sums(one.sums) for one in found.parts]
        return encode({"list": parts, "rest": _sums(found.rest), "others": found.others})

    async def ledger(self, call: Call, wanted: LedgerPageFields) -> bytes:
        which = await self._filter(call.caller, wanted)
        page = await self.usage.ledger(
            call.caller, which, cursor=wanted.cursor, size=min(wanted.page_size, MOST_ENTRIES)
        )
        return encode({"list": [_entry(e) for e in page.entries], "next_cursor": page.next})

    async def export(self, call: Call, wanted: LedgerFields) -> Response:
        which = await self._filter(call.caller, wanted)
        return await csv_file(self.usage.ledger_csv(call.caller, which), "ledger.csv")

    async def _filter(self, caller: Caller, wanted: LedgerFields) -> LedgerFilter:
        period = None
        if wanted.since.strip() or wanted.until.strip():
            period = await self.usage.period(caller, wanted.since, wanted.until)
        return self.usage.ledger_filter(period, holds=wanted.holds)


def _word(field: str, text: str, kind: type[_Kind]) -> _Kind:
    try:
        return kind(text.strip().lower())
    except ValueError:
        raise InvalidRequest(f"{field} must be one of {', '.join(kind)}") from None


def _report(view: UsageView) -> dict[str, Any]:
    return {
        "from": view.period.first.isoformat(),
        "until": view.period.last.isoformat(),
        "time_zone": view.period.zone,
        "by": view.step.value,
        "balance": format_balance(view.account.balance_micros),
        "held": format_balance(view.account.held_micros),
        "total": _sums(view.total),
        "list": [{"day": day.isoformat()} | _sums(sums) for day, sums in view.bars],
    }


def _sums(sums: UsageSums) -> dict[str, Any]:
    return {
        "runs": sums.runs,
        "succeeded": sums.succeeded,
        "failed": sums.failed,
        "aborted": sums.aborted,
        "results": sums.results,
        "usage": exact_usd(sums.usage_micros),
        "credited": exact_usd(sums.credited_micros),
        "traffic": sums.traffic_bytes,
        "run_seconds": sums.run_ms / 1000,
        "cpu_seconds": sums.cpu_ms / 1000,
        "memory_gb_seconds": gb_seconds(sums.memory_mb_ms),
    }


def _entry(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": seconds(entry.at),
        "kind": entry.kind.value,
        "usd": exact_usd(entry.usd_micros),
        "traffic": entry.traffic_bytes,
        "run_slug": entry.run_id,
        "note": entry.note,
    }
