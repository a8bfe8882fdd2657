"""Estimates of a run, and the default run options of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from fyke.domain.runs.estimate import MAX_SAMPLES, MIN_RUNS
from fyke.kit.spreadsheets import exact_usd
from fyke.wire.common import Count, ExactUsd, UnixSeconds
from fyke.wire.fields import Answer, Decimal, DocumentedAs, Integer, Request, Text
from fyke.wire.inputs import ChargeLimit, Cpus, Memory, Retries, TimeLimit, TrafficLimit
from fyke.wire.units import megabytes, seconds, usd

if TYPE_CHECKING:
    from fyke.domain.runs.estimates import WorkerEstimate
    from fyke.model.worker import SystemDefaults


# --- requests ------------------------------------------------------------------------------


class RunOptionsToSet(Request):
    """Absent members get the platform's default."""

    memory: Annotated[Decimal, DocumentedAs(Memory)] | None = None
    execute_limit_time_seconds: Annotated[Decimal, DocumentedAs(TimeLimit)] | None = None
    max_total_charge: Annotated[Decimal, DocumentedAs(ChargeLimit)] | None = None
    max_total_traffic: Annotated[Decimal, DocumentedAs(TrafficLimit)] | None = None
    max_retries: Annotated[Decimal, DocumentedAs(Retries)] | None = None


class EstimateQuery(RunOptionsToSet):
    version: Annotated[Text, Meta(description="empty = the newest")] = ""
    subtasks: Annotated[Integer, Meta(ge=0, description="0 = the number in earlier runs")] = 0
    cpus: Annotated[Decimal, DocumentedAs(Cpus)] | None = None


# --- answers -------------------------------------------------------------------------------


class RunOptions(Answer):
    memory: Annotated[Count, Meta(description="MB")]
    execute_limit_time_seconds: Count
    max_total_charge: Annotated[int | float, Meta(description="US dollars, 0 = no limit")]
    max_total_traffic: Annotated[int | float, Meta(description="MB, 0 = no limit")]
    max_retries: Annotated[
        int, Meta(ge=0, description="of a subtask whose machine was lost or drained")
    ] = 0

    @classmethod
    def of(cls, defaults: SystemDefaults) -> RunOptions:
        return cls(
            memory=defaults.memory_mb,
            execute_limit_time_seconds=defaults.timeout_s,
            max_total_charge=usd(defaults.max_charge_micros),
            max_total_traffic=megabytes(defaults.max_traffic_bytes),
            max_retries=defaults.max_retries,
        )


class SecondsSpread(Answer):
    p50: float
    p95: float


class BytesSpread(Answer):
    p50: int
    p95: int


class MoneySpread(Answer):
    p50: ExactUsd
    p95: ExactUsd


class EstimateReport(Answer):
    """``p50`` is the median, ``p95`` the 95th percentile of earlier runs."""

    version: str
    enough: Annotated[bool, Meta(description="whether there are enough earlier runs")]
    needed: Annotated[int, Meta(description="the number that is enough")]
    runs: Annotated[int, Meta(ge=0, le=MAX_SAMPLES, description="earlier runs that were used")]
    of_version: Annotated[bool, Meta(description="whether they are only of this version")]
    oldest_at: UnixSeconds
    newest_at: UnixSeconds
    memory: Annotated[int, Meta(description="MB for each subtask")]
    cpus: Annotated[int | float, Meta(description="cores")]
    priced: Annotated[bool, Meta(description="whether any price is set")]
    time: Annotated[
        SecondsSpread | None,
        Meta(description="seconds from start to end; null without enough runs"),
    ]
    traffic: Annotated[BytesSpread | None, Meta(description="bytes")]
    charge: Annotated[
        MoneySpread | None,
        Meta(description="US dollars, at the current prices, with the browsers of earlier runs"),
    ]

    @classmethod
    def of(cls, estimated: WorkerEstimate) -> EstimateReport:
        runs, estimate = estimated.basis.runs, estimated.estimate
        time = estimate.time if estimate else None
        traffic = estimate.traffic if estimate else None
        charge = estimate.charge if estimate else None
        return cls(
            version=estimated.version.number,
            enough=estimated.basis.enough,
            needed=MIN_RUNS,
            runs=len(runs),
            of_version=estimated.basis.of_version,
            oldest_at=seconds(runs[-1].at) if runs else 0,
            newest_at=seconds(runs[0].at) if runs else 0,
            memory=estimated.limits.memory_mb,
            cpus=estimated.limits.cpus,
            priced=estimated.priced,
            time=SecondsSpread(time.p50 / 1000, time.p95 / 1000) if time else None,
            traffic=BytesSpread(int(traffic.p50), int(traffic.p95)) if traffic else None,
            charge=MoneySpread(exact_usd(charge.p50), exact_usd(charge.p95)) if charge else None,
        )
