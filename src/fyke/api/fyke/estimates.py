"""Estimates of a run, and the default run options of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import get, put
from fyke.domain.runs.estimates import Estimates
from fyke.domain.workers.run_options import NAMES, DefaultRunOptions
from fyke.errors import Forbidden, UnknownVersion, VersionUnavailable, WorkerNotFound
from fyke.model.account import Scope
from fyke.wire.fyke import estimates as wire
from fyke.wire.v2.fields import WorkerId

OPTIONS = "/api/fyke/workers/{slug}/run-options"


@dataclass(frozen=True, slots=True)
class EstimateRoutes:
    tag: ClassVar[str] = "Workers"

    estimates: Estimates
    options: DefaultRunOptions

    @get(
        "/api/fyke/workers/{slug}/estimate",
        scope=Scope.READ,
        errors=(WorkerNotFound, UnknownVersion, VersionUnavailable),
    )
    async def estimate_run(
        self, call: Call, slug: WorkerId, query: wire.EstimateQuery
    ) -> wire.EstimateReport:
        """The probable duration, memory, traffic and cost of a run.

        Based on at most the account's last 200 runs that succeeded or reached their time limit,
        including those of other versions where this one has too few. Absent options are those of
        the version.
        """
        options = {name: getattr(query, name) for name in ("cpus", *NAMES)}
        system = {name: value for name, value in options.items() if value is not None}
        estimate = await self.estimates.of(
            call.caller, slug, query.version or None, system, subtasks=query.subtasks
        )
        return wire.EstimateReport.of(estimate)

    @get(OPTIONS, scope=Scope.READ, errors=(WorkerNotFound, Forbidden))
    async def read_run_options(self, call: Call, slug: WorkerId) -> wire.RunOptions:
        """The default run options of a worker of the account."""
        return wire.RunOptions.of(await self.options.get(call.caller, slug))

    @put(OPTIONS, scope=Scope.WRITE, errors=(WorkerNotFound, Forbidden))
    async def change_run_options(
        self, call: Call, slug: WorkerId, body: wire.RunOptionsToSet
    ) -> wire.RunOptions:
        """Set the default run options of a worker, for all its versions.

        They also apply to later versions. Runs keep the options that they were started with.
        """
        options = {name: getattr(body, name) for name in NAMES}
        return wire.RunOptions.of(await self.options.change(call.caller, slug, options))
