"""The account and the installation at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.api.call import Call
from fyke.api.envelope import encode
from fyke.api.operations import Nothing, Operation
from fyke.api.own import usage_answers as answers
from fyke.api.v1.errors import TABLE
from fyke.api.v1.vocabulary import seconds
from fyke.domain.health import Health
from fyke.domain.overview import Overview, UpcomingRun
from fyke.domain.queue.board import QueueBoard
from fyke.errors import Forbidden
from fyke.model.health import HealthCheck

NEXT_RUNS = 5
RECENT_WORKERS = 6


@dataclass(frozen=True, slots=True)
class OverviewOperations:
    overview: Overview
    board: QueueBoard
    health: Health

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/overview",
                id="getOverview",
                tag="Account",
                summary="What runs, waits, failed and comes next",
                fields=Nothing,
                handler=self.look,
                answer=answers.OverviewReport,
            ),
            Operation(
                "GET",
                "/api/fyke/health",
                id="getHealth",
                tag="Operator",
                summary="Disk, sandboxes and proxies of the installation",
                fields=Nothing,
                handler=self.checks,
                answer=answers.HealthReport,
                errors=(TABLE[Forbidden],),
            ),
        ]

    async def look(self, call: Call, _wanted: Nothing) -> bytes:
        caller = call.caller
        now, day = await self.overview.now(caller), await self.overview.last_day(caller)
        slots = await self.board.slots(caller)
        workers = await self.overview.recent_workers(caller, RECENT_WORKERS)
        return encode(
            {
                "busy": now.busy,
                "most": slots.most or 0,
                "waiting": now.waiting,
                "held": now.held,
                "runs": now.ever,
                "day_succeeded": day.succeeded,
                "day_failed": day.failed,
                "day_aborted": day.aborted,
                "day_open": day.open,
                "next_runs": [
                    _next(one) for one in await self.overview.next_runs(caller, NEXT_RUNS)
                ],
                "recent_workers": [
                    {"slug": worker.id, "path": worker.path, "title": worker.title}
                    for worker in workers
                ],
            }
        )

    async def checks(self, call: Call, _wanted: Nothing) -> bytes:
        return encode({"list": [_check(one) for one in await self.health.all(call.caller)]})


def _next(found: UpcomingRun) -> dict[str, Any]:
    return {
        "task_slug": found.task.id,
        "task": found.task.title,
        "worker": found.worker.path if found.worker else "",
        "next_at": seconds(found.schedule.next_at),
    }


def _check(check: HealthCheck) -> dict[str, Any]:
    return {
        "name": check.name,
        "level": check.level.value,
        "detail": check.detail,
        "remedy": check.remedy,
    }
