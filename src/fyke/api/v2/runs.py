"""Reading and ending runs: the list, and of one run its detail, its end and its log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.files import LOG, Links
from fyke.api.routes import Json, get
from fyke.api.shared import SharedReads
from fyke.api.sync import watched
from fyke.api.v1.runs import LOG_LINES
from fyke.api.v2.run_scopes import Names, RunScopes, in_all_scopes
from fyke.domain.logs.service import RunLogs
from fyke.domain.runs.service import Runs
from fyke.domain.workers.service import Workers
from fyke.errors import Forbidden, InvalidRequest, RunNotAbortable, WorkerNotFound
from fyke.model.account import Scope
from fyke.model.run import RunFilter
from fyke.wire.v1 import LogLine, LogTail
from fyke.wire.v2.fields import RunFilterFields, RunId, Wait, WorkerId
from fyke.wire.v2.runs import WorkerRun, WorkerRunPage
from fyke.wire.v2.status import FILTERS

DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class RunRoutes:
    """``grace`` is in ms, see ``status_word``."""

    tag: ClassVar[str] = "Runs"

    runs: Runs
    workers: Workers
    logs: RunLogs
    links: Links
    grace: int
    scopes: RunScopes
    details: SharedReads[Json[WorkerRun]] = field(default_factory=SharedReads)

    @get("/api/v2/worker-runs", scope=Scope.READ)
    async def list_worker_runs(self, call: Call, wanted: RunFilterFields) -> WorkerRunPage:
        """Runs of the account, newest first.

        An unknown worker has no runs; it is not an error. Behind the last page `list` is empty.
        """
        until = _until(wanted)
        try:
            worker_id = await self._worker_id(call, wanted.worker_id.strip())
        except WorkerNotFound:  # a filter that fits nothing is no error
            return WorkerRunPage(0, [], wanted.offset, wanted.limit)
        count, views = await self.runs.list(
            call.caller,
            RunFilter(
                states=FILTERS[wanted.status],
                worker_id=worker_id,
                created_from=wanted.start_time * 1000,
                created_until=until * 1000,
            ),
            offset=(wanted.offset - 1) * wanted.limit,
            limit=wanted.limit,
        )
        items = [WorkerRun.of(view, self.grace) for view in views]
        return WorkerRunPage(count, items, wanted.offset, wanted.limit)

    async def _worker_id(self, call: Call, ref: str) -> str | None:
        return (await self.workers.find_including_deleted(call.caller, ref)).id if ref else None

    @in_all_scopes(
        "GET",
        "",
        Names("getLastWorkerRun", "getWorkerRun", "getWorkerLastRun"),
        scope=Scope.READ,
        hot=True,
        validated=True,
    )
    async def get_run(
        self, call: Call, wanted: Wait, run_id: RunId = "", worker_id: WorkerId = ""
    ) -> Json[WorkerRun]:
        """State and figures of {run}.

        With `wait` the answer comes as soon as the run has ended, or after that time, as the run is
        then. A server that is stopped answers at once.
        """
        caller = call.caller
        run_id = await self.scopes.find(call, run_id, worker_id)
        if wanted.wait:
            run = (await self.runs.get(caller, run_id)).run
            await watched(self.runs, run, wanted.wait, call.request)

        async def read() -> Json[WorkerRun]:
            return Json(WorkerRun.of(await self.runs.get(caller, run_id), self.grace))

        return await self.details.get((caller.account_id, run_id), read)

    @in_all_scopes(
        "POST",
        "/abort",
        Names("abortLastWorkerRun", "abortWorkerRun", "abortWorkerLastRun"),
        scope=Scope.RUN,
        errors=(RunNotAbortable, Forbidden),
    )
    async def abort_run(self, call: Call, run_id: RunId = "", worker_id: WorkerId = "") -> None:
        """Stop {run}.

        Succeeds again for a run that is being aborted or was.
        """
        run_id = await self.scopes.find(call, run_id, worker_id)
        await self.runs.abort(call.caller, run_id)

    @in_all_scopes(
        "GET",
        "/log",
        Names("getLastWorkerRunLog", "getWorkerRunLog", "getWorkerLastRunLog"),
        scope=Scope.READ,
    )
    async def get_log(self, call: Call, run_id: RunId = "", worker_id: WorkerId = "") -> LogTail:
        """The last 200 lines of the log of {run}, oldest first, and a link to all of it."""
        run_id = await self.scopes.find(call, run_id, worker_id)
        entries, rows = await self.logs.tail(call.caller, run_id, LOG_LINES)
        url = self.links.url(call.visit, LOG, run_id, f"all_log_{run_id}.txt")
        return LogTail(url, [LogLine.of(entry) for entry in entries], rows)


def _until(wanted: RunFilterFields) -> int:
    """Where the list ends, in seconds: after the whole of the day that ``end_time`` begins."""
    if not wanted.end_time:
        return 0
    until = wanted.end_time + DAY
    if wanted.start_time >= until:
        raise InvalidRequest(
            "start_time must not be later than the day of end_time; exchange the two"
        )
    return until
