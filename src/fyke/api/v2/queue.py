"""The run queue: starts that wait until they are activated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import get, post
from fyke.api.v2.starts import start_request
from fyke.domain.queue.service import RunQueue
from fyke.errors import Forbidden, Refused, RunRefused, VersionUnavailable, WorkerNotFound
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.v2 import queue as wire
from fyke.wire.v2.fields import StartWorker, WorkerId

ITEMS = "/api/v2/run-queue/items"


@dataclass(frozen=True, slots=True)
class QueueRoutes:
    tag: ClassVar[str] = "Run queue"

    queue: RunQueue

    @post(
        "/api/v2/workers/{workerId:worker}/queued-runs",
        scope=Scope.RUN,
        errors=(WorkerNotFound, VersionUnavailable, RunRefused, Refused, Forbidden),
        starts=True,
    )
    async def queued_run_worker(
        self, call: Call, worker_id: WorkerId, body: StartWorker
    ) -> wire.QueuedRun:
        """Put a start of a worker into the queue until it is activated.

        Checked like a start, except for balance and plan. The version is pinned. `is_async`,
        `limit` and `offset` have no effect. At most 10,000 items of an account may wait.
        """
        request = start_request(worker_id, body, call.start_key)
        return wire.QueuedRun.of(await self.queue.enqueue(call.caller, request))

    @get(ITEMS, scope=Scope.READ)
    async def list_run_queue_items(self, call: Call, query: wire.QueueFilter) -> wire.QueuePage:
        """Items of the queue, waiting and ended, newest first."""
        count, entries = await self.queue.page(
            call.caller,
            {"waiting": True, "inactive": False}.get(query.status),
            offset=(query.offset - 1) * query.limit,
            limit=query.limit,
        )
        items = [wire.QueueItem.of(entry) for entry in entries]
        return wire.QueuePage(count, items, query.offset, query.limit)

    @post(f"{ITEMS}/activate", scope=Scope.RUN, errors=(Forbidden,))
    async def activate_run_queue_items(
        self, call: Call, body: wire.QueueActivation
    ) -> wire.QueueResults:
        """Start queued items, each independently of the others.

        An item whose run is refused for lack of balance or by the plan continues to wait. One whose
        worker was deleted or whose version was withdrawn becomes `inactive`.
        """
        return wire.QueueResults.of(await self.queue.activate(call.caller, body.queue_refs))

    @post(f"{ITEMS}/release", scope=Scope.RUN, errors=(Forbidden,))
    async def release_run_queue_items(
        self, call: Call, body: wire.QueueRelease
    ) -> wire.QueueResults:
        """Remove waiting items permanently, without starting them."""
        refs, reason = body.queue_refs, body.reason
        return wire.QueueResults.of(await self.queue.release(call.caller, refs, reason))

    @post(f"{ITEMS}/{{queueId}}/release", scope=Scope.RUN, errors=(Forbidden,))
    async def release_run_queue_item(
        self, call: Call, queue_id: Name, body: wire.ReleaseReason
    ) -> wire.QueueResults:
        """Remove one waiting item permanently, without starting it."""
        return wire.QueueResults.of(await self.queue.release(call.caller, [queue_id], body.reason))
