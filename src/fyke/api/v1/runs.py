"""Reading and ending runs: detail, list, abort, and the last lines of the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fyke.api.envelope import NULL, encode
from fyke.api.errors import TABLE
from fyke.api.files import LOG, Links
from fyke.api.operations import Call, Operation
from fyke.api.shared import SharedReads
from fyke.api.v1 import answers, fields, views
from fyke.api.v1 import vocabulary as words
from fyke.domain.logs.service import RunLogs
from fyke.domain.runs.service import Runs
from fyke.domain.workers.service import Workers
from fyke.errors import RunNotAbortable, RunNotFound, WorkerNotFound
from fyke.model.run import RunFilter

LOG_LINES = 200


@dataclass(frozen=True, slots=True)
class RunOperations:
    runs: Runs
    workers: Workers
    logs: RunLogs
    links: Links
    details: SharedReads[bytes] = field(default_factory=SharedReads)

    def operations(self) -> list[Operation[Any]]:
        unknown = TABLE[RunNotFound]
        return [
            Operation(
                "POST",
                "/api/v1/run/detail",
                id="getRunV1",
                tag="Runs",
                summary="State and figures of a run",
                fields=fields.RunRef,
                handler=self.detail,
                answer=answers.RunDetail,
                errors=(unknown,),
                hot=True,
            ),
            Operation(
                "POST",
                "/api/v1/run/list",
                id="listRunsV1",
                tag="Runs",
                summary="Runs of the account, newest first",
                fields=fields.RunList,
                handler=self.list,
                answer=answers.RunPage,
            ),
            Operation(
                "POST",
                "/api/v1/scraper/abort",
                id="abortRunV1",
                tag="Runs",
                summary="Stop a run",
                fields=fields.RunRef,
                handler=self.abort,
                errors=(unknown, TABLE[RunNotAbortable]),
            ),
            Operation(
                "POST",
                "/api/v1/run/last/log",
                id="getRunLogV1",
                tag="Runs",
                summary="Last lines of a run's log, and a link to all of it",
                fields=fields.RunRef,
                handler=self.log,
                answer=answers.LogTail,
                errors=(unknown,),
            ),
        ]

    async def detail(self, call: Call, wanted: fields.RunRef) -> bytes:
        caller = call.caller

        async def read() -> bytes:
            return encode(views.run_detail(await self.runs.get(caller, wanted.run_slug)))

        return await self.details.get((caller.account_id, wanted.run_slug), read)

    async def list(self, call: Call, wanted: fields.RunList) -> bytes:
        page: dict[str, Any] = {"count": 0, "list": []}
        try:
            worker_id = await self._worker_id(call, wanted.scraper_slug.strip())
        except WorkerNotFound:
            pass  # a filter that fits nothing is no error
        else:
            page["count"], found = await self.runs.list(
                call.caller,
                RunFilter(states=words.states_of(wanted.status), worker_id=worker_id),
                offset=(wanted.page_index - 1) * wanted.page_size,
                limit=wanted.page_size,
            )
            page["list"] = [views.run_detail(view) for view in found]
        return encode(page | {"page_index": wanted.page_index, "page_size": wanted.page_size})

    async def _worker_id(self, call: Call, ref: str) -> str | None:
        return (await self.workers.of_runs(call.caller, ref)).id if ref else None

    async def abort(self, call: Call, wanted: fields.RunRef) -> bytes:
        await self.runs.abort(call.caller, wanted.run_slug)
        return NULL

    async def log(self, call: Call, wanted: fields.RunRef) -> bytes:
        entries, rows = await self.logs.tail(call.caller, wanted.run_slug, LOG_LINES)
        name = f"all_log_{wanted.run_slug}.txt"
        return encode(
            {
                "all_logs_url": self.links.url(call.visit, LOG, wanted.run_slug, name),
                "list": [views.log_line(entry) for entry in entries],
                "result_count": rows,
            }
        )
