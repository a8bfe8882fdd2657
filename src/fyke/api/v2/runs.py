"""Runs: the list, and the detail, abort and log of one run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.files import LOG, Links
from fyke.api.routes import Json, get
from fyke.api.shared import SharedReads
from fyke.api.sync import wait_until_ended
from fyke.api.v1.runs import LOG_LINES
from fyke.api.v2.aborting_readers import AbortingReaders
from fyke.api.v2.run_selector import OperationIds, RunSelector, for_each_selector
from fyke.domain.accounts.link_issuers import issuer_of
from fyke.domain.logs.service import RunLogs
from fyke.domain.runs.service import Runs
from fyke.domain.workers.service import Workers
from fyke.errors import Forbidden, InvalidRequest, RunNotAbortable, WorkerNotFound
from fyke.model.account import Scope
from fyke.model.run import RunFilter
from fyke.wire.v1 import LogLine, LogTail
from fyke.wire.v2.fields import RunFilterFields, RunId, Wait, WorkerId
from fyke.wire.v2.runs import WorkerRun, WorkerRunPage
from fyke.wire.v2.status import STATUS_FILTERS, StatusName

DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class RunRoutes:
    tag: ClassVar[str] = "Runs"

    runs: Runs
    workers: Workers
    logs: RunLogs
    links: Links
    aborting: AbortingReaders
    selector: RunSelector
    details: SharedReads[tuple[StatusName, Json[WorkerRun]]] = field(default_factory=SharedReads)

    @get("/api/v2/worker-runs", scope=Scope.READ)
    async def list_worker_runs(self, call: Call, query: RunFilterFields) -> WorkerRunPage:
        """Runs of the account, newest first.

        An unknown worker has no runs; it is not an error. Beyond the last page `list` is empty.
        """
        until = _until(query)
        try:
            worker_id = await self._worker_id(call, query.worker_id.strip())
        except WorkerNotFound:  # an unknown worker matches no runs
            return WorkerRunPage(0, [], query.offset, query.limit)
        count, views = await self.runs.list(
            call.caller,
            RunFilter(
                states=STATUS_FILTERS[query.status],
                worker_id=worker_id,
                created_from=query.start_time * 1000,
                created_until=until * 1000,
            ),
            offset=(query.offset - 1) * query.limit,
            limit=query.limit,
        )
        items = [WorkerRun.of(view, self.aborting.grace_for(call, view.run.id)) for view in views]
        return WorkerRunPage(count, items, query.offset, query.limit)

    async def _worker_id(self, call: Call, ref: str) -> str | None:
        return (await self.workers.find_including_deleted(call.caller, ref)).id if ref else None

    @for_each_selector(
        "GET",
        "",
        OperationIds("getLastWorkerRun", "getWorkerRun", "getWorkerLastRun"),
        scope=Scope.READ,
        hot=True,
        validated=True,
    )
    async def get_run(
        self, call: Call, query: Wait, run_id: RunId = "", worker_id: WorkerId = ""
    ) -> Json[WorkerRun]:
        """State and figures of {run}.

        With `wait` the answer comes when the run has ended, at the latest after `wait` seconds or
        when the server stops.
        """
        caller = call.caller
        run_id = await self.selector.find(call, run_id, worker_id)
        if query.wait:
            run = (await self.runs.get(caller, run_id)).run
            await wait_until_ended(self.runs, run, query.wait, call.request)

        # a client that uses ``wait`` is made for Fyke and knows both states
        grace = 0 if query.wait else self.aborting.grace_for(call, run_id)

        async def read() -> tuple[StatusName, Json[WorkerRun]]:
            run = WorkerRun.of(await self.runs.get(caller, run_id), grace)
            return run.status, Json(run)

        status, answer = await self.details.get((caller.account_id, run_id, grace), read)
        # also after ``wait``: a later request without it must not get ``aborting`` after
        # ``aborted``
        if status in ("aborting", "aborted"):
            self.aborting.add(call, run_id)
        return answer

    @for_each_selector(
        "POST",
        "/abort",
        OperationIds("abortLastWorkerRun", "abortWorkerRun", "abortWorkerLastRun"),
        scope=Scope.RUN,
        errors=(RunNotAbortable, Forbidden),
    )
    async def abort_run(self, call: Call, run_id: RunId = "", worker_id: WorkerId = "") -> None:
        """Abort {run}.

        Succeeds even if the run has already been aborted.
        """
        run_id = await self.selector.find(call, run_id, worker_id)
        await self.runs.abort(call.caller, run_id)

    @for_each_selector(
        "GET",
        "/log",
        OperationIds("getLastWorkerRunLog", "getWorkerRunLog", "getWorkerLastRunLog"),
        scope=Scope.READ,
    )
    async def get_log(self, call: Call, run_id: RunId = "", worker_id: WorkerId = "") -> LogTail:
        """The last 200 lines of the log of {run}, oldest first, and a link to all of it."""
        run_id = await self.selector.find(call, run_id, worker_id)
        entries, rows = await self.logs.tail(call.caller, run_id, LOG_LINES)
        url = self.links.url(
            call.visit, issuer_of(call.caller), LOG, run_id, f"all_log_{run_id}.txt"
        )
        return LogTail(url, [LogLine.of(entry) for entry in entries], rows)


def _until(query: RunFilterFields) -> int:
    """The exclusive end of the list in Unix seconds, a day after ``end_time``; 0 for none."""
    if not query.end_time:
        return 0
    until = query.end_time + DAY
    if query.start_time >= until:
        raise InvalidRequest(
            "start_time must not be later than the day of end_time; exchange the two"
        )
    return until
