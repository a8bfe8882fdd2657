"""Writes messages for endpoints to the outbox, in the transaction of the event."""

from __future__ import annotations

from collections.abc import Iterable

from fyke.contracts.state import Transaction
from fyke.domain.callbacks.outbox import add_delivery, give_up_running
from fyke.domain.callbacks.url import receiver_of
from fyke.domain.webhooks.messages import event_of, message, run_data
from fyke.model.callback import CHAT_PACE_MS, DeliveryKind, DeliveryState, host_of
from fyke.model.run import Run
from fyke.model.webhook import Endpoint, MessageChannel

_IN_LINE = DeliveryState.PENDING, DeliveryState.SUPERSEDED


def queue_run_event(tx: Transaction, run: Run) -> None:
    """Queue the message that ``run`` has started or ended, for every subscribed endpoint. That it
    has started is queued once, even if its first start did not take place.
    """
    event = event_of(run)
    endpoints = tx.webhooks.listening(run.account_id, event)
    if not endpoints:
        return
    kind = DeliveryKind.TERMINAL if run.state.terminal else DeliveryKind.RUNNING
    body = message(event, tx.now, run_data(run))
    for endpoint in endpoints:
        if kind is DeliveryKind.TERMINAL:
            give_up_running(tx, run.id, endpoint.id)
        elif tx.outbox.has_call(run.id, kind, endpoint.id):
            continue
        send(tx, [endpoint], run.id, kind, event, body)


def send(
    tx: Transaction,
    endpoints: Iterable[Endpoint],
    run_id: str,
    kind: DeliveryKind,
    event: str,
    body: str,
) -> None:
    """Queue one delivery of ``body`` for each endpoint; to a chat, after those that wait."""
    for endpoint in endpoints:
        add_delivery(
            tx,
            account_id=endpoint.account_id,
            run_id=run_id,
            url=endpoint.url,
            body=body,
            kind=kind,
            endpoint_id=endpoint.id,
            event=event,
            due_at=_due_at(tx, endpoint),
        )


def _due_at(tx: Transaction, endpoint: Endpoint) -> int:
    """When (ms) the next message to ``endpoint`` is due; 0 = at once. All accounts share the pace
    of a chat service, so the messages of one account to it are spread over time, whichever of its
    chats they go to: each chat has its own turn.
    """
    if endpoint.channel is MessageChannel.WEBHOOK:
        return 0
    last = tx.outbox.latest_of(endpoint.account_id, endpoint.id)
    if last is None or last.tries or last.claimed_until or last.state not in _IN_LINE:
        return 0
    host = host_of(receiver_of(endpoint.url))
    chats = [
        other
        for other in tx.webhooks.of_account(endpoint.account_id)
        if other.channel is not MessageChannel.WEBHOOK and host_of(receiver_of(other.url)) == host
    ]
    return last.next_at + CHAT_PACE_MS * len(chats)
