"""An outbox in a real SQLite database with a manual clock, and the runs of one account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from fyke.contracts.delivery import ReceiverResponse
from fyke.contracts.state import Transaction
from fyke.domain.callbacks.outbox import enqueue_running, enqueue_terminal
from fyke.domain.callbacks.record import record
from fyke.domain.callbacks.slots import free_slots
from fyke.kit.clock import ManualClock
from fyke.model.account import Caller, Role
from fyke.model.callback import Claim, Delivery, DeliveryKind, Receiver
from fyke.model.run import Origin, Run, RunState
from fyke.storage.sql.state.storage import SqlStorage, open_storage
from support import records

T = TypeVar("T")
HOOK = "https://hooks.example/x"
RECEIVER = "https://hooks.example:443"
CLAIM_MS = 60_000
MASTER = bytes(range(32))


class Outbox:
    """Runs callbacks step by step: a run starts and ends, a delivery is claimed and tried."""

    def __init__(self, storage: SqlStorage, clock: ManualClock, notified: list[str]) -> None:
        self.storage = storage
        self.clock = clock
        self.notified = notified
        self.owner = self.worker = ""

    @property
    def caller(self) -> Caller:
        return Caller(self.owner, "acme", False, "u", "k", Role.OWNER)

    async def do(self, work: Callable[[Transaction], T]) -> T:
        return await self.storage.write(work)

    async def run(self, url: str = HOOK, origin: Origin = Origin.API_V2) -> Run:
        return await self.do(
            lambda tx: records.seed_run(
                tx, self.owner, self.worker, callback_url=url, origin=origin, state=RunState.RUNNING
            )
        )

    async def begin(self, run: Run) -> None:
        await self.do(lambda tx: enqueue_running(tx, run))

    async def end(self, run: Run) -> None:
        await self.do(lambda tx: enqueue_terminal(tx, replace(run, state=RunState.SUCCEEDED)))

    async def claims(self) -> list[Delivery]:
        claimed: list[Claim] = await self.do(
            lambda tx: tx.outbox.claim(tx.now, free_slots(()), tx.now + CLAIM_MS)
        )
        return [claim.delivery for claim in claimed]

    async def claim(self) -> Delivery:
        """Claim the only delivery that is due."""
        [delivery] = await self.claims()
        return delivery

    async def tried(
        self,
        claimed: Delivery,
        status: int = 200,
        error: str = "",
        *,
        sent: bool = True,
        retry_after: float = 0,
    ) -> Delivery | None:
        at = self.clock.now_ms()
        answer = ReceiverResponse(status, error, sent, retry_after=retry_after)
        return await self.do(lambda tx: record(tx, claimed, answer, at=at, duration_ms=7))

    async def of_run(self, run: Run) -> dict[DeliveryKind, Delivery]:
        deliveries = await self.storage.read(lambda tx: tx.outbox.of_run(run.id))
        return {delivery.kind: delivery for delivery in deliveries}

    async def receiver(self) -> Receiver | None:
        return await self.storage.read(lambda tx: tx.receivers.get(self.owner, RECEIVER))


@asynccontextmanager
async def open_outbox(url: str) -> AsyncIterator[Outbox]:
    """Use the prepared, empty database at ``url``."""
    clock, notified = ManualClock(records.START), list[str]()
    storage = open_storage(
        url, durable=False, notify=notified.append, hiding=frozenset(), clock=clock.now_ms
    )
    outbox = Outbox(storage, clock, notified)
    outbox.owner, outbox.worker = await storage.write(records.seed)
    try:
        yield outbox
    finally:
        await storage.close()
