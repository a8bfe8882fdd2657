"""The answers about usage, ledger, overview and health, as the served description tells them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer

Day = Annotated[str, Field(description="2026-11-24, in the time zone of the account")]
Moment = Annotated[int, Field(description="Unix seconds")]


class UsageSums(Answer):
    runs: Annotated[int, Field(description="that ended")]
    succeeded: int
    failed: int
    aborted: int
    results: Annotated[int, Field(description="rows")]
    usage: Annotated[str, Field(description="US dollars, with every digit")]
    credited: Annotated[str, Field(description="US dollars that were added to the account")]
    traffic: Annotated[int, Field(description="bytes")]
    run_seconds: Annotated[float, Field(description="from start to end of each run, added up")]
    cpu_seconds: Annotated[float, Field(description="as the kernel counts them")]
    memory_gb_seconds: Annotated[
        float, Field(description="memory times how long it was held; a GB has 1024 MiB")
    ]


class UsageBar(UsageSums):
    day: Annotated[str, Field(description="the day, or the first day of the month")]


UsageBars = list[UsageBar]


class UsageReport(Answer):
    since: Annotated[Day, Field(alias="from")]
    until: Day
    time_zone: str
    by: Annotated[str, Field(description="day or month")]
    balance: str
    held: str
    total: UsageSums
    list: UsageBars


class UsagePart(UsageSums):
    slug: Annotated[str, Field(description="id of the worker, task or key; empty for none")]
    name: Annotated[str, Field(description="what it is called; empty when it is gone")]


UsageParts = list[UsagePart]


class UsageSplit(Answer):
    list: UsageParts
    rest: Annotated[UsageSums, Field(description="what all further ones come to")]
    others: Annotated[bool, Field(description="whether there are further ones")]


class CapsReport(Answer):
    run_cap: Annotated[str, Field(description="US dollars that one run may cost; 0 = no cap")]
    month_cap: Annotated[str, Field(description="US dollars for a calendar month; 0 = no cap")]
    month: Annotated[str, Field(description="the present one, 2026-11, in the account's zone")]
    time_zone: str
    spent: Annotated[str, Field(description="by runs that have ended in it")]
    held: Annotated[str, Field(description="set aside for runs under way")]
    left: Annotated[
        str | None, Field(description="what may still be set aside; null without a cap")
    ]
    priced: Annotated[bool, Field(description="whether anything costs money here")]


class LedgerItem(Answer):
    id: str
    at: Moment
    kind: Annotated[str, Field(description="credit, hold, release or usage")]
    usd: Annotated[str, Field(description="signed: positive adds to what the account has")]
    traffic: Annotated[int, Field(description="bytes, signed")]
    run_slug: str
    note: str


LedgerItems = list[LedgerItem]


class LedgerPage(Answer):
    list: LedgerItems
    next_cursor: Annotated[str, Field(description="empty at the end")]


class NextRun(Answer):
    task_slug: str
    task: str
    worker: str
    next_at: Moment


NextRuns = list[NextRun]


class RecentWorker(Answer):
    slug: str
    path: str
    title: str


RecentWorkers = list[RecentWorker]


class OverviewReport(Answer):
    busy: Annotated[int, Field(description="runs that are under way")]
    most: Annotated[int, Field(description="how many the plan allows at once; 0 = no limit")]
    waiting: Annotated[int, Field(description="runs that wait for room")]
    held: Annotated[int, Field(description="starts that are held in the run queue")]
    runs: Annotated[int, Field(description="of all time")]
    day_succeeded: Annotated[int, Field(description="of those started in the last 24 hours")]
    day_failed: int
    day_aborted: int
    day_open: Annotated[int, Field(description="that are not over yet")]
    next_runs: Annotated[NextRuns, Field(description="what schedules will start, five at most")]
    recent_workers: Annotated[RecentWorkers, Field(description="used last, six at most")]


class HealthCheck(Answer):
    name: str
    level: Annotated[str, Field(description="good, warning or bad")]
    detail: str
    remedy: Annotated[str, Field(description="what to do; empty when it is good")]


HealthChecks = list[HealthCheck]


class HealthReport(Answer):
    list: HealthChecks
