"""What becomes of a delivery after a try."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.domain.callbacks.receivers import DISABLED
from fyke.domain.callbacks.record import CROWDED_MS, release
from fyke.domain.callbacks.schedule import JITTER, WAITS
from fyke.model.callback import DeliveryAttempt, DeliveryKind, DeliveryState, Receiver
from support.callbacks import CLAIM_MS, RECEIVER, Post

pytestmark = pytest.mark.anyio
TERMINAL = DeliveryKind.TERMINAL
DAY = 24 * 3600.0


async def test_every_2xx_ends_it(post: Post) -> None:
    for status in (200, 201, 204, 299):
        run = await post.run()
        await post.end(run)
        claimed = await post.claim()
        assert claimed.claimed_until == post.clock.now_ms() + CLAIM_MS
        done = await post.tried(claimed, status)
        assert done == replace(
            claimed, state=DeliveryState.DELIVERED, tries=1, last_status=status,
            claimed_until=0, ended_at=post.clock.now_ms(),
        )  # fmt: skip
        assert (await post.of_run(run))[TERMINAL] == done
        post.clock.advance(1)


async def test_gone_is_final_and_all_else_is_tried_again(post: Post) -> None:
    for status in (0, 199, 300, 302, 400, 404, 410, 429, 500, 599):
        run = await post.run()
        await post.end(run)
        done = await post.tried(await post.claim(), status, "" if status else "why")
        assert done is not None
        final = status == 410
        assert done.state is (DeliveryState.FAILED if final else DeliveryState.PENDING)
        assert (done.ended_at > 0) == final
        assert done.last_error == ("" if status else "why")
        await post.do(lambda tx, run=run: tx.runs.delete(run.id))
        post.clock.advance(1)


async def test_ten_tries_over_75_hours_and_then_it_has_failed(post: Post) -> None:
    run = await post.run()
    await post.end(run)
    begun = post.clock.now_ms()
    for number, wait in enumerate((*WAITS, None), 1):
        claimed = await post.claim()
        done = await post.tried(claimed, 503)
        assert done is not None
        assert (done.id, done.tries) == (claimed.id, number)
        if wait is None:
            break
        pause = (done.next_at - post.clock.now_ms()) / 1000
        assert wait * (1 - JITTER) - 0.001 <= pause <= wait * (1 + JITTER)
        post.clock.advance(pause - 0.002)
        assert await post.claims() == []
        post.clock.advance(0.01)
    assert (done.state, done.tries, done.last_status) == (DeliveryState.FAILED, 10, 503)
    assert 67 < (post.clock.now_ms() - begun) / 3_600_000 < 83
    tries = (await post.storage.read(lambda tx: tx.outbox.tries_of([done.id])))[done.id]
    assert [(one.status, one.duration_ms) for one in tries] == [(503, 7)] * 10


async def test_a_try_that_gave_way_does_not_count(post: Post) -> None:
    run = await post.run()
    await post.end(run)
    claimed = await post.claim()
    done = await post.tried(claimed, 0, "too many", sent=False)
    assert done == replace(claimed, next_at=post.clock.now_ms() + CROWDED_MS, claimed_until=0)
    assert await post.storage.read(lambda tx: tx.outbox.tries_of([claimed.id])) == {}
    assert await post.receiver() is None


async def test_who_comes_after_the_claim_has_lapsed_and_was_taken_is_not_heard(
    post: Post,
) -> None:
    run = await post.run()
    await post.end(run)
    late = await post.claim()
    post.clock.advance(CLAIM_MS / 1000 + 1)
    other = await post.claim()
    assert other.id == late.id
    assert await post.tried(late, 500) is None
    assert await post.tried(late, 0, sent=False) is None
    assert await post.do(lambda tx: release(tx, late, tx.now)) is None
    assert (await post.of_run(run))[TERMINAL] == other
    done = await post.tried(other, 200)
    assert done is not None
    assert done.state is DeliveryState.DELIVERED
    tries = await post.storage.read(lambda tx: tx.outbox.tries_of([late.id]))
    assert tries == {late.id: [DeliveryAttempt(late.id, post.clock.now_ms(), 200, "", 7)]}


async def test_a_claim_that_is_given_back_may_be_taken_again(post: Post) -> None:
    run = await post.run()
    await post.end(run)
    claimed = await post.claim()
    freed = await post.do(lambda tx: release(tx, claimed, tx.now))
    assert freed == replace(claimed, next_at=post.clock.now_ms(), claimed_until=0)
    post.clock.advance(1)
    assert (await post.claim()).id == claimed.id


async def test_after_five_days_of_failures_all_that_waits_is_given_up(post: Post) -> None:
    runs = [await post.run() for _ in range(3)]
    await post.end(runs[0])
    begun = post.clock.now_ms()
    await post.tried(await post.claim(), 500)
    post.clock.advance(5 * DAY)
    for run in runs[1:]:
        await post.end(run)
    last = await post.claim()
    done = await post.tried(last, 500)
    now = post.clock.now_ms()
    assert await post.receiver() == Receiver(post.owner, RECEIVER, begun, 0, now, now)
    assert done is not None
    found = [(await post.of_run(run))[TERMINAL] for run in runs]
    assert {one.state for one in found} == {DeliveryState.FAILED}
    assert {one.last_error for one in found} == {DISABLED}
    assert {one.ended_at for one in found} == {now}
    assert sum(one.tries for one in found) == 2
    post.clock.advance(5 * DAY)
    assert await post.claims() == []


async def test_a_success_resets_the_five_days(post: Post) -> None:
    for status in (500, 200, 500):
        await post.end(await post.run())
        await post.tried(await post.claim(), status)
        post.clock.advance(4)  # before the try that failed is due again
    known = await post.receiver()
    assert known is not None
    assert known.failing_since == known.last_failure_at > known.last_success_at > 0
    post.clock.advance(4.9 * DAY)
    await post.tried((await post.claims())[0], 500)
    known = await post.receiver()
    assert known is not None
    assert known.disabled_at == 0
