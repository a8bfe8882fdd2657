"""Behind a run: its history, its end in the bin; and who carries runs out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.api.call import Call
from fyke.api.decode import Wire, WireInt, WireName
from fyke.api.envelope import NULL, encode
from fyke.api.operations import Nothing, Operation
from fyke.api.own import answers
from fyke.api.own.reasons import reason_members
from fyke.api.v1.errors import TABLE
from fyke.api.v1.vocabulary import seconds
from fyke.domain.logs.service import RunLogs
from fyke.domain.overview import Overview
from fyke.domain.runs.service import Runs
from fyke.domain.runs.waiting import WaitReason, WaitReasons
from fyke.errors import Forbidden, Refused, RunNotFound
from fyke.model.log import LogEntry
from fyke.model.run import RunEvent
from fyke.model.runner import RunnerInfo
from fyke.reasons import sentence

MAX_LOG_ENTRIES = 1000


class RunRef(Wire):
    slug: WireName


class LogRef(RunRef):
    after: WireInt = 0
    limit: WireInt = MAX_LOG_ENTRIES


@dataclass(frozen=True, slots=True)
class RunOperations:
    runs: Runs
    overview: Overview
    logs: RunLogs
    waiting: WaitReasons

    def operations(self) -> list[Operation[Any]]:
        return [*self._of_one(), *self._of_waiting(), self._of_runners()]

    def _of_one(self) -> list[Operation[Any]]:
        unknown = TABLE[RunNotFound]
        return [
            Operation(
                "DELETE",
                "/api/fyke/runs/{slug}",
                id="deleteRun",
                tag="Runs",
                summary="Forget a finished run with its rows and logs",
                fields=RunRef,
                handler=self.delete,
                errors=(unknown, TABLE[Refused]),
                path_fields=("slug",),
            ),
            Operation(
                "GET",
                "/api/fyke/runs/{slug}/events",
                id="listRunEvents",
                tag="Runs",
                summary="What happened to a run, in order",
                fields=RunRef,
                handler=self.events,
                answer=answers.EventList,
                errors=(unknown,),
                path_fields=("slug",),
            ),
            Operation(
                "GET",
                "/api/fyke/runs/{slug}/log",
                id="readRunLog",
                tag="Runs",
                summary="Entries of a run's log behind a position, in order",
                description="To follow a log, ask again with the last position that came.",
                fields=LogRef,
                handler=self.log,
                answer=answers.LogPart,
                errors=(unknown,),
                path_fields=("slug",),
            ),
        ]

    def _of_waiting(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/runs/{slug}/waiting",
                id="explainWaitingRun",
                tag="Runs",
                summary="Why a run has not begun, in words",
                fields=RunRef,
                handler=self.waiting_run,
                answer=answers.WaitingRun,
                errors=(TABLE[RunNotFound],),
                path_fields=("slug",),
            ),
            Operation(
                "GET",
                "/api/fyke/waiting-runs",
                id="listWaitingRuns",
                tag="Runs",
                summary="Runs that have not begun, newest first, with what they wait for",
                fields=Nothing,
                handler=self.waiting_runs,
                answer=answers.WaitingRuns,
            ),
        ]

    def _of_runners(self) -> Operation[Any]:
        return Operation(
            "GET",
            "/api/fyke/runners",
            id="listRunners",
            tag="Operator",
            summary="The runners that are alive",
            fields=Nothing,
            handler=self.runners,
            answer=answers.RunnerList,
            errors=(TABLE[Forbidden],),
        )

    async def delete(self, call: Call, wanted: RunRef) -> bytes:
        await self.runs.delete(call.caller, wanted.slug)
        return NULL

    async def events(self, call: Call, wanted: RunRef) -> bytes:
        found = await self.runs.events(call.caller, wanted.slug)
        return encode({"list": [_event(event) for event in found]})

    async def waiting_run(self, call: Call, wanted: RunRef) -> bytes:
        return encode(_waiting(await self.waiting.reason(call.caller, wanted.slug)))

    async def waiting_runs(self, call: Call, _wanted: Nothing) -> bytes:
        found = await self.waiting.reasons(call.caller)
        return encode({"list": [_waiting(reason) for reason in found]})

    async def log(self, call: Call, wanted: LogRef) -> bytes:
        limit = min(max(wanted.limit, 1), MAX_LOG_ENTRIES)
        after = max(wanted.after, 0)
        found = await self.logs.after(call.caller, wanted.slug, after, limit)
        return encode({"list": [_log_item(entry) for entry in found]})

    async def runners(self, call: Call, _wanted: Nothing) -> bytes:
        found = await self.overview.runners(call.caller)
        return encode({"list": [_runner(runner) for runner in found]})


def _event(event: RunEvent) -> dict[str, Any]:
    return {
        "timestamp": event.at,
        "kind": event.kind,
        "before": event.before,
        "after": event.after,
        "actor": event.actor,
        "detail": event.detail,
        **reason_members(event.reason),
    }


def _waiting(reason: WaitReason) -> dict[str, Any]:
    found = reason.reason
    return {
        "slug": reason.run_id,
        "code": found.code.value if found else "",
        "reason": sentence(found) if found else "",
        "params": found.params if found else {},
    }


def _log_item(entry: LogEntry) -> dict[str, Any]:
    return {
        "position": entry.position,
        "type": entry.type,
        "group": entry.group,
        "content": entry.content,
        "timestamp": entry.timestamp,
    }


def _runner(runner: RunnerInfo) -> dict[str, Any]:
    return {
        "id": runner.id,
        "node": runner.node,
        "isolation": runner.isolation,
        "reason": runner.reason,
        "cpus": runner.cpus,
        "memory": runner.memory_mb,
        "heartbeat_at": seconds(runner.heartbeat_at),
        "checks": [
            {"name": name, "holds": holds, "seen": seen} for name, holds, seen in runner.checks
        ],
        "unsafe": runner.unsafe,
    }
