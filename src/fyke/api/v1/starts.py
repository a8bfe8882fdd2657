"""Starting runs: of a worker, of a saved task, or again with the input of an earlier run.

A synchronous start waits for the end of the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.callback_url import read_callback
from fyke.api.routes import post
from fyke.api.sync import SyncAnswers
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
    sync: SyncAnswers
    clock: Clock
    require_callback_url: bool

    @post("/api/v1/scraper/run", scope=Scope.RUN, errors=(WorkerNotFound, *_REFUSALS), starts=True)
    async def start_run_v1(self, call: Call, body: v1.StartRun) -> v1.SyncResult | v1.RunStarted:
        """Start a run of a worker.

        With `is_async` false the answer waits for the end of the run and contains a page of its
        rows. If the run takes longer than that, it continues; poll it by its `run_slug`. The error
        for an unknown version names the newest.
        """
        callback_url = read_callback(body.callback_url)
        request = StartRequest(
            worker_ref=body.scraper_slug,
            version=await self._version(call, body),
            input=body.input,
            callback_url=callback_url,
            origin=Origin.API,
            key=call.start_key,
        )
        return await self._answer(call, await self.runs.start(call.caller, request), body)

    @post(
        "/api/v1/task/run",
        scope=Scope.RUN,
        tag="Tasks",
        errors=(TaskNotFound, *_REFUSALS),
        starts=True,
    )
    async def start_task_v1(self, call: Call, body: v1.StartTask) -> v1.SyncResult | v1.RunStarted:
        """Start a saved task.

        With `is_async` false the answer waits for the end of the run and contains a page of its
        rows. If the run takes longer than that, it continues; poll it by its `run_slug`.
        """
        callback_url = read_callback(body.callback_url, required=self.require_callback_url)
        run = await self.runs.start_task(
            call.caller, body.task_slug, callback_url, Origin.API, key=call.start_key
        )
        return await self._answer(call, run, body)

    @post("/api/v1/rerun", scope=Scope.RUN, errors=(RunNotFound, *_REFUSALS), starts=True)
    async def rerun_v1(self, call: Call, body: v1.Rerun) -> v1.RunStarted:
        """Start a run with the worker, version, device and input of an earlier run.

        The callback of the earlier run is not inherited.
        """
        callback_url = read_callback(body.callback_url, required=self.require_callback_url)
        run = await self.runs.rerun(
            call.caller, body.run_slug, callback_url, Origin.API, key=call.start_key
        )
        return v1.RunStarted(run.id)

    async def _version(self, call: Call, body: v1.StartRun) -> str | None:
        """The requested version. A wrong type raises ``InvalidRequest`` with the newest version."""
        if body.version is None or isinstance(body.version, str):
            return body.version
        worker = await self.workers.find(call.caller, body.scraper_slug)
        newest = (await self.workers.version(call.caller, worker)).number
        raise InvalidRequest(f"version must be a string; the latest is {newest}")

    async def _answer(
        self, call: Call, run: Run, body: v1.StartRun | v1.StartTask
    ) -> v1.SyncResult | v1.RunStarted:
        if body.is_async:
            return v1.RunStarted(run.id)
        latest, page = await self.sync.of(call, run, body.page_index, body.page_size)
        return v1.SyncResult.of(latest, self.clock.now_ms(), page)
