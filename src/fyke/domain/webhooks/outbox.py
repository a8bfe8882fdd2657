"""Writes messages for endpoints to the outbox, in the transaction of the event."""

from __future__ import annotations

from collections.abc import Iterable

from fyke.contracts.state import Transaction
from fyke.domain.callbacks.outbox import add_delivery, give_up_running
from fyke.domain.webhooks.messages import event_of, message, run_data
from fyke.model.callback import DeliveryKind
from fyke.model.run import Run
from fyke.model.webhook import Endpoint


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
    """Queue one delivery of ``body`` for each endpoint."""
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
        )
