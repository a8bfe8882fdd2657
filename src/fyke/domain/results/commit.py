"""The group commit: everything that is queued, by all attempts, is written with one disk sync.

While the store is idle, rows are committed at once; rows that arrive during a commit share the next
one. Each attempt has one bounded batch in a flush, so an attempt that floods does not delay the
others. While several attempts store rows, batches are smaller, so that no attempt waits for a long
commit of the rows of another.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from fyke.contracts.node import AttemptRows
from fyke.domain.results.write_queue import PendingBatch, WriteQueue
from fyke.errors import FykeError, NotStorable, StaleLease, Unavailable
from fyke.kit.backoff import delay
from fyke.telemetry.repeated import RepeatedProblem

FLUSH_BYTES = 16 * 2**20
ALONE_SECONDS = 1.0  # an attempt counts as alone when no other has stored anything for so long
RETRY_BASE, RETRY_CAP = 0.05, 2.0

T = TypeVar("T")

log = structlog.get_logger()


class GroupCommit:
    """Commits the queues of one runner. No commit takes place while ``lock`` is locked, so that
    rows can be counted.
    """

    def __init__(self, store: AttemptRows) -> None:
        self._store = store
        self._ready: deque[WriteQueue] = deque()
        self._latest: WriteQueue | None = None
        self._changed_at = -ALONE_SECONDS
        self._wake = asyncio.Event()
        self._waiting = RepeatedProblem(
            "rows_wait_for_the_store", "rows_are_stored_again", level="warning"
        )
        self.lock = asyncio.Lock()

    def notify(self, queue: WriteQueue) -> None:
        """Commit this queue soon, because something was added to it."""
        if queue is not self._latest:
            self._changed_at = time.monotonic() if self._latest else -ALONE_SECONDS
            self._latest = queue
        if queue not in self._ready:
            self._ready.append(queue)
        self._wake.set()

    async def run(self) -> None:
        """Commit until cancelled. What is queued then is refused."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._ready:
                    async with self.lock:
                        await self._flush()
        finally:
            for queue in self._ready:
                queue.discard(Unavailable("The runner is stopping; the row was not stored."))
            self._ready.clear()

    async def _flush(self) -> None:
        batches = self._take_batches()
        try:
            await self._commit(batches)
        except BaseException:
            for batch in batches:
                batch.refuse(Unavailable("The runner is stopping; the row was not stored."))
            raise
        finally:
            for batch in batches:
                batch.queue.settle()

    def _take_batches(self) -> list[PendingBatch]:
        """One batch of each queue, up to ``FLUSH_BYTES``; the other queues come first next time."""
        batches: list[PendingBatch] = []
        unfinished: list[WriteQueue] = []
        alone = time.monotonic() - self._changed_at > ALONE_SECONDS
        size = 0
        while self._ready and size < FLUSH_BYTES:
            queue = self._ready.popleft()
            if queue.empty:
                continue
            batch = queue.take_batch(alone=alone)
            size += batch.size
            batches.append(batch)
            if not queue.empty:
                unfinished.append(queue)
        self._ready.extend(unfinished)
        return batches

    async def _commit(self, batches: list[PendingBatch]) -> None:
        """Commit; while the store is unavailable, retry."""
        attempt = 0
        while batches := [batch for batch in batches if not _refuse_discarded(batch)]:
            try:
                stored = await self._store.commit([batch.batch for batch in batches])
            except Exception as error:
                if not _may_pass(error, batches):
                    await self._commit_each(batches, error)
                    return
                attempt += 1
                self._waiting.occurred(str(error) or type(error).__name__)
                await asyncio.sleep(delay(attempt, base=RETRY_BASE, cap=RETRY_CAP))
            else:
                self._waiting.ended()
                self._acknowledge(batches, stored)
                return

    def _acknowledge(self, batches: list[PendingBatch], stored: list[bool]) -> None:
        for batch, is_stored in zip(batches, stored, strict=True):
            if is_stored:
                batch.accept()
            else:
                batch.refuse(_ended())

    async def _commit_each(self, batches: list[PendingBatch], error: Exception) -> None:
        """Commit the batches separately, after one of them has made the flush fail, and its parts,
        until only the row or the line that cannot be stored is refused.
        """
        if len(batches) > 1:
            for batch in batches:
                await self._commit([batch])
            return
        [refused] = batches
        is_of_content = isinstance(error, NotStorable) or not isinstance(error, FykeError)
        parts = refused.split() if is_of_content else []
        for part in parts:
            part.batch.number = part.queue.next_number()
            await self._commit([part])
        if not parts:
            log.error("batch_failed", attempt=refused.batch.attempt_id, error=repr(error))
            refused.refuse(_not_storable(error))


def _may_pass(error: Exception, batches: list[PendingBatch]) -> bool:
    """Whether the same commit may succeed later. What is too large for the memory is split first,
    while it can be.
    """
    if isinstance(error, MemoryError):
        return len(batches) == 1 and not batches[0].split()
    return isinstance(error, Unavailable)


def _refuse_discarded(batch: PendingBatch) -> bool:
    if batch.queue.discarded:
        batch.refuse(_ended())
    return batch.queue.discarded


def _not_storable(error: Exception) -> FykeError:
    return error if isinstance(error, FykeError) else NotStorable()


def _ended() -> StaleLease:
    return StaleLease("The attempt has ended; nothing more is stored for it.")


async def retry_while_unavailable(work: Callable[[], Awaitable[T]]) -> T:
    """Call ``work`` until the store is available, with growing pauses; return its result."""
    attempt = 0
    problem = RepeatedProblem("store_unavailable", "store_available_again", level="warning")
    while True:
        try:
            result = await work()
        except Unavailable as error:
            attempt += 1
            problem.occurred(str(error))
            await asyncio.sleep(delay(attempt, base=RETRY_BASE, cap=RETRY_CAP))
        else:
            problem.ended()
            return result
