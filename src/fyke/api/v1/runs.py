"""Runs: detail, list, abort, log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.files import LOG, Links
from fyke.api.routes import Json, post
from fyke.api.shared import SharedReads
from fyke.domain.accounts.link_issuers import issuer_of
from fyke.domain.callbacks.payload import NUMBERS
from fyke.domain.logs.service import RunLogs
from fyke.domain.runs.service import Runs
from fyke.domain.workers.service import Workers
from fyke.errors import RunNotAbortable, RunNotFound, WorkerNotFound
from fyke.model.account import Scope
from fyke.model.run import RunFilter, RunState
from fyke.wire import v1

LOG_LINES = 200


@dataclass(frozen=True, slots=True)
class RunRoutes:
    tag: ClassVar[str] = "Runs"

    runs: Runs
    workers: Workers
    logs: RunLogs
    links: Links
    details: SharedReads[Json[v1.RunDetail]] = field(default_factory=SharedReads)

    @post("/api/v1/run/detail", scope=Scope.READ, errors=(RunNotFound,), hot=True)
    async def get_run_v1(self, call: Call, body: v1.RunRef) -> Json[v1.RunDetail]:
        """State and figures of a run."""
        caller = call.caller

        async def read() -> Json[v1.RunDetail]:
            return Json(v1.RunDetail.of(await self.runs.get(caller, body.run_slug)))

        return await self.details.get((caller.account_id, body.run_slug), read)

    @post("/api/v1/run/list", scope=Scope.READ)
    async def list_runs_v1(self, call: Call, body: v1.RunList) -> v1.RunPage:
        """Runs of the account, newest first.

        An unknown worker has no runs; it is not an error.
        """
        index, size = body.page_index, body.page_size
        try:
            worker_id = await self._worker_id(call, body.scraper_slug.strip())
        except WorkerNotFound:
            return v1.RunPage(0, [], index, size)  # an unknown worker matches no runs
        count, views = await self.runs.list(
            call.caller,
            RunFilter(states=_states_of(body.status), worker_id=worker_id),
            offset=(index - 1) * size,
            limit=size,
        )
        return v1.RunPage(count, [v1.RunDetail.of(view) for view in views], index, size)

    async def _worker_id(self, call: Call, ref: str) -> str | None:
        return (await self.workers.find_including_deleted(call.caller, ref)).id if ref else None

    @post("/api/v1/scraper/abort", scope=Scope.RUN, errors=(RunNotFound, RunNotAbortable))
    async def abort_run_v1(self, call: Call, body: v1.RunRef) -> None:
        """Stop a run.

        A waiting run is aborted at once. The Worker of an active run gets SIGTERM and, five seconds
        later, SIGKILL. Its rows stay. Aborting an aborted run succeeds again.
        """
        await self.runs.abort(call.caller, body.run_slug)

    @post("/api/v1/run/last/log", scope=Scope.READ, errors=(RunNotFound,))
    async def get_run_log_v1(self, call: Call, body: v1.RunRef) -> v1.LogTail:
        """The last 200 lines of a run's log, oldest first, and a link to all of it."""
        run = body.run_slug
        entries, rows = await self.logs.tail(call.caller, run, LOG_LINES)
        url = self.links.url(call.visit, issuer_of(call.caller), LOG, run, f"all_log_{run}.txt")
        return v1.LogTail(url, [v1.LogLine.of(entry) for entry in entries], rows)


def _states_of(status: int) -> tuple[RunState, ...]:
    """The states that v1 shows as ``status``; none for 0, which means no filter."""
    return tuple(state for state, number in NUMBERS.items() if number == status)
