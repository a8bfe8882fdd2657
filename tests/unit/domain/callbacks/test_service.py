"""What an account sees and may do about its callbacks."""

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
from support.callbacks import RECEIVER, Post

pytestmark = pytest.mark.anyio


async def switched_off(post: Post) -> Receiver:
    off = Receiver(post.owner, RECEIVER, 1, 2, 3, 4)
    await post.do(lambda tx: (tx.receivers.lock(post.owner, RECEIVER), tx.receivers.save(off)))
    return off


async def test_callbacks_are_shown_with_their_tries_and_to_their_owner_only(post: Post) -> None:
    callbacks, run = Callbacks(post.storage), await post.run()
    await post.begin(run)
    at = post.clock.now_ms()
    tried = await post.tried(await post.claim(), 500)
    [logged] = await callbacks.of_run(post.caller, run.id)
    assert (logged.delivery, logged.tries) == (
        tried,
        [DeliveryAttempt(logged.delivery.id, at, 500, "", 7)],
    )
    everything = DeliveryFilter()
    assert await callbacks.page(post.caller, everything, offset=0, limit=5) == (1, [logged])
    stranger = replace(post.caller, account_id="other")
    assert await callbacks.page(stranger, everything, offset=0, limit=5) == (0, [])
    with pytest.raises(RunNotFound):
        await callbacks.of_run(stranger, run.id)


async def test_a_replay_keeps_the_id_and_begins_a_new_schedule(post: Post) -> None:
    callbacks, run = Callbacks(post.storage), await post.run()
    await post.end(run)
    gone = await post.tried(await post.claim(), 410)
    assert gone is not None
    post.clock.advance(60)
    post.rings.clear()
    again = await callbacks.replay(post.caller, gone.id)
    assert again.delivery == replace(
        gone, state=DeliveryState.PENDING, tries=0, next_at=post.clock.now_ms(), ended_at=0
    )
    assert [one.status for one in again.tries] == [410]
    assert post.rings == [OUTBOX]
    claimed = await post.claim()
    assert (claimed.id, claimed.payload) == (gone.id, gone.payload)
    done = await post.tried(claimed)
    assert done is not None
    assert (done.state, done.tries) == (DeliveryState.DELIVERED, 1)


async def test_what_was_delivered_may_be_replayed(post: Post) -> None:
    await post.end(await post.run())
    done = await post.tried(await post.claim())
    assert done is not None
    again = await Callbacks(post.storage).replay(post.caller, done.id)
    assert again.delivery.state is DeliveryState.PENDING


async def test_whose_callback_it_is_not_finds_nothing_to_replay(post: Post) -> None:
    callbacks = Callbacks(post.storage)
    await post.end(await post.run())
    claimed = await post.claim()
    for caller, name in (
        (replace(post.caller, account_id="other"), claimed.id),
        (post.caller, "msg_nothing"),
    ):
        with pytest.raises(DeliveryNotFound):
            await callbacks.replay(caller, name)
    viewer = replace(post.caller, role=Role.VIEWER)
    with pytest.raises(Forbidden):
        await callbacks.replay(viewer, claimed.id)


async def test_what_is_on_its_way_is_not_sent_twice(post: Post) -> None:
    await post.end(await post.run())
    claimed = await post.claim()
    with pytest.raises(Refused, match="being sent at this moment"):
        await Callbacks(post.storage).replay(post.caller, claimed.id)


async def test_a_running_call_of_a_run_that_has_ended_is_not_replayed(post: Post) -> None:
    run = await post.run()
    await post.begin(run)
    running = await post.tried(await post.claim())
    assert running is not None
    callbacks = Callbacks(post.storage)
    assert (await callbacks.replay(post.caller, running.id)).delivery.tries == 0
    post.clock.advance(1)
    await post.tried(await post.claim())
    await post.end(run)
    with pytest.raises(Refused, match="the run has ended"):
        await callbacks.replay(post.caller, running.id)
    assert (await post.of_run(run))[DeliveryKind.RUNNING].state is DeliveryState.DELIVERED


async def test_a_receiver_that_is_switched_off_is_enabled_before_its_callbacks_are_replayed(
    post: Post,
) -> None:
    callbacks, off = Callbacks(post.storage), await switched_off(post)
    run = await post.run()
    await post.end(run)
    missed = (await post.of_run(run))[DeliveryKind.TERMINAL]
    with pytest.raises(Refused) as refused:
        await callbacks.replay(post.caller, missed.id)
    assert refused.value.message == f"{RECEIVER}: {DISABLED}"
    assert await callbacks.receivers(post.caller) == [off]
    on = await callbacks.enable(post.caller, "https://HOOKS.example/any?thing")
    assert on == replace(off, failing_since=0, disabled_at=0)
    assert await callbacks.receivers(post.caller) == [on]
    await callbacks.replay(post.caller, missed.id)
    assert (await post.claim()).id == missed.id


async def test_receivers_that_are_switched_off_come_first(post: Post) -> None:
    await switched_off(post)
    await post.do(lambda tx: tx.receivers.lock(post.owner, "http://a.example:80"))
    found = await Callbacks(post.storage).receivers(post.caller)
    assert [one.receiver for one in found] == [RECEIVER, "http://a.example:80"]


async def test_what_cannot_be_enabled(post: Post) -> None:
    callbacks = Callbacks(post.storage)
    with pytest.raises(NotFound, match=r"https://hooks\.example:443"):
        await callbacks.enable(post.caller, RECEIVER)
    with pytest.raises(InvalidRequest, match="receiver: "):
        await callbacks.enable(post.caller, "hooks")
    await switched_off(post)
    with pytest.raises(NotFound):
        await callbacks.enable(replace(post.caller, account_id="other"), RECEIVER)
    with pytest.raises(Forbidden):
        await callbacks.enable(replace(post.caller, role=Role.VIEWER), RECEIVER)
