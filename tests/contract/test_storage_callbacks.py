"""The contract of the outbox: claims, their pace and order, tries, receivers, the log."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete

from fyke.domain.callbacks.slots import free_slots
from fyke.model.callback import (
    IN_FLIGHT,
    KEPT_TRIES,
    PACE_MS,
    Claim,
    Delivery,
    DeliveryAttempt,
    DeliveryFilter,
    DeliveryKind,
    DeliveryState,
    HostStatus,
    Receiver,
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


async def added(state: State, *made: Delivery) -> None:
    await state.write(lambda tx: [tx.outbox.add(one) for one in made])


async def claimed(state: State, now: int, until: int = 10**6) -> list[Delivery]:
    found: list[Claim] = await state.write(lambda tx: tx.outbox.claim(now, dict(FREE), until))
    return [one.delivery for one in found]


async def test_a_host_is_paced_and_has_two_in_flight(state: State) -> None:
    owner, run = await a_run(state)
    hook = "http://a.example:80"
    made = [records.delivery(owner, run, receiver=hook, next_at=at) for at in (1, 2, 3, 4)]
    await added(state, *made)
    assert [one.id for one in await claimed(state, 10)] == [made[0].id]
    assert await claimed(state, 10 + PACE_MS - 1) == []
    assert await state.read(lambda tx: tx.outbox.next_due(20, FREE)) == 10 + PACE_MS
    assert [one.id for one in await claimed(state, 10 + PACE_MS)] == [made[1].id]
    assert await claimed(state, 5000) == []
    assert await state.read(lambda tx: tx.outbox.next_due(5000, FREE)) is None
    ended = replace(made[0], state=DeliveryState.DELIVERED, claimed_until=0)
    await state.write(lambda tx: tx.outbox.save(ended))
    assert [one.id for one in await claimed(state, 5000)] == [made[2].id]


async def test_a_claim_lapses(state: State) -> None:
    owner, run = await a_run(state)
    await added(state, records.delivery(owner, run, receiver="http://a.example:80", next_at=1))
    (first,) = await claimed(state, 10, until=500)
    assert first.claimed_until == 500
    assert await claimed(state, 499, until=900) == []
    (again,) = await claimed(state, 500, until=1000)
    assert (again.id, again.claimed_until) == (first.id, 1000)


async def test_the_terminal_call_waits_for_the_running_one_of_its_run(state: State) -> None:
    owner, run = await a_run(state)
    # of different hosts, so that nothing but the order delays it
    started = records.delivery(
        owner, run, kind=DeliveryKind.RUNNING, receiver="http://a.example:80", next_at=1
    )
    over = records.delivery(owner, run, receiver="http://b.example:80", next_at=1)
    await added(state, over, started)
    assert [one.id for one in await claimed(state, 10)] == [started.id]
    assert await claimed(state, 9000) == []
    assert await state.read(lambda tx: tx.outbox.has_terminal(run))
    assert (await state.write(lambda tx: tx.outbox.lock_running(run))).id == started.id
    done = replace(started, state=DeliveryState.DELIVERED)
    await state.write(lambda tx: tx.outbox.save(done))
    assert await state.write(lambda tx: tx.outbox.lock_running(run)) is None
    assert [one.id for one in await claimed(state, 9000)] == [over.id]


async def test_many_claimers_never_take_more_than_the_host_may(state: State) -> None:
    owner, run = await a_run(state)
    hook = "http://a.example:80"
    await added(state, *(records.delivery(owner, run, receiver=hook, next_at=1) for _ in range(9)))
    found = await asyncio.gather(*(claimed(state, 10) for _ in range(8)))
    assert sum(map(len, found)) == 1
    later = await asyncio.gather(*(claimed(state, 10_000 + PACE_MS * n) for n in range(8)))
    assert sum(map(len, later)) == IN_FLIGHT - 1


async def test_failing_hosts_leave_places_to_the_others(state: State) -> None:
    owner, run = await a_run(state)
    hooks = [f"http://{name}.example:80" for name in ("bad", "good", "new")]
    await added(state, *(records.delivery(owner, run, receiver=h, next_at=1) for h in hooks))
    await state.write(lambda tx: tx.outbox.set_standing("bad.example", HostStatus.FAILING))
    await state.write(lambda tx: tx.outbox.set_standing("good.example", HostStatus.GOOD))
    free = {HostStatus.GOOD: 1, HostStatus.NEW: 0, HostStatus.FAILING: 0}
    (only,) = await state.write(lambda tx: tx.outbox.claim(10, dict(free), 500))
    assert (only.delivery.host, only.standing) == ("good.example", HostStatus.GOOD)
    none = dict.fromkeys(HostStatus, 0)
    assert await state.read(lambda tx: tx.outbox.next_due(10, none)) is None
    assert len(await claimed(state, 10)) == 2


async def test_ports_of_one_host_share_its_pace(state: State) -> None:
    owner, run = await a_run(state)
    hooks = [f"{scheme}://a.example:{port}" for scheme, port in (("http", 80), ("https", 443))]
    made = [records.delivery(owner, run, receiver=h, next_at=n) for n, h in enumerate(hooks)]
    await added(state, *made)
    assert [one.id for one in await claimed(state, 10)] == [made[0].id]
    assert await claimed(state, 10 + PACE_MS - 1) == []
    assert [one.id for one in await claimed(state, 10 + PACE_MS)] == [made[1].id]


async def test_idle_hosts_are_forgotten_and_found_again(state: State) -> None:
    owner, run = await a_run(state)
    hooks = [f"http://{name}.example:80" for name in ("idle", "lately", "waiting")]
    made = [records.delivery(owner, run, receiver=h, next_at=1) for h in hooks]
    await added(state, *made)
    assert len(await claimed(state, 10)) == 3
    gone = [replace(one, state=DeliveryState.FAILED, claimed_until=0) for one in made[:2]]
    await state.write(lambda tx: [tx.outbox.save(one) for one in gone])
    assert await state.write(lambda tx: tx.outbox.forget_hosts(10 + PACE_MS)) == 0
    await added(state, records.delivery(owner, run, receiver=hooks[1], next_at=500))
    assert len(await claimed(state, 500)) == 1
    assert await state.write(lambda tx: tx.outbox.forget_hosts(600)) == 1
    await added(state, records.delivery(owner, run, receiver=hooks[0], next_at=700))
    assert [one.host for one in await claimed(state, 700)] == ["idle.example"]


async def test_a_host_that_was_forgotten_while_a_call_was_added_is_claimed(state: State) -> None:
    owner, run = await a_run(state)
    await added(state, records.delivery(owner, run, receiver="http://a.example:80", next_at=1))

    def lose(tx: Any) -> None:
        tx.outbox._db.execute(delete(callback_hosts))

    await state.write(lose)
    assert await state.read(lambda tx: tx.outbox.next_due(5, FREE)) == 1
    assert [one.host for one in await claimed(state, 10)] == ["a.example"]
    assert await claimed(state, 10 + PACE_MS - 1) == []


async def test_the_latest_tries_are_kept(state: State) -> None:
    owner, run = await a_run(state)
    made = records.delivery(owner, run, receiver="http://a.example:80")
    await added(state, made)
    tries = [DeliveryAttempt(made.id, at, 500, "", 7) for at in range(KEPT_TRIES + 5)]
    await state.write(lambda tx: [tx.outbox.add_try(one) for one in tries])
    found = await state.read(lambda tx: tx.outbox.tries_of([made.id, "msg_other"]))
    assert found == {made.id: tries[5:]}


async def test_the_log_is_filtered_and_paged(state: State) -> None:
    owner, run = await a_run(state)
    other, foreign = await a_run(state)
    made = [
        records.delivery(owner, run, receiver=hook, created_at=at, state=kept)
        for at, (hook, kept) in enumerate(
            [
                ("http://a.example:80", DeliveryState.FAILED),
                ("http://a.example:8080", DeliveryState.PENDING),
                ("http://a.example.org:80", DeliveryState.FAILED),
            ]
        )
    ]
    await added(state, *made, records.delivery(other, foreign, receiver="http://a.example:80"))

    async def page(wanted: DeliveryFilter, offset: int = 0, limit: int = 10) -> Any:
        return await state.read(
            lambda tx: tx.outbox.page(owner, wanted, offset=offset, limit=limit)
        )

    assert await page(DeliveryFilter()) == (3, made[::-1])
    assert await page(DeliveryFilter(), 1, 1) == (3, [made[1]])
    assert await page(DeliveryFilter(DeliveryState.FAILED)) == (2, [made[2], made[0]])
    assert await page(DeliveryFilter(host="A.example")) == (2, [made[1], made[0]])
    assert await page(DeliveryFilter(host="a.example:80")) == (1, [made[0]])
    assert await page(DeliveryFilter(host="a_example")) == (0, [])


async def test_deliveries_that_wait_for_a_receiver_are_given_up_at_once(state: State) -> None:
    owner, run = await a_run(state)
    hook = "http://a.example:80"
    waits = records.delivery(owner, run, receiver=hook, next_at=900)
    flies = records.delivery(owner, run, receiver=hook, claimed_until=500)
    other = records.delivery(owner, run, receiver="https://a.example:443")
    await added(state, waits, flies, other)
    assert await state.write(lambda tx: tx.outbox.fail_pending(owner, hook, "why", 100)) == 1
    found = {one.id: one for one in await state.read(lambda tx: tx.outbox.of_run(run))}
    assert found[waits.id] == replace(
        waits, state=DeliveryState.FAILED, last_error="why", ended_at=100
    )
    assert (found[flies.id], found[other.id]) == (flies, other)


async def test_receivers_are_made_once_and_kept_apart(state: State) -> None:
    owner, _ = await a_run(state)
    other, _ = await a_run(state)
    hook = "http://a.example:80"
    assert await state.read(lambda tx: tx.receivers.get(owner, hook)) is None
    fresh = await state.write(lambda tx: tx.receivers.lock(owner, hook))
    assert fresh == Receiver(owner, hook)
    kept = replace(fresh, failing_since=1, last_success_at=2, last_failure_at=3, disabled_at=4)
    await state.write(lambda tx: tx.receivers.save(kept))
    assert await state.write(lambda tx: tx.receivers.lock(owner, hook)) == kept
    await state.write(lambda tx: tx.receivers.lock(other, hook))
    assert await state.read(lambda tx: tx.receivers.of_account(owner)) == [kept]
