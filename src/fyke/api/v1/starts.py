"""Starting runs: of a worker, of a saved task, of an earlier run once more.

In sync mode the answer waits for the end of the run, at most ``wait_seconds``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.callback_url import read_callback
from fyke.api.routes import post
from fyke.api.sync import watched
from fyke.domain.results.service import RunResults
from fyke.domain.runs.service import Runs, StartRequest
from fyke.domain.workers.service import Workers
from fyke.errors import (
    InsufficientBalance,
    InsufficientTraffic,
    InvalidRequest,
    RunNotFound,
    RunRefused,
    TaskNotFound,
    VersionUnavailable,
    WorkerNotFound,
)
from fyke.kit.clock import Clock
from fyke.model.account import Scope
from fyke.model.run import Origin, Run
from fyke.wire import v1

_REFUSALS = (InsufficientBalance, InsufficientTraffic, RunRefused, VersionUnavailable)


@dataclass(frozen=True, slots=True)
class StartRoutes:
    tag: ClassVar[str] = "Runs"

    runs: Runs
    workers: Workers
    results: RunResults
    clock: Clock
    wait_seconds: float
    require_callback_url: bool

    @post("/api/v1/scraper/run", scope=Scope.RUN, errors=(WorkerNotFound, *_REFUSALS), starts=True)
    async def start_run_v1(self, call: Call, wanted: v1.StartRun) -> v1.SyncResult | v1.RunStarted:
        """Start a run of a worker.

        With `is_async` false the answer waits for the end of the run and carries a window of its
        rows; when the wait is over the run goes on, to be polled by its `run_slug`. The error for
        an unknown version names the newest.
        """
        callback_url = read_callback(wanted.callback_url, required=False)
        request = StartRequest(
            worker_ref=wanted.scraper_slug,
            version=await self._version(call, wanted),
            input=wanted.input,
            callback_url=callback_url,
            origin=Origin.API,
            key=call.start_key,
        )
        return await self._answer(call, await self.runs.start(call.caller, request), wanted)

    @post(
        "/api/v1/task/run",
        scope=Scope.RUN,
        tag="Tasks",
        errors=(TaskNotFound, *_REFUSALS),
        starts=True,
    )
    async def start_task_v1(
        self, call: Call, wanted: v1.StartTask
    ) -> v1.SyncResult | v1.RunStarted:
        """Start a saved task.

        With `is_async` false the answer waits for the end of the run and carries a window of its
        rows; when the wait is over the run goes on, to be polled by its `run_slug`.
        """
        callback_url = read_callback(wanted.callback_url, required=self.require_callback_url)
        run = await self.runs.start_task(
            call.caller, wanted.task_slug, callback_url, Origin.API, key=call.start_key
        )
        return await self._answer(call, run, wanted)

    @post("/api/v1/rerun", scope=Scope.RUN, errors=(RunNotFound, *_REFUSALS), starts=True)
    async def rerun_v1(self, call: Call, wanted: v1.Rerun) -> v1.RunStarted:
        """Start a run with the worker, version, device and input of an earlier run.

        The callback of the earlier run is not inherited.
        """
        callback_url = read_callback(wanted.callback_url, required=self.require_callback_url)
        run = await self.runs.rerun(
            call.caller, wanted.run_slug, callback_url, Origin.API, key=call.start_key
        )
        return v1.RunStarted(run.id)

    async def _version(self, call: Call, wanted: v1.StartRun) -> str | None:
        """A version of the wrong type is answered like an unknown one: with the newest's name."""
        if wanted.version is None or isinstance(wanted.version, str):
            return wanted.version
        worker = await self.workers.find(call.caller, wanted.scraper_slug)
        latest = (await self.workers.version(call.caller, worker)).number
        raise InvalidRequest(f"version must be a string; the latest is {latest}")

    async def _answer(
        self, call: Call, run: Run, wanted: v1.StartRun | v1.StartTask
    ) -> v1.SyncResult | v1.RunStarted:
        if wanted.is_async:
            return v1.RunStarted(run.id)
        seen = await watched(self.runs, run, self.wait_seconds, call.request)
        page = await self.results.page(call.caller, run.id, wanted.page_index, wanted.page_size)
        return v1.SyncResult.of(seen, self.clock.now_ms(), page)
