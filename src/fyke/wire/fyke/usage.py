"""The usage of an account by day, month, worker, task and key; and the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, field

from fyke.domain.billing.days import MAX_DAYS
from fyke.domain.billing.pricing import format_balance
from fyke.domain.billing.usage import MAX_ENTRIES, UsageStep
from fyke.kit.spreadsheets import exact_usd
from fyke.model.billing import EntryKind, UsageDimension, gb_seconds
from fyke.wire.common import EXAMPLE_ID, Count, ExactUsd, Usd
from fyke.wire.fields import (
    Answer,
    Boolean,
    ParsedBy,
    Request,
    Text,
    ToChoice,
    to_page_size,
)
from fyke.wire.fyke.runs import GbSeconds
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.domain.billing.usage import LedgerPage, UsageSplit, UsageView
    from fyke.model.billing import LedgerEntry, UsageSums

Day = Annotated[str, Meta(description="YYYY-MM-DD in the time zone of the account")]


# --- requests ------------------------------------------------------------------------------


class PeriodQuery(Request):
    since: Annotated[
        Text, Meta(description="first day, YYYY-MM-DD; empty = the first of the month")
    ] = field(default="", name="from")
    until: Annotated[
        Text,
        Meta(description=f"final day, at most {MAX_DAYS} days in total; empty = today"),
    ] = ""


class UsageQuery(PeriodQuery):
    by: Annotated[UsageStep, ParsedBy(ToChoice(UsageStep))] = UsageStep.DAY


class UsagePartsQuery(PeriodQuery):
    by: Annotated[UsageDimension, ParsedBy(ToChoice(UsageDimension))] = UsageDimension.WORKER


class LedgerQuery(PeriodQuery):
    """Without ``from`` and ``until``, all entries."""

    holds: Annotated[Boolean, Meta(description="include amounts put on hold and released")] = False


class LedgerPageQuery(LedgerQuery):
    cursor: Annotated[
        Text, Meta(description="`next_cursor` of the last answer", examples=[EXAMPLE_ID])
    ] = ""
    page_size: Annotated[
        int,
        Meta(ge=1, le=MAX_ENTRIES, description="entries on a page"),
        ParsedBy(to_page_size(20, MAX_ENTRIES)),
    ] = 20


# --- answers -------------------------------------------------------------------------------


class UsageTotals(Answer, kw_only=True):  # members of subclasses come first
    runs: Annotated[Count, Meta(description="that ended")]
    succeeded: Count
    failed: Count
    aborted: Count
    results: Annotated[Count, Meta(description="rows")]
    usage: ExactUsd
    credited: Annotated[ExactUsd, Meta(description="US dollars added to the account")]
    traffic: Annotated[Count, Meta(description="bytes")]
    run_seconds: Annotated[float, Meta(ge=0, description="sum of the durations of runs")]
    cpu_seconds: Annotated[float, Meta(ge=0, description="CPU time as counted by the kernel")]
    memory_gb_seconds: GbSeconds

    @classmethod
    def of(cls, sums: UsageSums) -> UsageTotals:
        return cls(**_totals(sums))


def _totals(sums: UsageSums) -> dict[str, Any]:
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


class UsageBar(UsageTotals):
    day: Annotated[Day, Meta(description="the day, or the first day of the month")]


class UsageReport(Answer):
    since: Day = field(name="from")
    until: Day
    time_zone: str
    by: UsageStep
    balance: Usd
    held: Annotated[Usd, Meta(description="US dollars on hold for active runs")]
    total: UsageTotals
    items: list[UsageBar] = field(name="list")

    @classmethod
    def of(cls, view: UsageView) -> UsageReport:
        return cls(
            since=view.period.first.isoformat(),
            until=view.period.last.isoformat(),
            time_zone=view.period.zone,
            by=view.step,
            balance=format_balance(view.account.balance_micros),
            held=format_balance(view.account.held_micros),
            total=UsageTotals.of(view.total),
            items=[UsageBar(**_totals(sums), day=day.isoformat()) for day, sums in view.bars],
        )


class UsagePart(UsageTotals):
    slug: Annotated[str, Meta(description="id of the worker, task or key; empty for none")]
    name: Annotated[str, Meta(description="empty if deleted")]


class UsageParts(Answer):
    items: list[UsagePart] = field(name="list")
    rest: Annotated[UsageTotals, Meta(description="the sums of the parts that are not listed")]
    others: Annotated[bool, Meta(description="whether there are parts that are not listed")]

    @classmethod
    def of(cls, split: UsageSplit) -> UsageParts:
        items = [
            UsagePart(**_totals(part.sums), slug=part.ref, name=part.name) for part in split.parts
        ]
        return cls(items, UsageTotals.of(split.rest), split.others)


class LedgerItem(Answer):
    id: str
    at: Annotated[int, Meta(ge=0, description="Unix seconds")]
    kind: EntryKind
    usd: Annotated[ExactUsd, Meta(description="US dollars; positive: added to the account")]
    traffic: Annotated[int, Meta(description="bytes, positive: added to the account")]
    run_slug: str
    note: str

    @classmethod
    def of(cls, entry: LedgerEntry) -> LedgerItem:
        return cls(
            id=entry.id,
            at=seconds(entry.at),
            kind=entry.kind,
            usd=exact_usd(entry.usd_micros),
            traffic=entry.traffic_bytes,
            run_slug=entry.run_id,
            note=entry.note,
        )


class LedgerList(Answer):
    items: list[LedgerItem] = field(name="list")
    next_cursor: Annotated[str, Meta(description="empty at the end")]

    @classmethod
    def of(cls, page: LedgerPage) -> LedgerList:
        return cls([LedgerItem.of(entry) for entry in page.entries], page.next)
