"""The callbacks that an account sees, and its operations on them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.contracts.signals import OUTBOX
from fyke.domain.callbacks.receivers import DISABLED
from fyke.domain.callbacks.service import Callbacks
from fyke.errors import DeliveryNotFound, Forbidden, InvalidRequest, NotFound, Refused, RunNotFound
from fyke.model.account import Role
from fyke.model.callback import (
    DeliveryAttempt,
    DeliveryFilter,
    DeliveryKind,
    DeliveryState,
    Receiver,
)
from support.callbacks import RECEIVER, Outbox

pytestmark = pytest.mark.anyio


async def switched_off(outbox: Outbox) -> Receiver:
    off = Receiver(outbox.owner, RECEIVER, 1, 2, 3, 4)
    await outbox.do(lambda tx: (tx.receivers.lock(outbox.owner, RECEIVER), tx.receivers.save(off)))
    return off


async def test_callbacks_are_listed_with_their_tries_for_their_account_only(
    outbox: Outbox,
) -> None:
    callbacks, run = Callbacks(outbox.storage), await outbox.run()
    await outbox.begin(run)
    at = outbox.clock.now_ms()
    tried = await outbox.tried(await outbox.claim(), 500)
    [logged] = await callbacks.of_run(outbox.caller, run.id)
    assert (logged.delivery, logged.tries) == (
        tried,
        [DeliveryAttempt(logged.delivery.id, at, 500, "", 7)],
    )
    everything = DeliveryFilter()
    assert await callbacks.page(outbox.caller, everything, offset=0, limit=5) == (1, [logged])
    stranger = replace(outbox.caller, account_id="other")
    assert await callbacks.page(stranger, everything, offset=0, limit=5) == (0, [])
    with pytest.raises(RunNotFound):
        await callbacks.of_run(stranger, run.id)


async def test_a_replay_keeps_the_id_and_starts_a_new_schedule(outbox: Outbox) -> None:
    callbacks, run = Callbacks(outbox.storage), await outbox.run()
    await outbox.end(run)
    gone = await outbox.tried(await outbox.claim(), 410)
    assert gone is not None
    outbox.clock.advance(60)
    outbox.notified.clear()
    again = await callbacks.replay(outbox.caller, gone.id)
    assert again.delivery == replace(
        gone, state=DeliveryState.PENDING, tries=0, next_at=outbox.clock.now_ms(), ended_at=0
    )
    assert [one.status for one in again.tries] == [410]
    assert outbox.notified == [OUTBOX]
    claimed = await outbox.claim()
    assert (claimed.id, claimed.payload) == (gone.id, gone.payload)
    done = await outbox.tried(claimed)
    assert done is not None
    assert (done.state, done.tries) == (DeliveryState.DELIVERED, 1)


async def test_a_delivered_callback_may_be_replayed(outbox: Outbox) -> None:
    await outbox.end(await outbox.run())
    done = await outbox.tried(await outbox.claim())
    assert done is not None
    again = await Callbacks(outbox.storage).replay(outbox.caller, done.id)
    assert again.delivery.state is DeliveryState.PENDING


async def test_another_account_cannot_replay_a_callback(outbox: Outbox) -> None:
    callbacks = Callbacks(outbox.storage)
    await outbox.end(await outbox.run())
    claimed = await outbox.claim()
    for caller, name in (
        (replace(outbox.caller, account_id="other"), claimed.id),
        (outbox.caller, "msg_nothing"),
    ):
        with pytest.raises(DeliveryNotFound):
            await callbacks.replay(caller, name)
    viewer = replace(outbox.caller, role=Role.VIEWER)
    with pytest.raises(Forbidden):
        await callbacks.replay(viewer, claimed.id)


async def test_a_delivery_that_is_being_sent_is_not_replayed(outbox: Outbox) -> None:
    await outbox.end(await outbox.run())
    claimed = await outbox.claim()
    with pytest.raises(Refused, match="being sent at this moment"):
        await Callbacks(outbox.storage).replay(outbox.caller, claimed.id)


async def test_a_running_callback_of_an_ended_run_is_not_replayed(
    outbox: Outbox,
) -> None:
    run = await outbox.run()
    await outbox.begin(run)
    running = await outbox.tried(await outbox.claim())
    assert running is not None
    callbacks = Callbacks(outbox.storage)
    assert (await callbacks.replay(outbox.caller, running.id)).delivery.tries == 0
    outbox.clock.advance(1)
    await outbox.tried(await outbox.claim())
    await outbox.end(run)
    with pytest.raises(Refused, match="the run has ended"):
        await callbacks.replay(outbox.caller, running.id)
    assert (await outbox.of_run(run))[DeliveryKind.RUNNING].state is DeliveryState.DELIVERED


async def test_a_disabled_receiver_must_be_enabled_before_a_replay(
    outbox: Outbox,
) -> None:
    callbacks, off = Callbacks(outbox.storage), await switched_off(outbox)
    run = await outbox.run()
    await outbox.end(run)
    missed = (await outbox.of_run(run))[DeliveryKind.TERMINAL]
    with pytest.raises(Refused) as refused:
        await callbacks.replay(outbox.caller, missed.id)
    assert refused.value.message == f"{RECEIVER}: {DISABLED}"
    assert await callbacks.receivers(outbox.caller) == [off]
    on = await callbacks.enable(outbox.caller, "https://HOOKS.example/any?thing")
    assert on == replace(off, failing_since=0, disabled_at=0)
    assert await callbacks.receivers(outbox.caller) == [on]
    await callbacks.replay(outbox.caller, missed.id)
    assert (await outbox.claim()).id == missed.id


async def test_disabled_receivers_are_listed_first(outbox: Outbox) -> None:
    await switched_off(outbox)
    await outbox.do(lambda tx: tx.receivers.lock(outbox.owner, "http://a.example:80"))
    found = await Callbacks(outbox.storage).receivers(outbox.caller)
    assert [one.receiver for one in found] == [RECEIVER, "http://a.example:80"]


async def test_unknown_and_invalid_receivers_cannot_be_enabled(outbox: Outbox) -> None:
    callbacks = Callbacks(outbox.storage)
    with pytest.raises(NotFound, match=r"https://hooks\.example:443"):
        await callbacks.enable(outbox.caller, RECEIVER)
    with pytest.raises(InvalidRequest, match="receiver: "):
        await callbacks.enable(outbox.caller, "hooks")
    await switched_off(outbox)
    with pytest.raises(NotFound):
        await callbacks.enable(replace(outbox.caller, account_id="other"), RECEIVER)
    with pytest.raises(Forbidden):
        await callbacks.enable(replace(outbox.caller, role=Role.VIEWER), RECEIVER)
