"""What a run will probably take, and the default run options of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from fyke.domain.runs.estimate import MAX_SAMPLES, MIN_RUNS
from fyke.kit.spreadsheets import exact_usd
from fyke.wire.common import Count, ExactUsd, UnixSeconds
from fyke.wire.fields import Answer, Decimal, DocumentedAs, Integer, Request, Text
from fyke.wire.inputs import ChargeLimit, Cpus, Memory, TimeLimit, TrafficLimit
from fyke.wire.units import megabytes, seconds, usd

if TYPE_CHECKING:
    from fyke.domain.runs.estimates import WorkerEstimate
    from fyke.model.worker import SystemDefaults


# --- requests ------------------------------------------------------------------------------


class RunOptionsToSet(Request):
    """A member that is absent gets the platform's default."""

    memory: Annotated[Decimal, DocumentedAs(Memory)] | None = None
    execute_limit_time_seconds: Annotated[Decimal, DocumentedAs(TimeLimit)] | None = None
    max_total_charge: Annotated[Decimal, DocumentedAs(ChargeLimit)] | None = None
    max_total_traffic: Annotated[Decimal, DocumentedAs(TrafficLimit)] | None = None


class EstimateQuery(RunOptionsToSet):
    version: Annotated[Text, Meta(description="empty = the newest")] = ""
    subtasks: Annotated[Integer, Meta(ge=0, description="0 = as many as earlier runs had")] = 0
    cpus: Annotated[Decimal, DocumentedAs(Cpus)] | None = None


# --- answers -------------------------------------------------------------------------------


class RunOptions(Answer):
    memory: Annotated[Count, Meta(description="MB")]
    execute_limit_time_seconds: Count
    max_total_charge: Annotated[int | float, Meta(description="US dollars, 0 = no limit")]
    max_total_traffic: Annotated[int | float, Meta(description="MB, 0 = no limit")]

    @classmethod
    def of(cls, defaults: SystemDefaults) -> RunOptions:
        return cls(
            memory=defaults.memory_mb,
            execute_limit_time_seconds=defaults.timeout_s,
            max_total_charge=usd(defaults.max_charge_micros),
            max_total_traffic=megabytes(defaults.max_traffic_bytes),
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
    """Half of the runs stay within ``p50``, nineteen in twenty within ``p95``."""

    version: str
    enough: Annotated[bool, Meta(description="whether there are enough earlier runs")]
    needed: Annotated[int, Meta(description="how many are enough")]
    runs: Annotated[int, Meta(ge=0, le=MAX_SAMPLES, description="earlier runs that were counted")]
    of_version: Annotated[bool, Meta(description="they are of this version, else of all")]
    oldest_at: UnixSeconds
    newest_at: UnixSeconds
    memory: Annotated[int, Meta(description="MB for each subtask")]
    cpus: Annotated[int | float, Meta(description="cores")]
    priced: Annotated[bool, Meta(description="whether anything costs money here")]
    time: Annotated[
        SecondsSpread | None, Meta(description="seconds from start to end; null: not enough runs")
    ]
    traffic: Annotated[BytesSpread | None, Meta(description="bytes")]
    charge: Annotated[MoneySpread | None, Meta(description="US dollars, at the current prices")]

    @classmethod
    def of(cls, found: WorkerEstimate) -> EstimateReport:
        runs, made = found.basis.runs, found.estimate
        time, traffic, charge = (made.time, made.traffic, made.charge) if made else (None,) * 3
        return cls(
            version=found.version.number,
            enough=found.basis.enough,
            needed=MIN_RUNS,
            runs=len(runs),
            of_version=found.basis.of_version,
            oldest_at=seconds(runs[-1].at) if runs else 0,
            newest_at=seconds(runs[0].at) if runs else 0,
            memory=found.limits.memory_mb,
            cpus=found.limits.cpus,
            priced=found.priced,
            time=SecondsSpread(time.p50 / 1000, time.p95 / 1000) if time else None,
            traffic=BytesSpread(int(traffic.p50), int(traffic.p95)) if traffic else None,
            charge=MoneySpread(exact_usd(charge.p50), exact_usd(charge.p95)) if charge else None,
        )
