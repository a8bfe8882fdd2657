"""Reading and ending runs: the list, and of one run its detail, its end and its log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from fyke.api.call import Call
from fyke.api.decode import Wire, WireText, to_integer, wrong
from fyke.api.envelope import NULL, encode
from fyke.api.errors import TABLE_V2
from fyke.api.files import LOG, Links
from fyke.api.operations import Nothing, Operation
from fyke.api.shared import SharedReads
from fyke.api.sync import watched
from fyke.api.v1.answers import LogTail
from fyke.api.v1.runs import LOG_LINES
from fyke.api.v1.views import log_line
from fyke.api.v2 import run_answers, run_views
from fyke.api.v2.fields import Moment, Page, Status, page
from fyke.api.v2.run_scopes import Names, RunScopes, in_all_scopes
from fyke.api.v2.vocabulary import FILTERS
from fyke.domain.logs.service import RunLogs
from fyke.domain.runs.service import Runs
from fyke.domain.workers.service import Workers
from fyke.errors import Forbidden, InvalidRequest, RunNotAbortable, WorkerNotFound
from fyke.model.run import RunFilter

DAY = 86_400  # seconds
MAX_WAIT = 60  # seconds


class RunList(Page):
    worker_id: WireText = ""
    status: Status = ""
    start_time: Moment = Field(0, description="Unix seconds; made at this time or later")
    end_time: Moment = Field(0, description="Unix seconds at 00:00:00 of the last day to list")


def _wait(value: object) -> int:
    seconds = to_integer(value)
    if not 0 <= seconds <= MAX_WAIT:
        raise wrong(f"must be 0 to {MAX_WAIT} seconds")
    return seconds


class Patience(Wire):
    """How long to wait for the end of a run."""

    wait: Annotated[
        int,
        BeforeValidator(_wait),
        Field(description="seconds to wait for the end of the run before answering"),
        WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_WAIT}),
    ] = 0


@dataclass(frozen=True, slots=True)
class RunOperations:
    """``grace`` is in ms, see ``words.status``."""

    runs: Runs
    workers: Workers
    logs: RunLogs
    links: Links
    grace: int
    scopes: RunScopes
    details: SharedReads[bytes] = field(default_factory=SharedReads)

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/v2/worker-runs",
                id="listWorkerRuns",
                tag="Runs",
                summary="Runs of the account, newest first",
                fields=RunList,
                handler=self.list,
                answer=run_answers.WorkerRunPage,
            ),
            *in_all_scopes(
                "GET",
                "",
                Names("getLastWorkerRun", "getWorkerRun", "getWorkerLastRun"),
                tag="Runs",
                summary="State and figures of {run}",
                description="With `wait` the answer comes when the run has ended, or after it.",
                fields=Patience,
                handler=self.detail,
                answer=run_answers.WorkerRun,
                hot=True,
                validated=True,
            ),
            *in_all_scopes(
                "POST",
                "/abort",
                Names("abortLastWorkerRun", "abortWorkerRun", "abortWorkerLastRun"),
                tag="Runs",
                summary="Stop {run}",
                fields=Nothing,
                handler=self.abort,
                errors=(TABLE_V2[RunNotAbortable], TABLE_V2[Forbidden]),
            ),
            *in_all_scopes(
                "GET",
                "/log",
                Names("getLastWorkerRunLog", "getWorkerRunLog", "getWorkerLastRunLog"),
                tag="Runs",
                summary="Last lines of the log of {run}, and a link to all of it",
                fields=Nothing,
                handler=self.log,
                answer=LogTail,
            ),
        ]

    async def list(self, call: Call, wanted: RunList) -> bytes:
        found: dict[str, Any] = {"count": 0, "list": []}
        until = _until(wanted)
        try:
            worker_id = await self._worker_id(call, wanted.worker_id.strip())
        except WorkerNotFound:
            pass  # a filter that fits nothing is no error
        else:
            found["count"], views = await self.runs.list(
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
            found["list"] = [run_views.run_object(view, self.grace) for view in views]
        return encode(found | page(wanted.offset, wanted.limit))

    async def _worker_id(self, call: Call, ref: str) -> str | None:
        return (await self.workers.of_runs(call.caller, ref)).id if ref else None

    async def detail(self, call: Call, wanted: Patience) -> bytes:
        caller = call.caller
        run_id = await self.scopes.run_id(call, wanted)
        if wanted.wait:
            run = (await self.runs.get(caller, run_id)).run
            await watched(self.runs, run, wanted.wait, call.request)

        async def read() -> bytes:
            return encode(run_views.run_object(await self.runs.get(caller, run_id), self.grace))

        return await self.details.get((caller.account_id, run_id), read)

    async def abort(self, call: Call, wanted: Wire) -> bytes:
        await self.runs.abort(call.caller, await self.scopes.run_id(call, wanted))
        return NULL

    async def log(self, call: Call, wanted: Wire) -> bytes:
        run_id = await self.scopes.run_id(call, wanted)
        entries, rows = await self.logs.tail(call.caller, run_id, LOG_LINES)
        return encode(
            {
                "all_logs_url": self.links.url(call.visit, LOG, run_id, f"all_log_{run_id}.txt"),
                "list": [log_line(entry) for entry in entries],
                "result_count": rows,
            }
        )


def _until(wanted: RunList) -> int:
    """Where the list ends, in seconds: after the whole of the day that ``end_time`` begins."""
    if not wanted.end_time:
        return 0
    until = wanted.end_time + DAY
    if wanted.start_time >= until:
        raise InvalidRequest(
            "start_time must not be later than the day of end_time; exchange the two"
        )
    return until
