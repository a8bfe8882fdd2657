"""Delivering callbacks from the outbox until they are taken or the schedule is used up.

A delivery is claimed before it is sent: a second server leaves it alone, and when this one dies
in between, the claim lapses and it is sent again under the same id.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import structlog

from fyke.domain.callbacks.model import Delivery, DeliveryState
from fyke.domain.callbacks.schedule import next_delay
from fyke.domain.callbacks.signing import headers, secret_for
from fyke.domain.contracts import OUTBOX, Doorbell, DoorbellEar, Notifier, Storage
from fyke.kit.clock import Clock

log = structlog.get_logger()

CLAIM_MS = 60_000
AT_ONCE = 32
CROWDED_MS = 1_000
LONGEST_SLEEP = 30.0
GONE = 410


class CallbackTimer:
    """Sends what is due; sleeps until the next one is, or the bell rings."""

    seconds = 0.0

    def __init__(
        self,
        storage: Storage,
        notifier: Notifier,
        doorbell: Doorbell,
        clock: Clock,
        master_secret: bytes,
    ) -> None:
        self._storage = storage
        self._notifier = notifier
        self._doorbell = doorbell
        self._clock = clock
        self._master = master_secret

    async def tick(self) -> None:
        """Deliver until cancelled. Listens before it looks, so that no ring is lost between."""
        sending: set[asyncio.Task[None]] = set()
        try:
            async with self._doorbell.listen() as ear:
                while True:
                    await self._take_due(sending)
                    await self._rest(ear, sending)
                    failed = [t for t in sending if t.done() and t.exception()]
                    sending -= {t for t in sending if t.done()}
                    for task in failed:
                        log.error("callback_not_recorded", error=repr(task.exception()))
        finally:
            for task in sending:
                task.cancel()

    async def _take_due(self, sending: set[asyncio.Task[None]]) -> None:
        """Start what is due. A receiver that hangs holds its own place, and nobody else's."""
        free = AT_ONCE - len(sending)
        if free <= 0:
            return
        due = await self._storage.write(lambda tx: tx.outbox.due(tx.now, free, tx.now + CLAIM_MS))
        sending |= {asyncio.create_task(self._deliver(delivery)) for delivery in due}

    async def _rest(self, ear: DoorbellEar, sending: set[asyncio.Task[None]]) -> None:
        """Wait for the bell, for the next delivery that is due, or for a place."""
        due = await self._storage.read(lambda tx: tx.outbox.next_due())
        pause = LONGEST_SLEEP
        if due is not None and len(sending) < AT_ONCE:
            pause = min(pause, max(0.0, (due - self._clock.now_ms()) / 1000))
        rung = asyncio.create_task(ear.wait(frozenset({OUTBOX}), pause))
        await asyncio.wait({rung, *sending}, return_when=asyncio.FIRST_COMPLETED)
        rung.cancel()
        await asyncio.gather(rung, return_exceptions=True)

    async def _deliver(self, delivery: Delivery) -> None:
        body = delivery.payload.encode()
        now = self._clock.now_ms()
        signed = headers(
            secret_for(self._master, delivery.account_id), delivery.id, now // 1000, body
        )
        answer = await self._notifier.post(delivery.url, body, signed)
        if not answer.sent:
            # Too much was waiting for this host; the try does not count.
            later = replace(delivery, next_at=self._clock.now_ms() + CROWDED_MS)
            await self._storage.write(lambda tx: tx.outbox.save(later))
            return
        tried = replace(
            delivery,
            tries=delivery.tries + 1,
            last_status=answer.status,
            last_error=answer.error,
        )
        done = self._after(tried, self._clock.now_ms())
        await self._storage.write(lambda tx: tx.outbox.save(done))
        log.info(
            "callback",
            delivery=done.id,
            run=done.run_id,
            tries=done.tries,
            status=answer.status,
            state=done.state.value,
        )

    def _after(self, tried: Delivery, now: int) -> Delivery:
        if 200 <= tried.last_status < 300:
            return replace(tried, state=DeliveryState.DELIVERED, ended_at=now)
        wait = None if tried.last_status == GONE else next_delay(tried.tries)
        if wait is None:
            return replace(tried, state=DeliveryState.FAILED, ended_at=now)
        return replace(tried, next_at=now + int(wait * 1000))
