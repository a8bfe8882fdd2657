"""The account at a glance, the runners and the health of the installation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import get
from fyke.domain.health import Health
from fyke.domain.overview import Overview
from fyke.domain.queue.board import QueueBoard
from fyke.errors import Forbidden
from fyke.model.account import Scope
from fyke.wire.fyke import overview as wire

NEXT_RUNS = 5
RECENT_WORKERS = 6


@dataclass(frozen=True, slots=True)
class OverviewRoutes:
    tag: ClassVar[str] = "Operator"

    overview: Overview
    board: QueueBoard
    health: Health

    @get("/api/fyke/overview", scope=Scope.READ, tag="Account")
    async def get_overview(self, call: Call) -> wire.OverviewReport:
        """Active and waiting runs, runs that ended in the last day, and the next scheduled runs."""
        caller = call.caller
        now, day = await self.overview.now(caller), await self.overview.last_day(caller)
        slots = await self.board.slots(caller)
        recent_workers = await self.overview.recent_workers(caller, RECENT_WORKERS)
        next_runs = await self.overview.next_runs(caller, NEXT_RUNS)
        return wire.OverviewReport(
            busy=now.busy,
            most=slots.most or 0,
            waiting=now.waiting,
            held=now.held,
            runs=now.total,
            day_succeeded=day.succeeded,
            day_failed=day.failed,
            day_aborted=day.aborted,
            day_open=day.open,
            next_runs=[wire.NextRun.of(run) for run in next_runs],
            recent_workers=[wire.RecentWorker.of(worker) for worker in recent_workers],
        )

    @get("/api/fyke/health", scope=Scope.READ, errors=(Forbidden,))
    async def get_health(self, call: Call) -> wire.HealthReport:
        """Database, blobs, disk, processes, sandboxes and proxies of the installation.

        For the operator.
        """
        checks = await self.health.all(call.caller)
        return wire.HealthReport([wire.HealthCheckItem.of(check) for check in checks])

    @get("/api/fyke/runners", scope=Scope.READ, errors=(Forbidden,))
    async def list_runners(self, call: Call) -> wire.RunnerList:
        """The runners that are alive.

        For the operator.
        """
        runners = await self.overview.runners(call.caller)
        return wire.RunnerList([wire.RunnerItem.of(runner) for runner in runners])
