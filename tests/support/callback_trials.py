"""Timers that deliver callbacks from a real outbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from fyke.contracts.delivery import Notifier, ReceiverResponse
from fyke.contracts.signals import Signals
from fyke.contracts.state import Transaction
from fyke.domain.callbacks.outbox import enqueue_running, enqueue_terminal
from fyke.domain.callbacks.slots import free_slots
from fyke.kit.clock import Clock, SystemClock
from fyke.model.run import Origin, Run, RunState
from fyke.storage.sql.state.storage import SqlStorage, open_storage
from fyke.timers.callbacks import CallbackTimer
from support import records
from support.callbacks import MASTER


class SkippingClock:
    """Real time plus the skipped seconds."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + int(self.skipped * 1000)

    def monotonic(self) -> float:
        return time.monotonic() + self.skipped


class LocalSignals:
    """Signals inside one process."""

    def __init__(self) -> None:
        self._notified = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def notify(self, topic: str) -> None:
        self._loop.call_soon_threadsafe(self._notified.set)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[LocalSignals]:
        yield self

    async def wait(self, topics: frozenset[str], timeout: float) -> frozenset[str]:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._notified.wait()
        self._notified.clear()
        return topics


@dataclass
class CallbackSender:
    """The state of one installation with runs whose callbacks are sent."""

    storage: SqlStorage
    clock: Clock
    owner: str = ""
    worker: str = ""

    async def runs(self, urls: list[str]) -> list[Run]:
        """One run of v2 for each URL."""
        return await self.storage.write(
            lambda tx: [
                records.seed_run(
                    tx, self.owner, self.worker, callback_url=url,
                    origin=Origin.API_V2, state=RunState.RUNNING,
                )
                for url in urls
            ]
        )  # fmt: skip

    async def begin(self, *runs: Run) -> None:
        await self.storage.write(lambda tx: [enqueue_running(tx, run) for run in runs])

    async def end(self, *runs: Run) -> None:
        ended = [replace(run, state=RunState.SUCCEEDED) for run in runs]
        await self.storage.write(lambda tx: [enqueue_terminal(tx, run) for run in ended])

    async def due_in(self) -> float | None:
        """Seconds until a delivery is due; None while that depends on deliveries in progress."""

        def next_due(tx: Transaction) -> float | None:
            due = tx.outbox.next_due(tx.now, free_slots(()))
            return None if due is None else max(0, due - tx.now) / 1000

        return await self.storage.read(next_due)


@asynccontextmanager
async def open_callback_sender(
    url: str, notify: Callable[[str], None] = str, clock: Clock | None = None
) -> AsyncIterator[CallbackSender]:
    """Use the prepared, empty database at ``url``, with ``clock`` instead of the database's."""
    storage = open_storage(
        url, durable=False, notify=notify, hiding=frozenset(), clock=clock.now_ms if clock else None
    )
    sender = CallbackSender(storage, clock or SystemClock())
    sender.owner, sender.worker = await storage.write(records.seed)
    try:
        yield sender
    finally:
        await storage.close()


@asynccontextmanager
async def delivering(
    storage: SqlStorage, notifier: Notifier, signals: Signals, clock: Clock, at_once: int = 200
) -> AsyncIterator[None]:
    """Run a callback timer during the block."""
    timer = CallbackTimer(storage, notifier, signals, clock, MASTER, at_once=at_once)
    task = asyncio.create_task(timer.tick())
    try:
        yield
    finally:
        failed = task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert not failed


@dataclass
class CountingNotifier:
    """A notifier that counts the messages that it passes to another one."""

    inner: Notifier
    count: int = 0
    active: int = 0
    ids: list[str] = field(default_factory=list)

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
        self.count += 1
        self.active += 1
        self.ids.append(headers["webhook-id"])
        try:
            return await self.inner.post(url, body, headers)
        finally:
            self.active -= 1
