"""The group commit: everything that waits, of all attempts, is written with one disk sync.

While the store is idle, rows are committed at once; rows that come meanwhile share the next commit.
Every attempt gets one turn in a flush, and a turn is bounded, so an attempt that floods waits for
the others and never they for it. While several attempts store rows, turns are shorter, so that
none waits for a long commit of another one's rows.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from fyke.contracts.results import Results
from fyke.domain.results.waiting import PendingBatch, WaitingQueue
from fyke.errors import StaleLease, Unavailable
from fyke.kit.backoff import delay

FLUSH_BYTES = 16 * 2**20
ALONE_SECONDS = 1.0  # without another attempt that stores something
RETRY_BASE, RETRY_CAP = 0.05, 2.0

T = TypeVar("T")

log = structlog.get_logger()


class GroupCommit:
    """One per runner. ``hold`` keeps it from committing, for a count that must stand still.
    ``stored`` is called with the run of everything that was taken; it must not block or fail.
    """

    def __init__(self, results: Results, stored: Callable[[str], None] = lambda _: None) -> None:
        self._results = results
        self._stored = stored
        self._ready: deque[WaitingQueue] = deque()
        self._latest: WaitingQueue | None = None
        self._changed_at = -ALONE_SECONDS
        self._wake = asyncio.Event()
        self.hold = asyncio.Lock()

    def notify(self, queue: WaitingQueue) -> None:
        """Something waits in this queue."""
        if queue is not self._latest:
            self._changed_at = time.monotonic() if self._latest else -ALONE_SECONDS
            self._latest = queue
        if queue not in self._ready:
            self._ready.append(queue)
        self._wake.set()

    async def run(self) -> None:
        """Commit until cancelled. What waits then is refused, never half acknowledged."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._ready:
                    async with self.hold:
                        await self._flush()
        finally:
            for queue in self._ready:
                queue.discard(Unavailable("The runner is stopping; the row was not stored."))
            self._ready.clear()

    async def _flush(self) -> None:
        parts = self._take_parts()
        try:
            await self._commit(parts)
        except BaseException:
            for part in parts:
                part.refuse(Unavailable("The runner is stopping; the row was not stored."))
            raise
        finally:
            for part in parts:
                part.queue.settle()

    def _take_parts(self) -> list[PendingBatch]:
        """One turn for each, as far as a flush reaches; who is left over comes first next time."""
        parts: list[PendingBatch] = []
        again: list[WaitingQueue] = []
        alone = time.monotonic() - self._changed_at > ALONE_SECONDS
        size = 0
        while self._ready and size < FLUSH_BYTES:
            queue = self._ready.popleft()
            if queue.empty:
                continue
            part = queue.take_turn(alone=alone)
            size += part.size
            parts.append(part)
            if not queue.empty:
                again.append(queue)
        self._ready.extend(again)
        return parts

    async def _commit(self, parts: list[PendingBatch]) -> None:
        """Commit, and wait out a store that is away: nothing is acknowledged before it is back."""
        attempt = 0
        while parts := [part for part in parts if not _given_up(part)]:
            try:
                taken = await self._results.commit([part.batch for part in parts])
            except Unavailable as error:
                attempt += 1
                log.warning("rows_wait_for_the_store", tries=attempt, error=str(error))
                await asyncio.sleep(delay(attempt, base=RETRY_BASE, cap=RETRY_CAP))
            except Exception as error:
                await self._one_by_one(parts, error)
                return
            else:
                _answer(parts, taken)
                for part, stored in zip(parts, taken, strict=True):
                    if stored:
                        self._stored(part.batch.run_id)
                return

    async def _one_by_one(self, parts: list[PendingBatch], error: Exception) -> None:
        """One part of the flush broke it: the others must not pay for that."""
        if len(parts) == 1:
            log.error("batch_failed", attempt=parts[0].batch.attempt_id, error=repr(error))
            parts[0].refuse(error)
            return
        for part in parts:
            await self._commit([part])


def _given_up(part: PendingBatch) -> bool:
    if part.queue.discarded:
        part.refuse(_ended())
    return part.queue.discarded


def _answer(parts: list[PendingBatch], taken: list[bool]) -> None:
    for part, stored in zip(parts, taken, strict=True):
        if stored:
            part.accept()
        else:
            part.refuse(_ended())


def _ended() -> StaleLease:
    return StaleLease("The attempt has ended; nothing more is stored for it.")


async def retry_while_unavailable(work: Callable[[], Awaitable[T]]) -> T:
    """Do it again, with growing pauses, for as long as the store is away."""
    attempt = 0
    while True:
        try:
            return await work()
        except Unavailable as error:
            attempt += 1
            log.warning("store_unavailable", tries=attempt, error=str(error))
            await asyncio.sleep(delay(attempt, base=RETRY_BASE, cap=RETRY_CAP))
