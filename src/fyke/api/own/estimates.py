"""What a run would probably take: from the account's own runs of the Worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.decode import Wire, WireInt, WireName, WireNumber, WireText
from fyke.api.envelope import encode
from fyke.api.operations import Operation
from fyke.api.own import worker_answers as answers
from fyke.api.v1.errors import TABLE
from fyke.api.v1.vocabulary import seconds
from fyke.domain.runs.estimate import NEEDED, Spread
from fyke.domain.runs.estimates import EstimateRequest, Estimates
from fyke.errors import UnknownVersion, VersionUnavailable, WorkerNotFound
from fyke.kit.sheets import exact_usd

_SYSTEM = (
    "memory", "cpus", "execute_limit_time_seconds", "max_total_charge", "max_total_traffic",
)  # fmt: skip


class EstimateFields(Wire):
    slug: WireName
    version: WireText = Field("", description="empty = the newest")
    subtasks: WireInt = Field(0, description="0 = as many as earlier runs had")
    memory: WireNumber | None = Field(None, description="MB; this and the next ones as in a start")
    cpus: WireNumber | None = None
    execute_limit_time_seconds: WireNumber | None = None
    max_total_charge: WireNumber | None = None
    max_total_traffic: WireNumber | None = None


@dataclass(frozen=True, slots=True)
class EstimateOperations:
    estimates: Estimates

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/workers/{slug}/estimate",
                id="estimateRun",
                tag="Workers",
                summary="What a run would probably take and cost, from earlier ones",
                fields=EstimateFields,
                handler=self.show,
                answer=answers.EstimateReport,
                errors=(TABLE[WorkerNotFound], TABLE[UnknownVersion], TABLE[VersionUnavailable]),
                path_fields=("slug",),
            )
        ]

    async def show(self, call: Call, wanted: EstimateFields) -> bytes:
        given = {name: getattr(wanted, name) for name in _SYSTEM}
        found = await self.estimates.of(
            call.caller,
            wanted.slug,
            wanted.version or None,
            {name: value for name, value in given.items() if value is not None},
            subtasks=wanted.subtasks,
        )
        return encode(_report(found))


def _report(found: EstimateRequest) -> dict[str, Any]:
    runs, made = found.basis.runs, found.estimate
    return {
        "version": found.version.number,
        "enough": found.basis.enough,
        "needed": NEEDED,
        "runs": len(runs),
        "of_version": found.basis.of_version,
        "oldest_at": seconds(runs[-1].at) if runs else 0,
        "newest_at": seconds(runs[0].at) if runs else 0,
        "memory": found.limits.memory_mb,
        "cpus": found.limits.cpus,
        "priced": found.priced,
        "time": made and _pair(made.time, lambda ms: ms / 1000),
        "traffic": made and _pair(made.traffic, int),
        "charge": made and _pair(made.charge, exact_usd),
    }


def _pair(spread: Spread, words: Any) -> dict[str, Any]:
    return {"p50": words(spread.p50), "p95": words(spread.p95)}
