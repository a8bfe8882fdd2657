"""Starting runs: of a worker, or again with the input of an earlier run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.callback_url import read_callback
from fyke.api.routes import post
from fyke.api.sync import SyncAnswers
from fyke.api.v2.run_selector import OperationIds, RunSelector, for_each_selector
from fyke.domain.runs.service import Runs, StartRequest
from fyke.domain.runs.start_keys import StartKey
from fyke.errors import (
    Forbidden,
    InsufficientBalance,
    InsufficientTraffic,
    PlanLimitReached,
    RunRefused,
    VersionUnavailable,
    WorkerNotFound,
)
from fyke.kit.clock import Clock
from fyke.model.account import Scope
from fyke.model.run import Origin, Run
from fyke.wire.v2.fields import RunId, StartOptions, StartWorker, WorkerId
from fyke.wire.v2.runs import WorkerRunResult, WorkerRunStarted

REFUSALS = (
    InsufficientBalance,
    InsufficientTraffic,
    PlanLimitReached,
    RunRefused,
    VersionUnavailable,
    Forbidden,
)


@dataclass(frozen=True, slots=True)
class StartAnswers:
    """Answers a start, at once or after the end of its run.

    ``grace``: milliseconds, see ``status_at``.
    """

    sync: SyncAnswers
    clock: Clock
    grace: int

    async def answer(
        self, call: Call, run: Run, options: StartOptions
    ) -> WorkerRunResult | WorkerRunStarted:
        """The answer to a start of ``run`` with ``options``."""
        if options.is_async:
            return WorkerRunStarted(run.id)
        latest, page = await self.sync.of(call, run, options.offset, options.limit)
        return WorkerRunResult.of(latest, self.clock.now_ms(), self.grace, page)


@dataclass(frozen=True, slots=True)
class StartRoutes:
    tag: ClassVar[str] = "Runs"

    runs: Runs
    selector: RunSelector
    answers: StartAnswers

    @post(
        "/api/v2/workers/{workerId:worker}/runs",
        scope=Scope.RUN,
        errors=(WorkerNotFound, *REFUSALS),
        starts=True,
    )
    async def run_worker(
        self, call: Call, worker_id: WorkerId, body: StartWorker
    ) -> WorkerRunResult | WorkerRunStarted:
        """Start a run of a worker.

        With `is_async` false the answer waits for the end of the run and contains a page of its
        rows. If the run takes longer than that, it continues; poll it by its `run_slug`.
        """
        request = start_request(worker_id, body, call.start_key)
        run = await self.runs.start(call.caller, request)
        return await self.answers.answer(call, run, body)

    @for_each_selector(
        "POST",
        "/rerun",
        OperationIds("rerunLastWorkerRun", "rerunWorkerRun", "rerunWorkerLastRun"),
        scope=Scope.RUN,
        errors=(WorkerNotFound, *REFUSALS),
        starts=True,
    )
    async def rerun(
        self, call: Call, body: StartOptions, run_id: RunId = "", worker_id: WorkerId = ""
    ) -> WorkerRunResult | WorkerRunStarted:
        """Start a run with the worker, version, device and input of {run}.

        With `is_async` false the answer waits for the end of the run and contains a page of its
        rows. If the run takes longer than that, it continues; poll it by its `run_slug`.
        """
        callback_url = read_callback(body.callback_url)
        source = await self.selector.find(call, run_id, worker_id)
        run = await self.runs.rerun(
            call.caller, source, callback_url, Origin.API_V2, key=call.start_key
        )
        return await self.answers.answer(call, run, body)


def start_request(worker_ref: str, body: StartWorker, key: StartKey | None) -> StartRequest:
    """The requested start; a missing input becomes one without fields."""
    return StartRequest(
        worker_ref=worker_ref,
        version=body.version,
        input=body.input or {"parameters": {"custom": {}}},
        callback_url=read_callback(body.callback_url),
        origin=Origin.API_V2,
        key=key,
    )
