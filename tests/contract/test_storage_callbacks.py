"""The contract of the outbox: attempts, receivers, the log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.model.callback import (
    KEPT_TRIES,
    Delivery,
    DeliveryAttempt,
    DeliveryFilter,
    DeliveryState,
    Receiver,
)
from support import records

pytestmark = pytest.mark.anyio
State = Any


async def a_run(state: State) -> tuple[str, str]:
    owner, worker_id = await state.write(records.seed)
    run = await state.write(lambda tx: records.seed_run(tx, owner, worker_id))
    return owner, run.id


async def add_deliveries(state: State, *deliveries: Delivery) -> None:
    await state.write(lambda tx: [tx.outbox.add(delivery) for delivery in deliveries])


async def test_the_latest_attempts_are_kept(state: State) -> None:
    owner, run = await a_run(state)
    delivery = records.delivery(owner, run, receiver="http://a.example:80")
    await add_deliveries(state, delivery)
    tries = [DeliveryAttempt(delivery.id, at, 500, "", 7) for at in range(KEPT_TRIES + 5)]
    await state.write(lambda tx: [tx.outbox.add_try(attempt) for attempt in tries])
    stored = await state.read(lambda tx: tx.outbox.tries_of([delivery.id, "msg_other"]))
    assert stored == {delivery.id: tries[5:]}


async def test_the_log_is_filtered_and_paged(state: State) -> None:
    owner, run = await a_run(state)
    other, foreign = await a_run(state)
    deliveries = [
        records.delivery(owner, run, receiver=receiver, created_at=at, state=delivery_state)
        for at, (receiver, delivery_state) in enumerate(
            [
                ("http://a.example:80", DeliveryState.FAILED),
                ("http://a.example:8080", DeliveryState.PENDING),
                ("http://a.example.org:80", DeliveryState.FAILED),
            ]
        )
    ]
    await add_deliveries(
        state, *deliveries, records.delivery(other, foreign, receiver="http://a.example:80")
    )

    async def page(delivery_filter: DeliveryFilter, offset: int = 0, limit: int = 10) -> Any:
        return await state.read(
            lambda tx: tx.outbox.page(owner, delivery_filter, offset=offset, limit=limit)
        )

    assert await page(DeliveryFilter()) == (3, deliveries[::-1])
    assert await page(DeliveryFilter(), 1, 1) == (3, [deliveries[1]])
    assert await page(DeliveryFilter(DeliveryState.FAILED)) == (2, [deliveries[2], deliveries[0]])
    assert await page(DeliveryFilter(host="A.example")) == (2, [deliveries[1], deliveries[0]])
    assert await page(DeliveryFilter(host="a.example:80")) == (1, [deliveries[0]])
    assert await page(DeliveryFilter(host="a_example")) == (0, [])


async def test_waiting_deliveries_of_a_receiver_can_be_cancelled(state: State) -> None:
    owner, run = await a_run(state)
    hook = "http://a.example:80"
    waiting = records.delivery(owner, run, receiver=hook, next_at=900)
    claimed = records.delivery(owner, run, receiver=hook, claimed_until=500)
    other = records.delivery(owner, run, receiver="https://a.example:443")
    await add_deliveries(state, waiting, claimed, other)
    assert await state.write(lambda tx: tx.outbox.fail_pending(owner, hook, "why", 100)) == 1
    by_id = {
        delivery.id: delivery for delivery in await state.read(lambda tx: tx.outbox.of_run(run))
    }
    assert by_id[waiting.id] == replace(
        waiting, state=DeliveryState.FAILED, last_error="why", ended_at=100
    )
    assert (by_id[claimed.id], by_id[other.id]) == (claimed, other)


async def test_receivers_are_created_once_per_account(state: State) -> None:
    owner, _ = await a_run(state)
    other, _ = await a_run(state)
    hook = "http://a.example:80"
    assert await state.read(lambda tx: tx.receivers.get(owner, hook)) is None
    fresh = await state.write(lambda tx: tx.receivers.lock(owner, hook))
    assert fresh == Receiver(owner, hook)
    changed = replace(fresh, failing_since=1, last_success_at=2, last_failure_at=3, disabled_at=4)
    await state.write(lambda tx: tx.receivers.save(changed))
    assert await state.write(lambda tx: tx.receivers.lock(owner, hook)) == changed
    await state.write(lambda tx: tx.receivers.lock(other, hook))
    assert await state.read(lambda tx: tx.receivers.of_account(owner)) == [changed]
