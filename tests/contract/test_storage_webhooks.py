"""The contract of webhook endpoints, and of the deliveries that wait for one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.callbacks.slots import free_slots
from fyke.errors import Conflict
from fyke.model.callback import (
    Delivery,
    DeliveryAttempt,
    DeliveryFilter,
    DeliveryKind,
    DeliveryState,
)
from fyke.model.webhook import WebhookEvent
from support import records
from support.alerts import an_endpoint

pytestmark = pytest.mark.anyio
State = Any
FREE = free_slots(())


async def an_account(state: State) -> tuple[str, str]:
    owner, worker_id = await state.write(records.seed)
    run = await state.write(lambda tx: records.seed_run(tx, owner, worker_id))
    return owner, run.id


async def test_an_added_endpoint_is_read_back(state: State) -> None:
    owner, _ = await an_account(state)
    other, _ = await an_account(state)
    second = an_endpoint(
        owner, name="b", events=(WebhookEvent.RUN_STARTED, WebhookEvent.RUN_FAILED)
    )
    first = an_endpoint(owner, name="a")
    await state.write(lambda tx: [tx.webhooks.add(endpoint) for endpoint in (second, first)])
    assert await state.read(lambda tx: tx.webhooks.get(second.id)) == second
    assert await state.write(lambda tx: tx.webhooks.lock(second.id)) == second
    assert await state.read(lambda tx: tx.webhooks.of_account(owner)) == [first, second]
    assert await state.read(lambda tx: tx.webhooks.of_account(other)) == []
    assert await state.read(lambda tx: tx.webhooks.get("none")) is None


async def test_names_are_unique_within_an_account(state: State) -> None:
    owner, _ = await an_account(state)
    other, _ = await an_account(state)
    first, second = an_endpoint(owner, name="a"), an_endpoint(owner, name="b")
    elsewhere = an_endpoint(other, name="a")
    await state.write(
        lambda tx: [tx.webhooks.add(endpoint) for endpoint in (first, second, elsewhere)]
    )
    with pytest.raises(Conflict, match="name: there is a webhook named 'a' already"):
        await state.write(lambda tx: tx.webhooks.add(an_endpoint(owner, name="a")))
    with pytest.raises(Conflict):
        await state.write(lambda tx: tx.webhooks.save(replace(second, name="a")))
    changed = replace(second, name="c", url="https://b.example/", enabled=False, updated_at=7)
    await state.write(lambda tx: tx.webhooks.save(changed))
    assert await state.read(lambda tx: tx.webhooks.get(second.id)) == changed
    assert await state.write(lambda tx: tx.webhooks.delete(second.id))
    assert not await state.write(lambda tx: tx.webhooks.delete(second.id))


async def test_only_enabled_and_subscribed_endpoints_get_events(state: State) -> None:
    owner, _ = await an_account(state)
    subscribed = an_endpoint(owner)
    disabled = an_endpoint(owner, enabled=False)
    other = an_endpoint(owner, events=(WebhookEvent.RUN_STARTED,))
    await state.write(
        lambda tx: [tx.webhooks.add(endpoint) for endpoint in (subscribed, disabled, other)]
    )
    failed = WebhookEvent.RUN_FAILED
    assert await state.read(lambda tx: tx.webhooks.listening(owner, failed)) == [subscribed]
    aborted = WebhookEvent.RUN_ABORTED
    assert await state.read(lambda tx: tx.webhooks.listening(owner, aborted)) == []


async def test_the_latest_attempt_is_stored(state: State) -> None:
    owner, _ = await an_account(state)
    endpoint = an_endpoint(owner)
    await state.write(lambda tx: tx.webhooks.add(endpoint))
    for at, status, accepted in ((5, 500, False), (9, 503, False), (12, 200, True)):
        attempt = DeliveryAttempt("msg", at, status, "", 3, f"reply {at}")
        await state.write(
            lambda tx, a=attempt, ok=accepted: tx.webhooks.note_try(endpoint.id, a, accepted=ok)
        )
        stored = await state.read(lambda tx: tx.webhooks.get(endpoint.id))
        assert (stored.last_at, stored.last_status, stored.last_reply) == (
            at,
            status,
            f"reply {at}",
        )
        assert stored.failing_since == (0 if accepted else 5)
    # a change by its owner keeps the latest attempt
    await state.write(lambda tx: tx.webhooks.save(replace(endpoint, name="other")))
    assert (await state.read(lambda tx: tx.webhooks.get(endpoint.id))).last_at == 12


def waiting(owner: str, run: str, endpoint: str, **changes: Any) -> Delivery:
    changes = {"receiver": "http://a.example:80", "next_at": 5} | changes
    return records.delivery(owner, run, endpoint_id=endpoint, event="run.failed", **changes)


async def test_waiting_deliveries_of_an_endpoint_can_be_moved_and_cancelled(state: State) -> None:
    owner, run = await an_account(state)
    own_deliveries = [waiting(owner, run, "e1", next_at=at) for at in (7, 5)]
    sent = waiting(owner, run, "e1", claimed_until=10**15, next_at=10**15)
    others = [waiting(owner, run, "e2"), waiting(owner, run, "")]
    await state.write(
        lambda tx: [tx.outbox.add(delivery) for delivery in (*own_deliveries, sent, *others)]
    )
    due = await state.read(lambda tx: tx.outbox.next_tries(["e1", "e2", "e3"]))
    assert due == {"e1": 5, "e2": 5}
    moved = await state.write(
        lambda tx: tx.outbox.redirect("e1", "http://b.example/n", "http://b.example:80", 100)
    )
    assert moved == 2
    for delivery in own_deliveries:
        stored = await state.read(lambda tx, delivery=delivery: tx.outbox.get(delivery.id))
        assert (stored.url, stored.host, stored.next_at) == ("http://b.example/n", "b.example", 100)
    for delivery in (sent, *others):
        assert (
            await state.read(lambda tx, delivery=delivery: tx.outbox.get(delivery.id))
        ).host == "a.example"
    claims = await state.write(lambda tx: tx.outbox.claim(100, dict(FREE), 500))
    assert {claim.delivery.host for claim in claims} == {"a.example", "b.example"}
    await state.write(lambda tx: tx.outbox.fail_pending_of("e1", "off", 100))
    states = [(await state.read(lambda tx, d=d: tx.outbox.get(d.id))).state for d in own_deliveries]
    assert sorted(states) == [DeliveryState.FAILED, DeliveryState.PENDING]  # one is on its way


async def test_waiting_deliveries_of_an_endpoint_can_be_held(state: State) -> None:
    owner, run = await an_account(state)
    early, late = (waiting(owner, run, "e1", next_at=at) for at in (5, 900))
    sent = waiting(owner, run, "e1", claimed_until=10**15, next_at=50)
    other = waiting(owner, run, "e2")
    deliveries = (early, late, sent, other)
    await state.write(lambda tx: [tx.outbox.add(delivery) for delivery in deliveries])
    assert await state.write(lambda tx: tx.outbox.hold_pending_of("e1", 600, 100)) == 1
    held = [await state.read(lambda tx, one=one: tx.outbox.get(one.id)) for one in deliveries]
    assert [one.next_at for one in held] == [600, 900, 50, 5]


async def test_the_latest_delivery_of_an_endpoint_is_found(state: State) -> None:
    owner, run = await an_account(state)
    first, last = (waiting(owner, run, "e1", created_at=at, next_at=9 - at) for at in (1, 2))
    noise = waiting(owner, run, "e2", created_at=3)
    await state.write(lambda tx: [tx.outbox.add(one) for one in (last, first, noise)])
    found = await state.read(lambda tx: tx.outbox.latest_of(owner, "e1"))
    assert found is not None and found.id == last.id
    for account_id, endpoint_id in (("other", "e1"), (owner, "e3"), (owner, "")):
        assert (
            await state.read(lambda tx, a=account_id, e=endpoint_id: tx.outbox.latest_of(a, e))
            is None
        )


async def test_the_order_of_a_run_is_kept_for_each_endpoint(state: State) -> None:
    owner, run = await an_account(state)
    running, terminal = DeliveryKind.RUNNING, DeliveryKind.TERMINAL
    started = waiting(owner, run, "e1", kind=running, receiver="http://a.example:80")
    ended = waiting(owner, run, "e1", kind=terminal, receiver="http://b.example:80")
    other_ended = waiting(owner, run, "e2", kind=terminal, receiver="http://c.example:80")
    plain = waiting(owner, run, "", kind=terminal, receiver="http://d.example:80")
    await state.write(
        lambda tx: [tx.outbox.add(delivery) for delivery in (started, ended, other_ended, plain)]
    )
    claims = await state.write(lambda tx: tx.outbox.claim(10, dict(FREE), 500))
    assert {claim.delivery.id for claim in claims} == {started.id, other_ended.id, plain.id}
    locked = await state.write(lambda tx: tx.outbox.lock_running(run, "e1"))
    assert locked is not None and locked.id == started.id
    for endpoint, expected in (("e1", True), ("e2", True), ("", True), ("e3", False)):
        has_terminal = await state.read(lambda tx, e=endpoint: tx.outbox.has_call(run, terminal, e))
        assert has_terminal is expected
    for endpoint, expected in (("e1", True), ("e2", False), ("", False)):
        has_running = await state.read(lambda tx, e=endpoint: tx.outbox.has_call(run, running, e))
        assert has_running is expected
    assert await state.write(lambda tx: tx.outbox.lock_running(run, "e2")) is None


async def test_deliveries_are_filtered_by_endpoint(state: State) -> None:
    owner, run = await an_account(state)
    other, _ = await an_account(state)
    deliveries = [waiting(owner, run, "e1", created_at=at) for at in (1, 2, 3)]
    noise = [waiting(owner, run, "e2"), waiting(other, run, "e1")]
    await state.write(lambda tx: [tx.outbox.add(delivery) for delivery in (*deliveries, *noise)])
    of_endpoint = DeliveryFilter(endpoint_id="e1")
    count, page = await state.read(lambda tx: tx.outbox.page(owner, of_endpoint, offset=0, limit=2))
    assert (count, [delivery.id for delivery in page]) == (3, [deliveries[2].id, deliveries[1].id])
    assert (page[0].endpoint_id, page[0].event) == ("e1", "run.failed")
