"""The run queue: starts that wait until they are activated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import UNSET, Meta, UnsetType, field

from fyke.model.queue import MAX_ITEMS_PER_REQUEST
from fyke.reasons import sentence
from fyke.wire.common import Count, UnixSeconds
from fyke.wire.fields import Answer, DocumentedAs, FieldError, ParsedBy, Request, to_text
from fyke.wire.units import seconds
from fyke.wire.v2.fields import PageRequest
from fyke.wire.v2.workers import WorkerPath, tilde_path

if TYPE_CHECKING:
    from fyke.domain.queue.service import ItemResult, ListedItem
    from fyke.model.queue import QueuedStart

MAX_REASON = 500

QueueStatus = Literal["waiting", "inactive"]


# --- requests ------------------------------------------------------------------------------


def to_queue_status(value: object) -> str:
    """The status of an item; empty for all."""
    status = to_text(value).strip().lower()
    if status not in ("", "waiting", "inactive"):
        raise FieldError("must be waiting or inactive")
    return status


def to_queue_refs(value: object) -> list[str]:
    """References of items; numbers are converted to text."""
    if not isinstance(value, list) or any(
        isinstance(item, bool) or not isinstance(item, str | int) for item in value
    ):
        raise FieldError("must be a list of strings")
    if len(value) > MAX_ITEMS_PER_REQUEST:
        raise FieldError(f"must name at most {MAX_ITEMS_PER_REQUEST} items")
    return [str(item).strip() for item in value]


def to_reason(value: object) -> str:
    """A reason of at most ``MAX_REASON`` characters."""
    text = to_text(value).strip()
    if len(text) > MAX_REASON:
        raise FieldError(f"must be at most {MAX_REASON} characters")
    return text


QueueRefs = Annotated[
    list[str],
    DocumentedAs(
        Annotated[list[str], Meta(max_length=MAX_ITEMS_PER_REQUEST)] | None
    ),  # null is allowed, as in the published API
    ParsedBy(to_queue_refs),
]
Reason = Annotated[
    str,
    Meta(max_length=MAX_REASON, description="why it is no longer needed"),
    ParsedBy(to_reason),
]


class QueueFilter(PageRequest):
    status: Annotated[
        str,
        ParsedBy(to_queue_status),
        DocumentedAs(Literal["", QueueStatus]),
        Meta(description="empty or absent: all"),
    ] = ""


class QueueActivation(Request):
    queue_refs: Annotated[QueueRefs, Meta(description="items to start")] = []


class QueueRelease(Request):
    queue_refs: Annotated[QueueRefs, Meta(description="items to release")] = []
    reason: Reason = ""


class ReleaseReason(Request):
    reason: Reason = ""


# --- answers -------------------------------------------------------------------------------

QueueRef = Annotated[str, Meta(pattern="^[1-9][0-9]{0,18}$", description="an integer as text")]
ItemStatus = Annotated[QueueStatus, Meta(description="`inactive` is final")]


def _status(item: QueuedStart) -> QueueStatus:
    return "waiting" if item.waiting else "inactive"


class QueuedRun(Answer):
    queue_ref: QueueRef
    queue_status: ItemStatus
    queued: Annotated[bool, Meta(description="true")]

    @classmethod
    def of(cls, item: QueuedStart) -> QueuedRun:
        return cls(str(item.number), _status(item), True)


class QueueItem(Answer):
    queue_ref: QueueRef
    queue_status: ItemStatus
    worker_slug: str
    worker_path: WorkerPath
    title: Annotated[str, Meta(description="of the worker")]
    version: Annotated[str, Meta(description="pinned when the item was queued")]
    callback_url: str
    reason: Annotated[str, Meta(description="why it waits, or why it is inactive")]
    run_slug: Annotated[str, Meta(description="the run that its activation started, or empty")]
    created_at: UnixSeconds
    ended_at: Annotated[Count, Meta(description="Unix seconds; 0 while it waits")]

    @classmethod
    def of(cls, entry: ListedItem) -> QueueItem:
        item, worker = entry.item, entry.worker
        return cls(
            queue_ref=str(item.number),
            queue_status=_status(item),
            worker_slug=item.worker_id,
            worker_path=tilde_path(worker) if worker else "",
            title=worker.title if worker else "",
            version=item.version,
            callback_url=item.callback_url,
            reason=entry.text,
            run_slug=item.run_id,
            created_at=seconds(item.created_at),
            ended_at=seconds(item.ended_at),
        )


class QueuePage(Answer):
    count: Count
    items: list[QueueItem] = field(name="list")
    page_index: int
    page_size: int


class QueueResult(Answer):
    """The result for one item."""

    queue_ref: Annotated[str, Meta(description="as in the request")]
    success: bool
    error: Annotated[str, Meta(description="why it failed; only without success")] | UnsetType = (
        UNSET
    )
    run_slug: Annotated[str, Meta(description="only of an activation")] | UnsetType = UNSET

    @classmethod
    def of(cls, result: ItemResult) -> QueueResult:
        error = sentence(result.error) if result.error else UNSET
        return cls(result.ref, not result.error, error, result.run_id or UNSET)


class QueueResults(Answer):
    results: list[QueueResult]

    @classmethod
    def of(cls, results: list[ItemResult]) -> QueueResults:
        return cls([QueueResult.of(result) for result in results])
