"""Starting runs: of a worker, or of an earlier run once more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.api.call import Call
from fyke.api.envelope import encode
from fyke.api.errors import TABLE_V2, WireError
from fyke.api.operations import Operation
from fyke.api.sync import watched
from fyke.api.v1.fields import callback
from fyke.api.v2 import run_answers, run_views
from fyke.api.v2.fields import RunBody, StartBody, WorkerRef
from fyke.api.v2.run_scopes import Names, RunScopes, in_all_scopes
from fyke.domain.results.service import RunResults
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
from fyke.model.run import Origin, Run

REFUSALS: tuple[WireError, ...] = (
    TABLE_V2[InsufficientBalance],
    TABLE_V2[InsufficientTraffic],
    TABLE_V2[PlanLimitReached],
    TABLE_V2[RunRefused],
    TABLE_V2[VersionUnavailable],
    TABLE_V2[Forbidden],
)
SYNC = (
    "With `is_async` false the answer waits for the end of the run and carries a page of its "
    "rows; when the wait is over the run goes on, to be polled by its `run_slug`."
)


class StartRun(WorkerRef, RunBody):
    pass


@dataclass(frozen=True, slots=True)
class StartAnswers:
    """What a start is answered with, at once or after the end of its run.

    ``wait_seconds`` is how long at most; ``grace`` is in ms, see ``words.status``.
    """

    runs: Runs
    results: RunResults
    clock: Clock
    wait_seconds: float
    grace: int

    async def answer(self, call: Call, run: Run, wanted: StartBody) -> bytes:
        """``data`` for the caller who started ``run`` with ``wanted``."""
        if wanted.is_async:
            return encode({"run_slug": run.id})
        seen = await watched(self.runs, run, self.wait_seconds, call.request)
        page = await self.results.page(call.caller, run.id, wanted.offset, wanted.limit)
        return run_views.sync_result(seen, self.clock.now_ms(), self.grace, page)


@dataclass(frozen=True, slots=True)
class StartOperations:
    runs: Runs
    scopes: RunScopes
    answers: StartAnswers

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "POST",
                "/api/v2/workers/{workerId:worker}/runs",
                id="runWorker",
                tag="Runs",
                summary="Start a run of a worker",
                description=SYNC,
                fields=StartRun,
                handler=self.start,
                answer=run_answers.WorkerRunStarted,
                errors=(TABLE_V2[WorkerNotFound], *REFUSALS),
                starts=True,
                path_fields=("workerId",),
            ),
            *in_all_scopes(
                "POST",
                "/rerun",
                Names("rerunLastWorkerRun", "rerunWorkerRun", "rerunWorkerLastRun"),
                tag="Runs",
                summary="Start anew with the worker, version and input of {run}",
                description=SYNC,
                fields=StartBody,
                handler=self.rerun,
                answer=run_answers.WorkerRunStarted,
                errors=(TABLE_V2[WorkerNotFound], *REFUSALS),
                starts=True,
            ),
        ]

    async def start(self, call: Call, wanted: StartRun) -> bytes:
        request = start_request(wanted.worker_id, wanted, call.start_key)
        run = await self.runs.start(call.caller, request)
        return await self.answers.answer(call, run, wanted)

    async def rerun(self, call: Call, wanted: StartBody) -> bytes:
        callback_url = callback(wanted.callback_url, required=False)
        source = await self.scopes.run_id(call, wanted)
        run = await self.runs.rerun(
            call.caller, source, callback_url, Origin.API_V2, key=call.start_key
        )
        return await self.answers.answer(call, run, wanted)


def start_request(worker_ref: str, body: RunBody, key: StartKey | None) -> StartRequest:
    """What ``body`` asks for; no input at all is an input without fields."""
    return StartRequest(
        worker_ref=worker_ref,
        version=body.version,
        input=body.input or {"parameters": {"custom": {}}},
        callback_url=callback(body.callback_url, required=False),
        origin=Origin.API_V2,
        key=key,
    )
