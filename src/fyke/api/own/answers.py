"""The shape of ``data`` in every answer of our own routes. Times end in ``_at``: Unix seconds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.own.reasons import ReasonCodeText, ReasonParams


class OwnWorker(Answer):
    slug: str
    path: str
    title: str
    description: str
    public: bool
    version: str
    created_at: int


OwnWorkers = list[OwnWorker]


class OwnWorkerList(Answer):
    list: OwnWorkers


class DeletedWorker(Answer):
    ended_runs: Annotated[int, Field(description="runs that had not begun and never will")]


class EventItem(Answer):
    timestamp: Annotated[int, Field(description="ms")]
    kind: str
    before: str
    after: str
    actor: str
    detail: str
    reason_code: ReasonCodeText
    reason_params: ReasonParams


EventItems = list[EventItem]


class EventList(Answer):
    list: EventItems


class WaitingRun(Answer):
    slug: str
    code: Annotated[
        str,
        Field(
            description="`plan`, `no_runner`, `queue`, `room`, `preparing`; empty: it does not wait"
        ),
    ]
    reason: Annotated[str, Field(description="the same in words")]
    params: ReasonParams


WaitingRunItems = list[WaitingRun]


class WaitingRuns(Answer):
    list: WaitingRunItems


class LogItem(Answer):
    position: Annotated[int, Field(description="1-based, rising within the run")]
    type: int
    group: str
    content: str
    timestamp: Annotated[int, Field(description="ms")]


LogItems = list[LogItem]


class LogPart(Answer):
    list: LogItems


class WallItem(Answer):
    name: str
    holds: bool
    seen: str


Walls = list[WallItem]


class RunnerItem(Answer):
    id: str
    node: str
    isolation: str
    reason: str
    cpus: float
    memory: Annotated[int, Field(description="MB")]
    heartbeat_at: int
    checks: Annotated[Walls, Field(description="what it has looked at of its sandbox")]
    unsafe: Annotated[bool, Field(description="it runs everything all the same: FYKE_UNSAFE")]


RunnerItems = list[RunnerItem]


class RunnerList(Answer):
    list: RunnerItems
