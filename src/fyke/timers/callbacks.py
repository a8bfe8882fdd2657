"""Delivers callbacks, webhooks and email from the outbox until accepted or the schedule ends.

A delivery is claimed before it is sent, so that other servers skip it. When this server dies
meanwhile, the claim expires and the delivery is sent again with the same id.
"""

from __future__ import annotations

import asyncio

import structlog

from fyke.contracts.delivery import Notifier, ReceiverResponse
from fyke.contracts.signals import OUTBOX, Listener, Signals
from fyke.contracts.state import Storage, Transaction
from fyke.domain.callbacks.record import record, release
from fyke.domain.callbacks.signing import headers, secret_for
from fyke.domain.callbacks.slots import AT_ONCE, free_slots
from fyke.domain.webhooks.requests import (
    EndpointRequests,
    UnreadableAddress,
    worker_of_message,
)
from fyke.errors import Unavailable
from fyke.kit.clock import Clock
from fyke.model.callback import Claim, Delivery, HostStatus
from fyke.model.webhook import Endpoint, MessageChannel

log = structlog.get_logger()

CLAIM_MS = 60_000
STALE_SECONDS = 30.0  # an older claim is not sent: it could expire in the meantime
MAX_SLEEP = 30.0
NOT_SENT = "a fault of the server; its log has the details"
MIN_SLEEP = 0.01  # another server may be about to commit its claims

Sending = dict[asyncio.Task[None], HostStatus]


class CallbackTimer:
    """Sends deliveries that are due, at most ``at_once`` concurrently; each uses one connection.
    Sleeps until the next is due or the signal comes.
    """

    seconds = 0.0

    def __init__(
        self,
        storage: Storage,
        notifier: Notifier,
        signals: Signals,
        clock: Clock,
        master_secret: bytes,
        at_once: int = AT_ONCE,
        links: str = "",
    ) -> None:
        """``links``: the address of the console, for links in chats."""
        self._storage = storage
        self._notifier = notifier
        self._signals = signals
        self._clock = clock
        self._master = master_secret
        self._at_once = at_once
        self._requests = EndpointRequests(master_secret, links)

    async def tick(self) -> None:
        """Deliver until cancelled. Listens before the first query, so that no signal is lost."""
        sending: Sending = {}
        try:
            async with self._signals.listen() as listener:
                while True:
                    await self._start_due(sending)
                    await self._wait(listener, sending)
                    for task in [task for task in sending if task.done()]:
                        del sending[task]
                        if error := task.exception():
                            log.error("callback_not_recorded", error=repr(error))
        finally:
            for task in sending:
                task.cancel()

    async def _start_due(self, sending: Sending) -> None:
        """Start sending what is due. A hanging receiver blocks only its own slots."""
        while await self._seconds_to_next(sending) == 0:
            claimed_at = self._clock.monotonic()
            claims = await self._claim(free_slots(sending.values(), self._at_once))
            if not claims:
                return
            for claim in claims:
                sending[asyncio.create_task(self._deliver(claim, claimed_at))] = claim.host_status

    async def _claim(self, free: dict[HostStatus, int]) -> list[Claim]:
        return await self._storage.write(
            lambda tx: tx.outbox.claim(tx.now, free, tx.now + CLAIM_MS)
        )

    async def _wait(self, listener: Listener, sending: Sending) -> None:
        """Wait for the signal, for the time of the next delivery, or for the end of a request."""
        pause = max(MIN_SLEEP, await self._seconds_to_next(sending))
        notified = asyncio.create_task(listener.wait(frozenset({OUTBOX}), pause))
        await asyncio.wait({notified, *sending}, return_when=asyncio.FIRST_COMPLETED)
        notified.cancel()
        await asyncio.gather(notified, return_exceptions=True)

    async def _seconds_to_next(self, sending: Sending) -> float:
        """Seconds until a delivery can be claimed, at most ``MAX_SLEEP``."""
        free = free_slots(sending.values(), self._at_once)

        def work(tx: Transaction) -> float:
            due = tx.outbox.next_due(tx.now, free)
            return MAX_SLEEP if due is None else max(0, due - tx.now) / 1000

        return min(MAX_SLEEP, await self._storage.read(work))

    async def _deliver(self, claim: Claim, claimed_at: float) -> None:
        delivery = claim.delivery
        if self._clock.monotonic() - claimed_at > STALE_SECONDS:
            await self._storage.write(lambda tx: release(tx, delivery, tx.now))
            return
        at, started = self._clock.now_ms(), self._clock.monotonic()
        try:
            answer = await self._send(delivery, at)
        except Unavailable:  # the database; the claim expires, and the delivery is sent again
            raise
        except Exception:
            # it counts as a try: otherwise the delivery would go out at each expiry of its claim
            log.exception("callback_failed", delivery=delivery.id)
            answer = ReceiverResponse(0, NOT_SENT)
        duration_ms = round((self._clock.monotonic() - started) * 1000)
        recorded = await self._storage.write(
            lambda tx: record(tx, delivery, answer, at=at, duration_ms=duration_ms)
        )
        log.info(
            "callback",
            delivery=delivery.id,
            run=delivery.run_id,
            status=answer.status,
            sent=answer.sent,
            milliseconds=duration_ms,
            state=recorded.state.value if recorded else "lapsed",
        )

    async def _send(self, delivery: Delivery, at: int) -> ReceiverResponse:
        """Send to the delivery's endpoint, or else to its address, signed for its account."""
        payload = delivery.payload
        if delivery.endpoint_id:
            endpoint, worker = await self._storage.read(lambda tx: _endpoint_of(tx, delivery))
            if endpoint is not None:
                try:
                    request = self._requests.to(endpoint, delivery.id, payload, at, worker)
                except UnreadableAddress as error:
                    return ReceiverResponse(0, str(error))
                # a webhook's address is that of the delivery, as of when it was added
                chat = endpoint.channel is not MessageChannel.WEBHOOK
                url = request.url if chat else delivery.url
                return await self._notifier.post(url, request.body, request.headers)
        secret, body = secret_for(self._master, delivery.account_id), payload.encode()
        signed = headers((secret,), delivery.id, at // 1000, body)
        return await self._notifier.post(delivery.url, body, signed)


def _endpoint_of(tx: Transaction, delivery: Delivery) -> tuple[Endpoint | None, str]:
    """The endpoint, and for a chat the name of the message's worker."""
    endpoint = tx.webhooks.get(delivery.endpoint_id)
    if endpoint is None or endpoint.channel is MessageChannel.WEBHOOK:
        return endpoint, ""
    return endpoint, worker_of_message(tx, delivery.payload)
