"""Records the result of a try with all its consequences, in one transaction."""

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

CROWDED_MS = 1_000
ENDPOINT_OFF = "the webhook was switched off or removed"
GONE = 410


def record(
    tx: Transaction, claimed: Delivery, answer: ReceiverResponse, *, at: int, duration_ms: int
) -> Delivery | None:
    """Record the try that started at ``at`` and return the changed delivery. None when the claim
    has expired and another server has it: then the result of that server counts.
    """
    stored = tx.outbox.lock(claimed.id)
    if stored is None or stored.claimed_until != claimed.claimed_until:
        return None
    if not answer.sent:
        return release(tx, stored, tx.now + CROWDED_MS)
    tried_now = DeliveryAttempt(
        stored.id, at, answer.status, answer.error, duration_ms, answer.reply
    )
    tx.outbox.add_try(tried_now)
    taken = 200 <= answer.status < 300
    receiver = _noted(tx, stored, taken=taken)
    tried = replace(
        stored,
        tries=stored.tries + 1,
        last_status=answer.status,
        last_error=answer.error,
        claimed_until=0,
    )
    done = _after(tx, tried, receiver, taken=taken)
    tx.outbox.save(done)
    if receiver.disabled_at == tx.now:
        tx.outbox.fail_pending(receiver.account_id, receiver.receiver, DISABLED, tx.now)
    if stored.endpoint_id:
        tx.webhooks.note_try(stored.endpoint_id, tried_now, taken=taken)
        _settle_with_endpoint(tx, done)
    return done


def _settle_with_endpoint(tx: Transaction, done: Delivery) -> None:
    """The endpoint may have been changed or removed during the try."""
    if done.state is not DeliveryState.PENDING:
        return
    endpoint = tx.webhooks.get(done.endpoint_id)
    if endpoint is None or not endpoint.enabled:
        tx.outbox.fail_pending_of(done.endpoint_id, ENDPOINT_OFF, tx.now)
    elif endpoint.url != done.url:
        redirect(tx, endpoint.id, endpoint.url)


def redirect(tx: Transaction, endpoint_id: str, url: str) -> None:
    """Send the waiting deliveries of an endpoint to ``url``; those being sent follow after their
    try.
    """
    tx.outbox.redirect(endpoint_id, url, receiver_of(url), tx.now)


def release(tx: Transaction, claimed: Delivery, next_at: int) -> Delivery | None:
    """Give a claim back without a try."""
    stored = tx.outbox.lock(claimed.id)
    if stored is None or stored.claimed_until != claimed.claimed_until:
        return None
    free = replace(stored, next_at=next_at, claimed_until=0)
    tx.outbox.save(free)
    return free


def _noted(tx: Transaction, tried: Delivery, *, taken: bool) -> Receiver:
    tx.outbox.set_standing(tried.host, HostStatus.GOOD if taken else HostStatus.FAILING)
    before = tx.receivers.lock(tried.account_id, tried.receiver)
    after = after_attempt(before, taken=taken, now=tx.now)
    tx.receivers.save(after)
    return after


def _after(tx: Transaction, tried: Delivery, receiver: Receiver, *, taken: bool) -> Delivery:
    if taken:
        return replace(tried, state=DeliveryState.DELIVERED, ended_at=tx.now)
    running = tried.kind is DeliveryKind.RUNNING
    if running and tx.outbox.has_terminal(tried.run_id, tried.endpoint_id):
        return superseded(tried, tx.now)
    failed = replace(tried, state=DeliveryState.FAILED, ended_at=tx.now)
    if receiver.disabled_at:
        return replace(failed, last_error=tried.last_error or DISABLED)
    wait = None if tried.last_status == GONE else next_delay(tried.tries)
    return failed if wait is None else replace(tried, next_at=tx.now + int(wait * 1000))
