"""The run queue: starts that are held until somebody activates them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from fyke.api.call import Call
from fyke.api.decode import Wire, WireName, to_text, wrong
from fyke.api.documents import Answer
from fyke.api.envelope import encode
from fyke.api.errors import TABLE_V2
from fyke.api.operations import Operation
from fyke.api.v1.answers import Whole
from fyke.api.v2.catalog import tilde_path
from fyke.api.v2.catalog_answers import WorkerPath
from fyke.api.v2.fields import Page, RunBody, WorkerRef, page
from fyke.api.v2.starts import start_request
from fyke.api.v2.vocabulary import seconds
from fyke.domain.queue.service import MOST_AT_ONCE, ItemResult, ListedItem, RunQueue
from fyke.errors import Forbidden, Refused, RunRefused, VersionUnavailable, WorkerNotFound

WAITING = "waiting"
INACTIVE = "inactive"
MAX_REASON = 500


def _status(value: object) -> str:
    word = to_text(value).strip().lower()
    if word not in ("", WAITING, INACTIVE):
        raise wrong(f"must be {WAITING} or {INACTIVE}")
    return word


def _refs(value: object) -> list[str]:
    """Strings, and numbers for their digits; null is none at all."""
    items = [] if value is None else value
    if not isinstance(items, list) or any(
        isinstance(item, bool) or not isinstance(item, str | int) for item in items
    ):
        raise wrong("must be a list of strings")
    if len(items) > MOST_AT_ONCE:
        raise wrong(f"must name at most {MOST_AT_ONCE} items")
    return [str(item).strip() for item in items]


def _reason(value: object) -> str:
    text = to_text(value).strip()
    if len(text) > MAX_REASON:
        raise wrong(f"must be at most {MAX_REASON} characters")
    return text


QueueRefs = Annotated[
    list[str],
    BeforeValidator(_refs),
    Field(description=f"at most {MOST_AT_ONCE}; null is none"),
    WithJsonSchema(
        {
            "type": ["array", "null"],
            "items": {"type": ["string", "integer"]},
            "maxItems": MOST_AT_ONCE,
        }
    ),
]
Reason = Annotated[
    str,
    BeforeValidator(_reason),
    Field(description="why it is not wanted any more"),
    WithJsonSchema({"type": "string", "maxLength": MAX_REASON}),
]


class HeldRun(WorkerRef, RunBody):
    pass


class QueueFilter(Page):
    status: Annotated[
        str,
        BeforeValidator(_status),
        Field(description="empty or absent: all"),
        WithJsonSchema({"type": "string", "enum": ["", WAITING, INACTIVE]}),
    ] = ""


class Activation(Wire):
    queue_refs: QueueRefs = []


class ReleaseOfSome(Wire):
    queue_refs: QueueRefs = []
    reason: Reason = ""


class ReleaseOfOne(Wire):
    queue_id: WireName = Field(validation_alias="queueId")
    reason: Reason = ""


QueueRef = Annotated[
    str, Field(pattern="^[1-9][0-9]{0,18}$", description="a whole number, as text")
]
QueueStatus = Annotated[str, Field(description="`waiting`, or `inactive` for good")]


class QueuedRun(Answer):
    queue_ref: QueueRef
    queue_status: QueueStatus
    queued: Annotated[bool, Field(description="true")]


class QueueItemView(Answer):
    queue_ref: QueueRef
    queue_status: QueueStatus
    worker_slug: str
    worker_path: WorkerPath
    title: Annotated[str, Field(description="of the worker")]
    version: Annotated[str, Field(description="pinned when the item was queued")]
    callback_url: str
    reason: Annotated[str, Field(description="why it waits, or why it no longer does")]
    run_slug: Annotated[str, Field(description="the run that its activation made, or empty")]
    created_at: Annotated[int, Field(description="Unix seconds")]
    ended_at: Annotated[int, Field(description="Unix seconds; 0 while it waits")]


QueueItemViews = list[QueueItemView]


class QueuePage(Answer):
    count: Whole
    list: QueueItemViews
    page_index: int
    page_size: int


class QueueResult(Answer):
    queue_ref: Annotated[str, Field(description="as it was named")]
    success: bool
    error: Annotated[str | None, Field(description="why not; only without success")] = None
    run_slug: Annotated[str | None, Field(description="only of an activation")] = None


QueueResultItems = list[QueueResult]


class QueueResults(Answer):
    results: QueueResultItems


@dataclass(frozen=True, slots=True)
class QueueOperations:
    queue: RunQueue

    def operations(self) -> list[Operation[Any]]:
        return [self._hold(), self._list(), *self._changes()]

    def _hold(self) -> Operation[Any]:
        refused = (WorkerNotFound, VersionUnavailable, RunRefused, Refused, Forbidden)
        return Operation(
            "POST",
            "/api/v2/workers/{workerId:worker}/queued-runs",
            id="queuedRunWorker",
            tag="Run queue",
            summary="Hold a run of a worker in the queue until it is activated",
            description="Checked like a start, but for balance and plan. `is_async`, `limit` and "
            "`offset` have no effect.",
            fields=HeldRun,
            handler=self.hold,
            answer=QueuedRun,
            errors=tuple(TABLE_V2[kind] for kind in refused),
            starts=True,
            path_fields=("workerId",),
        )

    def _list(self) -> Operation[Any]:
        return Operation(
            "GET",
            "/api/v2/run-queue/items",
            id="listRunQueueItems",
            tag="Run queue",
            summary="What is held in the queue and what was, newest first",
            fields=QueueFilter,
            handler=self.list,
            answer=QueuePage,
        )

    def _changes(self) -> list[Operation[Any]]:
        return [
            Operation(
                "POST",
                "/api/v2/run-queue/items/activate",
                id="activateRunQueueItems",
                tag="Run queue",
                summary="Start what is held, each item by its own",
                fields=Activation,
                handler=self.activate,
                answer=QueueResults,
                errors=(TABLE_V2[Forbidden],),
            ),
            Operation(
                "POST",
                "/api/v2/run-queue/items/release",
                id="releaseRunQueueItems",
                tag="Run queue",
                summary="Let go what is held, for good",
                fields=ReleaseOfSome,
                handler=self.release,
                answer=QueueResults,
                errors=(TABLE_V2[Forbidden],),
            ),
            Operation(
                "POST",
                "/api/v2/run-queue/items/{queueId}/release",
                id="releaseRunQueueItem",
                tag="Run queue",
                summary="Let one item go, for good",
                fields=ReleaseOfOne,
                handler=self.release_one,
                answer=QueueResults,
                errors=(TABLE_V2[Forbidden],),
                path_fields=("queueId",),
            ),
        ]

    async def hold(self, call: Call, wanted: HeldRun) -> bytes:
        request = start_request(wanted.worker_id, wanted, call.start_key)
        item = await self.queue.hold(call.caller, request)
        return encode(
            {"queue_ref": str(item.number), "queue_status": _word(item.waiting), "queued": True}
        )

    async def list(self, call: Call, wanted: QueueFilter) -> bytes:
        count, found = await self.queue.page(
            call.caller,
            {WAITING: True, INACTIVE: False}.get(wanted.status),
            offset=(wanted.offset - 1) * wanted.limit,
            limit=wanted.limit,
        )
        listed = {"count": count, "list": [_item(listed) for listed in found]}
        return encode(listed | page(wanted.offset, wanted.limit))

    async def activate(self, call: Call, wanted: Activation) -> bytes:
        return _results(await self.queue.activate(call.caller, wanted.queue_refs))

    async def release(self, call: Call, wanted: ReleaseOfSome) -> bytes:
        return _results(await self.queue.release(call.caller, wanted.queue_refs, wanted.reason))

    async def release_one(self, call: Call, wanted: ReleaseOfOne) -> bytes:
        return _results(await self.queue.release(call.caller, [wanted.queue_id], wanted.reason))


def _word(waiting: bool) -> str:
    return WAITING if waiting else INACTIVE


def _item(listed: ListedItem) -> dict[str, Any]:
    item, worker = listed.item, listed.worker
    return {
        "queue_ref": str(item.number),
        "queue_status": _word(item.waiting),
        "worker_slug": item.worker_id,
        "worker_path": tilde_path(worker) if worker else "",
        "title": worker.title if worker else "",
        "version": item.version,
        "callback_url": item.callback_url,
        "reason": listed.reason,
        "run_slug": item.run_id,
        "created_at": seconds(item.created_at),
        "ended_at": seconds(item.ended_at),
    }


def _results(results: list[ItemResult]) -> bytes:
    return encode({"results": [_result(result) for result in results]})


def _result(result: ItemResult) -> dict[str, Any]:
    told: dict[str, Any] = {"queue_ref": result.ref, "success": not result.error}
    if result.error:
        told["error"] = result.error
    if result.run_id:
        told["run_slug"] = result.run_id
    return told
