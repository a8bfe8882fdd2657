"""Which callbacks are queued, and the order of those of one run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fyke.contracts.signals import OUTBOX
from fyke.domain.callbacks.outbox import SUPERSEDED
from fyke.domain.callbacks.receivers import DISABLED
from fyke.model.callback import DeliveryKind, DeliveryState, Receiver
from fyke.model.run import Origin
from support.callbacks import HOOK, RECEIVER, Outbox

pytestmark = pytest.mark.anyio
RUNNING, TERMINAL = DeliveryKind.RUNNING, DeliveryKind.TERMINAL


async def test_a_run_of_v2_reports_its_start_and_its_end(outbox: Outbox) -> None:
    run = await outbox.run()
    await outbox.begin(run)
    outbox.clock.advance(1)
    await outbox.end(run)
    found = await outbox.of_run(run)
    assert set(found) == {RUNNING, TERMINAL}
    words = {kind: json.loads(one.payload)["run_status"] for kind, one in found.items()}
    assert words == {RUNNING: "running", TERMINAL: "succeeded"}
    for one in found.values():
        assert (one.url, one.receiver, one.host) == (HOOK, RECEIVER, "hooks.example")
        assert one.id.startswith("msg_")
        assert (one.state, one.tries, one.next_at) == (DeliveryState.PENDING, 0, one.created_at)
    assert found[RUNNING].id != found[TERMINAL].id
    assert outbox.notified == [OUTBOX, OUTBOX]


@pytest.mark.parametrize("origin", [item for item in Origin if item is not Origin.API_V2])
async def test_any_other_run_reports_only_its_end(outbox: Outbox, origin: Origin) -> None:
    run = await outbox.run(origin=origin)
    await outbox.begin(run)
    assert await outbox.of_run(run) == {}
    await outbox.end(run)
    assert list(await outbox.of_run(run)) == [TERMINAL]


async def test_a_run_without_a_url_sends_nothing(outbox: Outbox) -> None:
    run = await outbox.run(url="")
    await outbox.begin(run)
    await outbox.end(run)
    assert await outbox.of_run(run) == {}
    assert outbox.notified == []


async def test_an_unsent_running_callback_is_sent_before_the_terminal_one(outbox: Outbox) -> None:
    run = await outbox.run()
    await outbox.begin(run)
    await outbox.end(run)
    first = await outbox.claim()
    assert first.kind is RUNNING
    outbox.clock.advance(10)
    assert await outbox.claims() == []
    await outbox.tried(first)
    assert (await outbox.claim()).kind is TERMINAL


async def test_a_running_callback_that_waits_for_a_retry_is_superseded_at_the_end(
    outbox: Outbox,
) -> None:
    run = await outbox.run()
    await outbox.begin(run)
    await outbox.tried(await outbox.claim(), 500)
    outbox.clock.advance(1)
    before = (await outbox.of_run(run))[RUNNING]
    await outbox.end(run)
    found = await outbox.of_run(run)
    assert found[RUNNING] == replace(
        before,
        state=DeliveryState.SUPERSEDED,
        last_error=SUPERSEDED,
        ended_at=outbox.clock.now_ms(),
    )
    assert (await outbox.claim()).kind is TERMINAL


async def test_a_running_callback_that_is_being_sent_is_not_retried_after_the_end(
    outbox: Outbox,
) -> None:
    run = await outbox.run()
    await outbox.begin(run)
    await outbox.tried(await outbox.claim(), 500)
    outbox.clock.advance(10)
    again = await outbox.claim()
    await outbox.end(run)
    assert (await outbox.of_run(run))[RUNNING].state is DeliveryState.PENDING
    assert await outbox.claims() == []
    done = await outbox.tried(again, 0, "no answer within 15 s")
    assert done is not None
    assert (done.state, done.last_error) == (DeliveryState.SUPERSEDED, "no answer within 15 s")
    outbox.clock.advance(1)
    assert (await outbox.claim()).kind is TERMINAL


async def test_a_callback_to_a_disabled_receiver_is_stored_as_failed(
    outbox: Outbox,
) -> None:
    off = Receiver(outbox.owner, RECEIVER, disabled_at=5)
    await outbox.do(lambda tx: (tx.receivers.lock(outbox.owner, RECEIVER), tx.receivers.save(off)))
    run = await outbox.run()
    await outbox.begin(run)
    await outbox.end(run)
    for one in (await outbox.of_run(run)).values():
        assert (one.state, one.last_error) == (DeliveryState.FAILED, DISABLED)
        assert (one.tries, one.ended_at) == (0, one.created_at)
    assert await outbox.claims() == []
