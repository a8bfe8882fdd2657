"""The outbox: a callback is written in the transaction of the change that it reports, and sent
until it is accepted.

The running callback of a run is never sent after its terminal callback:

* the terminal callback is not claimed while the running one is pending (``OutboxStore.claim``);
* a running callback that has failed is not retried once the run has ended. It is superseded here
  when it waits for a retry, or in ``record`` when it is being sent.
"""

from __future__ import annotations

import json
from dataclasses import replace

from fyke.contracts.signals import OUTBOX
from fyke.contracts.state import Transaction
from fyke.domain.callbacks.payload import payload
from fyke.domain.callbacks.receivers import DISABLED
from fyke.domain.callbacks.url import receiver_of
from fyke.kit.ids import new_ulid
from fyke.model.callback import Delivery, DeliveryKind, DeliveryState
from fyke.model.run import Origin, Run

SUPERSEDED = "the run has ended"


def enqueue_running(tx: Transaction, run: Run) -> None:
    """Write the running callback of ``run``, if it was started on v2 with a callback URL. A run
    whose first start did not take place has one already.
    """
    if not run.callback_url or run.origin is not Origin.API_V2:
        return
    if not tx.outbox.has_call(run.id, DeliveryKind.RUNNING):
        _enqueue(tx, run, DeliveryKind.RUNNING)


def enqueue_terminal(tx: Transaction, run: Run) -> None:
    """Write the terminal callback of ``run``, if it has a callback URL, in this transaction."""
    if not run.callback_url:
        return
    give_up_running(tx, run.id)
    _enqueue(tx, run, DeliveryKind.TERMINAL)


def give_up_running(tx: Transaction, run_id: str, endpoint_id: str = "") -> None:
    """Supersede the running callback of an ended run, if it waits for a retry: the call of its
    callback URL, or with ``endpoint_id`` that of this endpoint.
    """
    running = tx.outbox.lock_running(run_id, endpoint_id)
    if running is not None and running.tries and not running.claimed_until:
        tx.outbox.save(superseded(running, tx.now))


def superseded(running: Delivery, now: int) -> Delivery:
    """The running callback of an ended run, marked as superseded."""
    return replace(
        running,
        state=DeliveryState.SUPERSEDED,
        last_error=running.last_error or SUPERSEDED,
        claimed_until=0,
        ended_at=now,
    )


def _enqueue(tx: Transaction, run: Run, kind: DeliveryKind) -> None:
    add_delivery(
        tx,
        account_id=run.account_id,
        run_id=run.id,
        url=run.callback_url,
        body=json.dumps(payload(run), ensure_ascii=False, separators=(",", ":")),
        kind=kind,
    )


def add_delivery(
    tx: Transaction,
    *,
    account_id: str,
    run_id: str,
    url: str,
    body: str,
    kind: DeliveryKind,
    endpoint_id: str = "",
    event: str = "",
    due_at: int = 0,
) -> None:
    """Queue one message. For a receiver that is switched off it is stored as failed.
    ``endpoint_id`` and ``event`` are empty for the callback URL of a run. It is due at once, or at
    ``due_at``.
    """
    receiver = receiver_of(url)
    status = tx.receivers.get(account_id, receiver)
    refused = status is not None and status.disabled_at > 0
    tx.outbox.add(
        Delivery(
            id=f"msg_{new_ulid()}",
            account_id=account_id,
            run_id=run_id,
            url=url,
            payload=body,
            state=DeliveryState.FAILED if refused else DeliveryState.PENDING,
            tries=0,
            next_at=max(tx.now, due_at),
            last_status=0,
            last_error=DISABLED if refused else "",
            created_at=tx.now,
            ended_at=tx.now if refused else 0,
            kind=kind,
            receiver=receiver,
            endpoint_id=endpoint_id,
            event=event,
        )
    )
    tx.notify(OUTBOX)
