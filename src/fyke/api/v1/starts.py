"""Starting runs: of a worker, of a saved task, of an earlier run once more.

In sync mode the answer waits for the end of the run, at most ``wait_seconds``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.api.envelope import encode
from fyke.api.errors import TABLE, WireError
from fyke.api.operations import Call, Operation
from fyke.api.sync import watched
from fyke.api.v1 import answers, fields, views
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
from fyke.model.run import Origin, Run

_REFUSALS: tuple[WireError, ...] = (
    TABLE[InsufficientBalance],
    TABLE[InsufficientTraffic],
    TABLE[RunRefused],
    TABLE[VersionUnavailable],
)
_SYNC = (
    "With `is_async` false the answer waits for the end of the run and carries a window of its "
    "rows; when the wait is over the run goes on, to be polled by its `run_slug`."
)


@dataclass(frozen=True, slots=True)
class StartOperations:
    runs: Runs
    workers: Workers
    results: RunResults
    clock: Clock
    wait_seconds: float
    require_callback_url: bool

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "POST",
                "/api/v1/scraper/run",
                id="startRunV1",
                tag="Runs",
                summary="Start a run of a worker",
                description=_SYNC,
                fields=fields.StartRun,
                handler=self.start,
                answer=answers.StartedOrResult,
                errors=(TABLE[WorkerNotFound], *_REFUSALS),
                starts=True,
            ),
            Operation(
                "POST",
                "/api/v1/task/run",
                id="startTaskV1",
                tag="Tasks",
                summary="Start a saved task",
                description=_SYNC,
                fields=fields.StartTask,
                handler=self.start_task,
                answer=answers.StartedOrResult,
                errors=(TABLE[TaskNotFound], *_REFUSALS),
                starts=True,
            ),
            Operation(
                "POST",
                "/api/v1/rerun",
                id="rerunV1",
                tag="Runs",
                summary="Start anew with the worker, version and input of an earlier run",
                fields=fields.Rerun,
                handler=self.rerun,
                answer=answers.Started,
                errors=(TABLE[RunNotFound], *_REFUSALS),
                starts=True,
            ),
        ]

    async def start(self, call: Call, wanted: fields.StartRun) -> bytes:
        callback_url = fields.callback(wanted.callback_url, required=False)
        request = StartRequest(
            worker_ref=wanted.scraper_slug,
            version=await self._version(call, wanted),
            input=wanted.input,
            callback_url=callback_url,
            origin=Origin.API,
            key=call.start_key,
        )
        run = await self.runs.start(call.caller, request)
        return await self._answer(call, run, wanted.is_async, wanted)

    async def start_task(self, call: Call, wanted: fields.StartTask) -> bytes:
        callback_url = fields.callback(wanted.callback_url, required=self.require_callback_url)
        run = await self.runs.start_task(
            call.caller, wanted.task_slug, callback_url, Origin.API, key=call.start_key
        )
        return await self._answer(call, run, wanted.is_async, wanted)

    async def rerun(self, call: Call, wanted: fields.Rerun) -> bytes:
        callback_url = fields.callback(wanted.callback_url, required=self.require_callback_url)
        run = await self.runs.rerun(
            call.caller, wanted.run_slug, callback_url, Origin.API, key=call.start_key
        )
        return encode({"run_slug": run.id})

    async def _version(self, call: Call, wanted: fields.StartRun) -> str | None:
        """A version of the wrong type is answered like an unknown one: with the newest's name."""
        if wanted.version is None or isinstance(wanted.version, str):
            return wanted.version
        worker = await self.workers.find(call.caller, wanted.scraper_slug)
        latest = (await self.workers.version(call.caller, worker)).number
        raise InvalidRequest(f"version must be a string; the latest is {latest}")

    async def _answer(self, call: Call, run: Run, is_async: bool, window: fields.Window) -> bytes:
        if is_async:
            return encode({"run_slug": run.id})
        seen = await watched(self.runs, run, self.wait_seconds, call.request)
        page = await self.results.page(call.caller, run.id, window.page_index, window.page_size)
        return views.sync_result(seen, self.clock.now_ms(), page)
