"""All about one run: how it ended and why, its log from any place, its use, its subtasks, and the
links under which others may look at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.api.call import Call
from fyke.api.decode import Wire, WireBool, WireInt, WireName, WireText
from fyke.api.envelope import NULL, encode
from fyke.api.network import Visit
from fyke.api.operations import Operation
from fyke.api.own import run_page_answers as answers
from fyke.api.own.reasons import reason_members
from fyke.api.v1.errors import TABLE
from fyke.api.v1.vocabulary import seconds
from fyke.domain.billing.cost_lines import CostLine
from fyke.domain.billing.pricing import format_usage
from fyke.domain.logs.reading import MOST_LINES, LogPosition, LogReading
from fyke.domain.results.service import RunResults
from fyke.domain.runs.endings import RunEnding, RunEndings
from fyke.domain.runs.service import Runs, RunView
from fyke.domain.runs.sharing import Shares
from fyke.domain.runs.subtask_reader import MOST_PARTS, SubtaskReader, SubtaskView
from fyke.domain.runs.usage import RunUsage, RunUsages
from fyke.errors import InvalidFields, NotFound, Refused, RunNotFound
from fyke.model.billing import gb_seconds
from fyke.model.log import LogExcerpt, LogFilter, LogType
from fyke.model.run import Attempt, RunState, Share
from fyke.reasons import Hint, cause, next_step

SHARE_DAYS = 7


class RunRef(Wire):
    slug: WireName


class LogPlaceRef(RunRef):
    after: WireInt = -1
    before: WireInt = -1
    level: WireInt = int(LogType.DEBUG)
    search: WireText = ""
    limit: WireInt = MOST_LINES


class LineRef(RunRef):
    position: WireInt


class PartsRef(RunRef):
    offset: WireInt = 0
    limit: WireInt = MOST_PARTS


class ShareFields(RunRef):
    days: WireInt = SHARE_DAYS
    rows: WireBool = True
    log: WireBool = False


class ShareRef(Wire):
    id: WireName


@dataclass(frozen=True, slots=True)
class RunPageOperations:
    runs: Runs
    logs: LogReading
    uses: RunUsages
    parts: SubtaskReader
    endings: RunEndings
    shares: Shares
    results: RunResults

    def operations(self) -> list[Operation[Any]]:
        return [self._of_summary(), *self._of_log(), *self._of_use(), *self._of_shares()]

    def _of_summary(self) -> Operation[Any]:
        return _read(
            "/api/fyke/runs/{slug}",
            "getRunSummary",
            "How a run stands or ended, with the cause and what to do next",
            RunRef,
            self.summary,
            answers.RunSummary,
        )

    def _of_log(self) -> list[Operation[Any]]:
        return [
            _read(
                "/api/fyke/runs/{slug}/log/page",
                "readRunLogPage",
                "Entries of a run's log from any place, by severity and text",
                LogPlaceRef,
                self.log_page,
                answers.LogPageAnswer,
                description=(
                    "Behind `after`, before `before`, or without either the last ones. A look that "
                    "takes too long stops: ask again from `reached`."
                ),
            ),
            _read(
                "/api/fyke/runs/{slug}/log/lines/{position}",
                "readRunLogLine",
                "One whole entry of a run's log",
                LineRef,
                self.log_line,
                answers.LogLineAnswer,
                path_fields=("slug", "position"),
                missing=True,
            ),
        ]

    def _of_use(self) -> list[Operation[Any]]:
        return [
            _read(
                "/api/fyke/runs/{slug}/usage",
                "getRunUsage",
                "What a run has used over time, and what that cost, line by line",
                RunRef,
                self.usage,
                answers.UseAnswer,
            ),
            _read(
                "/api/fyke/runs/{slug}/subtasks",
                "listRunSubtasks",
                "The subtasks of a run with their input, outcome and attempts",
                PartsRef,
                self.subtasks,
                answers.SubtaskPage,
            ),
        ]

    def _of_shares(self) -> list[Operation[Any]]:
        return [
            _read(
                "/api/fyke/runs/{slug}/shares",
                "listRunShares",
                "The links under which others may look at a run",
                RunRef,
                self.list_shares,
                answers.ShareList,
            ),
            Operation(
                "POST",
                "/api/fyke/runs/{slug}/shares",
                id="shareRun",
                tag="Runs",
                summary="Make a link under which others may look at a run",
                description="Whoever has the link sees this run and nothing else of the account.",
                fields=ShareFields,
                handler=self.share,
                answer=answers.ShareAnswer,
                errors=(TABLE[RunNotFound], TABLE[Refused]),
                path_fields=("slug",),
            ),
            Operation(
                "DELETE",
                "/api/fyke/shares/{id}",
                id="revokeShare",
                tag="Runs",
                summary="Let a share link open nothing any more",
                fields=ShareRef,
                handler=self.revoke,
                errors=(TABLE[NotFound],),
                path_fields=("id",),
            ),
        ]

    async def summary(self, call: Call, wanted: RunRef) -> bytes:
        view = await self.runs.get(call.caller, wanted.slug)
        hidden = await self.results.hidden_count(call.caller, wanted.slug)
        return encode(_summary(view, await self.endings.of(view), hidden))

    async def log_page(self, call: Call, wanted: LogPlaceRef) -> bytes:
        if wanted.after >= 0 and wanted.before >= 0:
            raise InvalidFields("after and before name two places; give one of them")
        page = await self.logs.page(
            call.caller,
            wanted.slug,
            LogPosition(_given(wanted.after), _given(wanted.before)),
            LogFilter(wanted.level, wanted.search),
            limit=wanted.limit,
        )
        lines = [_line(line) for line in page.lines]
        figures = {"count": page.count, "reached": page.reached, "complete": page.complete}
        return encode({"list": lines} | figures)

    async def log_line(self, call: Call, wanted: LineRef) -> bytes:
        found = await self.logs.line(call.caller, wanted.slug, wanted.position)
        length = len(found.content)
        return encode(
            _line(
                LogExcerpt(
                    found.position, found.type, found.group, found.content, found.timestamp, length
                )
            )
        )

    async def usage(self, call: Call, wanted: RunRef) -> bytes:
        return encode(_use(await self.uses.of_run(call.caller, wanted.slug)))

    async def subtasks(self, call: Call, wanted: PartsRef) -> bytes:
        count, found = await self.parts.page(
            call.caller, wanted.slug, offset=wanted.offset, limit=wanted.limit
        )
        return encode({"count": count, "list": [_part(part) for part in found]})

    async def share(self, call: Call, wanted: ShareFields) -> bytes:
        share, token = await self.shares.make(
            call.caller, wanted.slug, days=wanted.days, rows=wanted.rows, log=wanted.log
        )
        return encode(_share(call.visit, share, token))

    async def list_shares(self, call: Call, wanted: RunRef) -> bytes:
        found = await self.shares.of_run(call.caller, wanted.slug)
        return encode({"list": [_share(call.visit, share, token) for share, token in found]})

    async def revoke(self, call: Call, wanted: ShareRef) -> bytes:
        await self.shares.revoke(call.caller, wanted.id)
        return NULL


def _read(
    path: str,
    id: str,
    summary: str,
    fields: type[Any],
    handler: Any,
    answer: type[Any],
    *,
    description: str = "",
    path_fields: tuple[str, ...] = ("slug",),
    missing: bool = False,
) -> Operation[Any]:
    more = (TABLE[NotFound],) if missing else ()
    return Operation(
        "GET",
        path,
        id=id,
        tag="Runs",
        summary=summary,
        description=description,
        fields=fields,
        handler=handler,
        answer=answer,
        errors=(TABLE[RunNotFound], *more),
        path_fields=path_fields,
    )


def _given(position: int) -> int | None:
    return position if position >= 0 else None


def _summary(view: RunView, ending: RunEnding, hidden: int) -> dict[str, Any]:
    run, hint = view.run, ending.hint
    state = RunState.RUNNING if run.state is RunState.ENDING else run.state
    return {
        "slug": run.id,
        "state": state.value,
        "outcome": run.outcome.value if run.outcome and run.state.terminal else "",
        "reason": run.err_msg,
        **reason_members(run.reason if run.state.terminal else None),
        "worker_slug": run.worker_id,
        "version": run.version,
        "results": view.results,
        "hidden": hidden,
        "usage": format_usage(view.usage_micros),
        "traffic": view.traffic_bytes,
        "created_at": seconds(run.created_at),
        "started_at": seconds(run.started_at),
        "finished_at": seconds(run.finished_at),
        "hint": _hint(hint) if hint else None,
        "errors": [_line(line) for line in ending.errors],
    }


def _hint(hint: Hint) -> dict[str, Any]:
    return {
        "code": hint.code.value,
        "params": hint.params,
        "cause": cause(hint),
        "next_step": next_step(hint),
    }


def _line(line: LogExcerpt) -> dict[str, Any]:
    return {
        "position": line.position,
        "type": line.type,
        "group": line.group,
        "content": line.content,
        "length": line.length,
        "timestamp": line.timestamp,
    }


def _use(use: RunUsage) -> dict[str, Any]:
    return {
        "cpu_ms": use.cpu_ms,
        "memory_gb_seconds": gb_seconds(use.memory_mb_ms),
        "memory_peak": use.memory_peak_bytes,
        "traffic": use.traffic_bytes,
        "usage": _dollars(use.usage_micros),
        "lines": [_cost(line) for line in use.lines],
        "samples": [
            {
                "timestamp": sample.at,
                "cpu_ms": sample.cpu_ms,
                "memory": sample.memory_bytes,
                "traffic": sample.traffic_bytes,
                "rows": sample.rows,
            }
            for sample in use.samples
        ],
    }


def _cost(line: CostLine) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "quantity": f"{line.quantity:f}",
        "unit": line.unit,
        "price": f"{line.price:f}",
        "cost": _dollars(line.micros),
    }


def _dollars(micros: int) -> str:
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def _part(part: SubtaskView) -> dict[str, Any]:
    subtask = part.subtask
    return {
        "ordinal": subtask.ordinal,
        "number": subtask.number,
        "input": part.summary,
        "state": subtask.state.value,
        "outcome": subtask.outcome.value if subtask.outcome else "",
        "reason": subtask.err_msg,
        **reason_members(subtask.reason),
        "attempts": [_attempt(attempt) for attempt in part.attempts],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "runner": attempt.runner_id,
        "outcome": attempt.outcome.value if attempt.outcome else "",
        "reason": attempt.err_msg,
        **reason_members(attempt.reason),
        "rows": attempt.rows,
        "traffic": attempt.traffic_bytes,
        "cpu_ms": attempt.cpu_ms,
        "memory_gb_seconds": gb_seconds(attempt.memory_mb_ms),
        "memory_peak": attempt.memory_peak_bytes,
        "started_at": seconds(attempt.started_at),
        "finished_at": seconds(attempt.finished_at),
    }


def _share(visit: Visit, share: Share, token: str) -> dict[str, Any]:
    return {
        "id": share.id,
        "url": f"{visit.origin}/shared/{token}",
        "rows": share.rows,
        "log": share.log,
        "created_at": seconds(share.created_at),
        "expires_at": seconds(share.expires_at),
    }
