"""The state of a delivery after a try."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.domain.callbacks.receivers import DISABLED
from fyke.domain.callbacks.record import BUSY_RETRY_MS, release
from fyke.domain.callbacks.schedule import JITTER, WAITS
from fyke.model.callback import DeliveryAttempt, DeliveryKind, DeliveryState, Receiver
from support.callbacks import CLAIM_MS, RECEIVER, Outbox

pytestmark = pytest.mark.anyio
TERMINAL = DeliveryKind.TERMINAL
DAY = 24 * 3600.0


async def test_every_2xx_is_a_delivery(outbox: Outbox) -> None:
    for status in (200, 201, 204, 299):
        run = await outbox.run()
        await outbox.end(run)
        claimed = await outbox.claim()
        assert claimed.claimed_until == outbox.clock.now_ms() + CLAIM_MS
        done = await outbox.tried(claimed, status)
        assert done == replace(
            claimed, state=DeliveryState.DELIVERED, tries=1, last_status=status,
            claimed_until=0, ended_at=outbox.clock.now_ms(),
        )  # fmt: skip
        assert (await outbox.of_run(run))[TERMINAL] == done
        outbox.clock.advance(1)


async def test_410_is_final_and_other_responses_are_retried(outbox: Outbox) -> None:
    for status in (0, 199, 300, 302, 400, 404, 410, 429, 500, 599):
        run = await outbox.run()
        await outbox.end(run)
        done = await outbox.tried(await outbox.claim(), status, "" if status else "why")
        assert done is not None
        final = status == 410
        assert done.state is (DeliveryState.FAILED if final else DeliveryState.PENDING)
        assert (done.ended_at > 0) == final
        assert done.last_error == ("" if status else "why")
        await outbox.do(lambda tx, run=run: tx.runs.delete(run.id))
        outbox.clock.advance(1)


async def test_a_delivery_fails_after_ten_tries_over_75_hours(outbox: Outbox) -> None:
    run = await outbox.run()
    await outbox.end(run)
    started = outbox.clock.now_ms()
    for number, wait in enumerate((*WAITS, None), 1):
        claimed = await outbox.claim()
        done = await outbox.tried(claimed, 503)
        assert done is not None
        assert (done.id, done.tries) == (claimed.id, number)
        if wait is None:
            break
        pause = (done.next_at - outbox.clock.now_ms()) / 1000
        assert wait * (1 - JITTER) - 0.001 <= pause <= wait * (1 + JITTER)
        outbox.clock.advance(pause - 0.002)
        assert await outbox.claims() == []
        outbox.clock.advance(0.01)
    assert (done.state, done.tries, done.last_status) == (DeliveryState.FAILED, 10, 503)
    assert 67 < (outbox.clock.now_ms() - started) / 3_600_000 < 83
    tries = (await outbox.storage.read(lambda tx: tx.outbox.tries_of([done.id])))[done.id]
    assert [(one.status, one.duration_ms) for one in tries] == [(503, 7)] * 10


async def test_a_receiver_with_too_many_requests_is_called_when_it_says(outbox: Outbox) -> None:
    await outbox.end(await outbox.run())
    done = await outbox.tried(await outbox.claim(), 429, retry_after=90.5)
    assert done is not None
    assert (done.next_at - outbox.clock.now_ms(), done.tries) == (90_500, 1)
    outbox.clock.advance(91)
    again = await outbox.tried(await outbox.claim(), 429, retry_after=2)
    assert again is not None
    wait = (again.next_at - outbox.clock.now_ms()) / 1000
    assert wait >= WAITS[1] * (1 - JITTER), "a short wait does not shorten the schedule"


async def test_a_delivery_that_was_not_sent_does_not_count_as_a_try(outbox: Outbox) -> None:
    run = await outbox.run()
    await outbox.end(run)
    claimed = await outbox.claim()
    done = await outbox.tried(claimed, 0, "too many", sent=False)
    assert done == replace(claimed, next_at=outbox.clock.now_ms() + BUSY_RETRY_MS, claimed_until=0)
    assert await outbox.storage.read(lambda tx: tx.outbox.tries_of([claimed.id])) == {}
    assert await outbox.receiver() is None


async def test_a_result_after_another_server_claimed_the_delivery_is_ignored(
    outbox: Outbox,
) -> None:
    run = await outbox.run()
    await outbox.end(run)
    late = await outbox.claim()
    outbox.clock.advance(CLAIM_MS / 1000 + 1)
    other = await outbox.claim()
    assert other.id == late.id
    assert await outbox.tried(late, 500) is None
    assert await outbox.tried(late, 0, sent=False) is None
    assert await outbox.do(lambda tx: release(tx, late, tx.now)) is None
    assert (await outbox.of_run(run))[TERMINAL] == other
    done = await outbox.tried(other, 200)
    assert done is not None
    assert done.state is DeliveryState.DELIVERED
    tries = await outbox.storage.read(lambda tx: tx.outbox.tries_of([late.id]))
    assert tries == {late.id: [DeliveryAttempt(late.id, outbox.clock.now_ms(), 200, "", 7)]}


async def test_a_released_claim_can_be_claimed_again(outbox: Outbox) -> None:
    run = await outbox.run()
    await outbox.end(run)
    claimed = await outbox.claim()
    freed = await outbox.do(lambda tx: release(tx, claimed, tx.now))
    assert freed == replace(claimed, next_at=outbox.clock.now_ms(), claimed_until=0)
    outbox.clock.advance(1)
    assert (await outbox.claim()).id == claimed.id


async def test_after_five_days_of_failures_all_pending_deliveries_fail(
    outbox: Outbox,
) -> None:
    runs = [await outbox.run() for _ in range(3)]
    await outbox.end(runs[0])
    started = outbox.clock.now_ms()
    await outbox.tried(await outbox.claim(), 500)
    outbox.clock.advance(5 * DAY)
    for run in runs[1:]:
        await outbox.end(run)
    last = await outbox.claim()
    done = await outbox.tried(last, 500)
    now = outbox.clock.now_ms()
    assert await outbox.receiver() == Receiver(outbox.owner, RECEIVER, started, 0, now, now)
    assert done is not None
    found = [(await outbox.of_run(run))[TERMINAL] for run in runs]
    assert {one.state for one in found} == {DeliveryState.FAILED}
    assert {one.last_error for one in found} == {DISABLED}
    assert {one.ended_at for one in found} == {now}
    assert sum(one.tries for one in found) == 2
    outbox.clock.advance(5 * DAY)
    assert await outbox.claims() == []


async def test_a_success_resets_the_five_days(outbox: Outbox) -> None:
    for status in (500, 200, 500):
        await outbox.end(await outbox.run())
        await outbox.tried(await outbox.claim(), status)
        outbox.clock.advance(4)  # before the retry is due
    known = await outbox.receiver()
    assert known is not None
    assert known.failing_since == known.last_failure_at > known.last_success_at > 0
    outbox.clock.advance(4.9 * DAY)
    await outbox.tried((await outbox.claims())[0], 500)
    known = await outbox.receiver()
    assert known is not None
    assert known.disabled_at == 0
