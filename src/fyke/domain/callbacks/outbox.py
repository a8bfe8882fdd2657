"""The outbox: a callback is written with the state it tells of, and delivered until it is taken."""

from __future__ import annotations

import json

from fyke.domain.callbacks.model import Delivery, DeliveryState
from fyke.domain.callbacks.payload import payload
from fyke.domain.contracts import OUTBOX, Transaction
from fyke.domain.runs.model import Run
from fyke.kit.ids import new_ulid


def enqueue(tx: Transaction, run: Run) -> None:
    """Write the terminal callback of ``run``, if it asked for one, into this transaction."""
    if not run.callback_url:
        return
    tx.outbox.add(
        Delivery(
            id=f"msg_{new_ulid()}",
            account_id=run.account_id,
            run_id=run.id,
            url=run.callback_url,
            payload=json.dumps(payload(run), ensure_ascii=False, separators=(",", ":")),
            state=DeliveryState.PENDING,
            tries=0,
            next_at=tx.now,
            last_status=0,
            last_error="",
            created_at=tx.now,
            ended_at=0,
        )
    )
    tx.ring(OUTBOX)
