"""What a run will probably take, and the default run options of a worker."""

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
        self, call: Call, slug: WorkerId, wanted: wire.EstimateQuery
    ) -> wire.EstimateReport:
        """What a run will probably take and cost, from the account's earlier runs.

        These are the last 200 at most that succeeded or reached their time limit; those of other
        versions count where this one has too few. Options that are absent are those of the version.
        """
        given = {name: getattr(wanted, name) for name in ("cpus", *NAMES)}
        system = {name: value for name, value in given.items() if value is not None}
        found = await self.estimates.of(
            call.caller, slug, wanted.version or None, system, subtasks=wanted.subtasks
        )
        return wire.EstimateReport.of(found)

    @get(OPTIONS, scope=Scope.READ, errors=(WorkerNotFound, Forbidden))
    async def read_run_options(self, call: Call, slug: WorkerId) -> wire.RunOptions:
        """The default run options of an own worker."""
        return wire.RunOptions.of(await self.options.get(call.caller, slug))

    @put(OPTIONS, scope=Scope.WRITE, errors=(WorkerNotFound, Forbidden))
    async def change_run_options(
        self, call: Call, slug: WorkerId, wanted: wire.RunOptionsToSet
    ) -> wire.RunOptions:
        """Set the default run options of a worker, for all its versions.

        Later versions take them over; runs keep the options that they were started with.
        """
        given = {name: getattr(wanted, name) for name in NAMES}
        return wire.RunOptions.of(await self.options.change(call.caller, slug, given))
