"""Records the response to a delivery with all its consequences, in one transaction."""

from __future__ import annotations

from dataclasses import replace

from fyke.contracts.delivery import ReceiverResponse
from fyke.contracts.state import Transaction
from fyke.domain.callbacks.outbox import superseded
from fyke.domain.callbacks.receivers import DISABLED, after_attempt
from fyke.domain.callbacks.schedule import next_delay
from fyke.domain.callbacks.url import receiver_of
from fyke.model.callback import (
    Delivery,
    DeliveryAttempt,
    DeliveryKind,
    DeliveryState,
    HostStatus,
    Receiver,
)

BUSY_RETRY_MS = 1_000  # after the sender had no free connection to the host
ENDPOINT_OFF = "the webhook was switched off or removed"
GONE = 410


def record(
    tx: Transaction, claimed: Delivery, answer: ReceiverResponse, *, at: int, duration_ms: int
) -> Delivery | None:
    """Record the attempt that started at ``at`` (ms) and return the changed delivery. None when the
    claim has expired and another server has it: then the result of that server counts.
    """
    stored = tx.outbox.lock(claimed.id)
    if stored is None or stored.claimed_until != claimed.claimed_until:
        return None
    if not answer.sent:
        return release(tx, stored, tx.now + BUSY_RETRY_MS)
    attempt = DeliveryAttempt(stored.id, at, answer.status, answer.error, duration_ms, answer.reply)
    tx.outbox.add_try(attempt)
    accepted = 200 <= answer.status < 300
    receiver = _update_receiver(tx, stored, accepted=accepted)
    tried = replace(
        stored,
        tries=stored.tries + 1,
        last_status=answer.status,
        last_error=answer.error,
        claimed_until=0,
    )
    wait_ms = round(answer.retry_after * 1000)
    updated = _next_state(tx, tried, receiver, accepted=accepted, wait_ms=wait_ms)
    tx.outbox.save(updated)
    if wait_ms and stored.endpoint_id:
        tx.outbox.hold_pending_of(stored.endpoint_id, tx.now + wait_ms, tx.now)
    if receiver.disabled_at == tx.now:
        tx.outbox.fail_pending(receiver.account_id, receiver.receiver, DISABLED, tx.now)
    if stored.endpoint_id:
        tx.webhooks.note_try(stored.endpoint_id, attempt, accepted=accepted)
        _settle_with_endpoint(tx, updated)
    return updated


def _settle_with_endpoint(tx: Transaction, delivery: Delivery) -> None:
    """The endpoint may have been changed or removed during the attempt."""
    if delivery.state is not DeliveryState.PENDING:
        return
    endpoint = tx.webhooks.get(delivery.endpoint_id)
    if endpoint is None or not endpoint.enabled:
        tx.outbox.fail_pending_of(delivery.endpoint_id, ENDPOINT_OFF, tx.now)
    elif endpoint.url != delivery.url:
        redirect(tx, endpoint.id, endpoint.url)


def redirect(tx: Transaction, endpoint_id: str, url: str) -> None:
    """Send the pending deliveries of an endpoint to ``url``. One that is being sent is redirected
    when its attempt has failed.
    """
    tx.outbox.redirect(endpoint_id, url, receiver_of(url), tx.now)


def release(tx: Transaction, claimed: Delivery, next_at: int) -> Delivery | None:
    """Release a claim without an attempt. None when another server has it."""
    stored = tx.outbox.lock(claimed.id)
    if stored is None or stored.claimed_until != claimed.claimed_until:
        return None
    released = replace(stored, next_at=next_at, claimed_until=0)
    tx.outbox.save(released)
    return released


def _update_receiver(tx: Transaction, delivery: Delivery, *, accepted: bool) -> Receiver:
    tx.outbox.set_host_status(delivery.host, HostStatus.GOOD if accepted else HostStatus.FAILING)
    before = tx.receivers.lock(delivery.account_id, delivery.receiver)
    after = after_attempt(before, accepted=accepted, now=tx.now)
    tx.receivers.save(after)
    return after


def _next_state(
    tx: Transaction, delivery: Delivery, receiver: Receiver, *, accepted: bool, wait_ms: int
) -> Delivery:
    """``wait_ms``: for how long the receiver wants no other request."""
    if accepted:
        return replace(delivery, state=DeliveryState.DELIVERED, ended_at=tx.now)
    running = delivery.kind is DeliveryKind.RUNNING
    terminal = DeliveryKind.TERMINAL
    if running and tx.outbox.has_call(delivery.run_id, terminal, delivery.endpoint_id):
        return superseded(delivery, tx.now)
    failed = replace(delivery, state=DeliveryState.FAILED, ended_at=tx.now)
    if receiver.disabled_at:
        return replace(failed, last_error=delivery.last_error or DISABLED)
    wait = None if delivery.last_status == GONE else next_delay(delivery.tries)
    if wait is None:
        return failed
    return replace(delivery, next_at=tx.now + max(int(wait * 1000), wait_ms))
