"""The contract of the outbox: claims, their rate and order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete

from fyke.domain.callbacks.slots import free_slots
from fyke.model.callback import (
    IN_FLIGHT,
    PACE_MS,
    Claim,
    Delivery,
    DeliveryKind,
    DeliveryState,
    HostStatus,
)
from fyke.storage.sql.state.claims import callback_hosts
from support import records

pytestmark = pytest.mark.anyio
State = Any
FREE = free_slots(())


async def a_run(state: State) -> tuple[str, str]:
    owner, worker_id = await state.write(records.seed)
    run = await state.write(lambda tx: records.seed_run(tx, owner, worker_id))
    return owner, run.id


async def add_deliveries(state: State, *deliveries: Delivery) -> None:
    await state.write(lambda tx: [tx.outbox.add(delivery) for delivery in deliveries])


async def claim_deliveries(state: State, now: int, until: int = 10**6) -> list[Delivery]:
    claims: list[Claim] = await state.write(lambda tx: tx.outbox.claim(now, dict(FREE), until))
    return [claim.delivery for claim in claims]


async def test_due_deliveries_are_claimed_once(state: State) -> None:
    owner, worker_id = await state.write(records.seed)
    run = await state.write(lambda tx: records.seed_run(tx, owner, worker_id))
    deliveries = [
        records.delivery(
            owner, run.id, next_at=at, created_at=at, receiver=f"http://h{at}.example:80"
        )
        for at in (30, 10, 20)
    ]
    delivered = records.delivery(
        owner, run.id, state=DeliveryState.DELIVERED, next_at=1, created_at=1
    )

    async def claim_deliveries(now: int, until: int) -> list[str]:
        free = free_slots(())
        claims = await state.write(lambda tx: tx.outbox.claim(now, free, until))
        return [claim.delivery.id for claim in claims]

    await state.write(lambda tx: [tx.outbox.add(d) for d in (*deliveries, delivered)])
    assert await state.read(lambda tx: tx.outbox.next_due(5, free_slots(()))) == 10
    assert await claim_deliveries(25, 500) == [deliveries[1].id, deliveries[2].id]
    assert await claim_deliveries(25, 500) == []
    assert await claim_deliveries(100, 500) == [deliveries[0].id]
    assert await state.read(lambda tx: tx.outbox.next_due(200, free_slots(()))) == 500
    ended = replace(
        deliveries[0], state=DeliveryState.FAILED, tries=9, last_status=410, last_error="gone"
    )
    await state.write(lambda tx: tx.outbox.save(ended))
    assert (await state.read(lambda tx: tx.outbox.of_run(run.id)))[-1] == ended
    assert len(await claim_deliveries(900, 950)) == 2


async def test_nothing_is_due_when_nothing_is_pending(state: State) -> None:
    assert await state.read(lambda tx: tx.outbox.next_due(0, free_slots(()))) is None


async def test_a_host_has_a_rate_and_two_concurrent_deliveries(state: State) -> None:
    owner, run = await a_run(state)
    hook = "http://a.example:80"
    deliveries = [records.delivery(owner, run, receiver=hook, next_at=at) for at in (1, 2, 3, 4)]
    await add_deliveries(state, *deliveries)
    assert [delivery.id for delivery in await claim_deliveries(state, 10)] == [deliveries[0].id]
    assert await claim_deliveries(state, 10 + PACE_MS - 1) == []
    assert await state.read(lambda tx: tx.outbox.next_due(20, FREE)) == 10 + PACE_MS
    assert [delivery.id for delivery in await claim_deliveries(state, 10 + PACE_MS)] == [
        deliveries[1].id
    ]
    assert await claim_deliveries(state, 5000) == []
    assert await state.read(lambda tx: tx.outbox.next_due(5000, FREE)) is None
    ended = replace(deliveries[0], state=DeliveryState.DELIVERED, claimed_until=0)
    await state.write(lambda tx: tx.outbox.save(ended))
    assert [delivery.id for delivery in await claim_deliveries(state, 5000)] == [deliveries[2].id]


async def test_a_claim_expires(state: State) -> None:
    owner, run = await a_run(state)
    await add_deliveries(
        state, records.delivery(owner, run, receiver="http://a.example:80", next_at=1)
    )
    (first,) = await claim_deliveries(state, 10, until=500)
    assert first.claimed_until == 500
    assert await claim_deliveries(state, 499, until=900) == []
    (reclaimed,) = await claim_deliveries(state, 500, until=1000)
    assert (reclaimed.id, reclaimed.claimed_until) == (first.id, 1000)


async def test_the_terminal_call_waits_for_the_running_one_of_its_run(state: State) -> None:
    owner, run = await a_run(state)
    # with different hosts, so that only the order delays the second delivery
    started = records.delivery(
        owner, run, kind=DeliveryKind.RUNNING, receiver="http://a.example:80", next_at=1
    )
    ended = records.delivery(owner, run, receiver="http://b.example:80", next_at=1)
    await add_deliveries(state, ended, started)
    assert [delivery.id for delivery in await claim_deliveries(state, 10)] == [started.id]
    assert await claim_deliveries(state, 9000) == []
    assert await state.read(lambda tx: tx.outbox.has_call(run, DeliveryKind.TERMINAL))
    assert (await state.write(lambda tx: tx.outbox.lock_running(run))).id == started.id
    delivered = replace(started, state=DeliveryState.DELIVERED)
    await state.write(lambda tx: tx.outbox.save(delivered))
    assert await state.write(lambda tx: tx.outbox.lock_running(run)) is None
    assert [delivery.id for delivery in await claim_deliveries(state, 9000)] == [ended.id]


async def test_concurrent_claims_respect_the_limit_of_the_host(state: State) -> None:
    owner, run = await a_run(state)
    hook = "http://a.example:80"
    await add_deliveries(
        state, *(records.delivery(owner, run, receiver=hook, next_at=1) for _ in range(9))
    )
    results = await asyncio.gather(*(claim_deliveries(state, 10) for _ in range(8)))
    assert sum(map(len, results)) == 1
    later = await asyncio.gather(*(claim_deliveries(state, 10_000 + PACE_MS * n) for n in range(8)))
    assert sum(map(len, later)) == IN_FLIGHT - 1


async def test_failing_hosts_leave_slots_to_the_others(state: State) -> None:
    owner, run = await a_run(state)
    hooks = [f"http://{name}.example:80" for name in ("bad", "good", "new")]
    await add_deliveries(
        state, *(records.delivery(owner, run, receiver=h, next_at=1) for h in hooks)
    )
    await state.write(lambda tx: tx.outbox.set_host_status("bad.example", HostStatus.FAILING))
    await state.write(lambda tx: tx.outbox.set_host_status("good.example", HostStatus.GOOD))
    free = {HostStatus.GOOD: 1, HostStatus.NEW: 0, HostStatus.FAILING: 0}
    (only,) = await state.write(lambda tx: tx.outbox.claim(10, dict(free), 500))
    assert (only.delivery.host, only.host_status) == ("good.example", HostStatus.GOOD)
    none = dict.fromkeys(HostStatus, 0)
    assert await state.read(lambda tx: tx.outbox.next_due(10, none)) is None
    assert len(await claim_deliveries(state, 10)) == 2


async def test_ports_of_one_host_share_its_rate(state: State) -> None:
    owner, run = await a_run(state)
    hooks = [f"{scheme}://a.example:{port}" for scheme, port in (("http", 80), ("https", 443))]
    deliveries = [records.delivery(owner, run, receiver=h, next_at=n) for n, h in enumerate(hooks)]
    await add_deliveries(state, *deliveries)
    assert [delivery.id for delivery in await claim_deliveries(state, 10)] == [deliveries[0].id]
    assert await claim_deliveries(state, 10 + PACE_MS - 1) == []
    assert [delivery.id for delivery in await claim_deliveries(state, 10 + PACE_MS)] == [
        deliveries[1].id
    ]


async def test_deliveries_that_wait_too_long_become_due(state: State) -> None:
    owner, run = await a_run(state)
    times = [(0, 900), (0, 1100), (1, 5000), (1, 6100), (2, 99_000)]
    deliveries = [
        records.delivery(owner, run, tries=tries, next_at=at, receiver=f"http://h{at}.example:80")
        for tries, at in times
    ]
    await add_deliveries(state, *deliveries)
    assert await state.write(lambda tx: tx.outbox.pull_in(100, [1000, 6000])) == 2
    assert {delivery.id for delivery in await claim_deliveries(state, 100)} == {
        deliveries[1].id,
        deliveries[3].id,
    }
    # after the clock was set back, the ends of the claims and of their hosts are too far away
    assert await claim_deliveries(state, 0) == []
    assert await state.write(lambda tx: tx.outbox.pull_in(0, [1000, 6000])) == 2
    assert len(await claim_deliveries(state, 0)) == 2


async def test_messages_in_line_for_an_endpoint_wait_on(state: State) -> None:
    owner, run = await a_run(state)
    in_line, later, claimed = (
        records.delivery(owner, run, next_at=9000, endpoint_id="e1", event="x", **changes)
        for changes in (
            {"created_at": 50},
            {"created_at": 8000},
            {"created_at": 50, "claimed_until": 9000},
        )
    )
    await add_deliveries(state, in_line, later, claimed)
    assert await state.write(lambda tx: tx.outbox.pull_in(100, [1000, 6000])) == 2
    found = [
        (await state.read(lambda tx, one=one: tx.outbox.get(one.id))).next_at
        for one in (in_line, later, claimed)
    ]
    assert found == [9000, 100, 100]


async def test_removed_hosts_are_added_again(state: State) -> None:
    owner, run = await a_run(state)
    hooks = [f"http://{name}.example:80" for name in ("idle", "lately", "waiting")]
    deliveries = [records.delivery(owner, run, receiver=h, next_at=1) for h in hooks]
    await add_deliveries(state, *deliveries)
    assert len(await claim_deliveries(state, 10)) == 3
    failed = [
        replace(delivery, state=DeliveryState.FAILED, claimed_until=0)
        for delivery in deliveries[:2]
    ]
    await state.write(lambda tx: [tx.outbox.save(delivery) for delivery in failed])
    assert await state.write(lambda tx: tx.outbox.remove_idle_hosts(10 + PACE_MS)) == 0
    await add_deliveries(state, records.delivery(owner, run, receiver=hooks[1], next_at=500))
    assert len(await claim_deliveries(state, 500)) == 1
    assert await state.write(lambda tx: tx.outbox.remove_idle_hosts(600)) == 1
    await add_deliveries(state, records.delivery(owner, run, receiver=hooks[0], next_at=700))
    assert [delivery.host for delivery in await claim_deliveries(state, 700)] == ["idle.example"]


async def test_a_delivery_to_a_concurrently_removed_host_is_claimed(state: State) -> None:
    owner, run = await a_run(state)
    await add_deliveries(
        state, records.delivery(owner, run, receiver="http://a.example:80", next_at=1)
    )

    def lose(tx: Any) -> None:
        tx.outbox._db.execute(delete(callback_hosts))

    await state.write(lose)
    assert await state.read(lambda tx: tx.outbox.next_due(5, FREE)) == 1
    assert [delivery.host for delivery in await claim_deliveries(state, 10)] == ["a.example"]
    assert await claim_deliveries(state, 10 + PACE_MS - 1) == []
