"""The timers of callbacks: sending, releasing claims, and removing idle hosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.delivery import ReceiverResponse
from fyke.domain.callbacks.slots import free_slots
from fyke.errors import Unavailable
from fyke.model.callback import HOST_KEPT_MS, DeliveryKind, DeliveryState
from fyke.timers.callback_hosts import CallbackHostTimer
from fyke.timers.callback_times import CallbackTimeTimer
from fyke.timers.callbacks import STALE_SECONDS, CallbackTimer
from support.callback_trials import LocalSignals
from support.callbacks import MASTER, Outbox, open_outbox
from support.prepared import state_in

pytestmark = pytest.mark.anyio
TERMINAL = DeliveryKind.TERMINAL


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    url = state_in(tmp_path)
    async with open_outbox(url) as outbox:
        yield outbox


class Notifier:
    """Answers 200, or raises ``fault``."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.fault: Exception | None = None

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
        self.sent.append(headers["webhook-id"])
        if self.fault is not None:
            raise self.fault
        return ReceiverResponse(200)


@asynccontextmanager
async def working(outbox: Outbox, timer: CallbackTimer) -> AsyncIterator[Callable[[Any], Any]]:
    """Run the timer; yield a function that waits for a condition."""
    task = asyncio.create_task(timer.tick())

    async def until(condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not await condition():
                assert not task.done()
                await asyncio.sleep(0.005)

    try:
        yield until
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_stale_claim_is_released_and_not_sent(outbox: Outbox) -> None:
    run = await outbox.run()
    await outbox.end(run)
    claims: list[Any] = await outbox.do(
        lambda tx: tx.outbox.claim(tx.now, free_slots(()), tx.now + 60_000)
    )
    notifier = Notifier()
    timer = CallbackTimer(outbox.storage, notifier, LocalSignals(), outbox.clock, MASTER)
    since = outbox.clock.monotonic()
    outbox.clock.advance(STALE_SECONDS + 1)
    await timer._deliver(claims[0], since)
    assert notifier.sent == []
    found = (await outbox.of_run(run))[TERMINAL]
    assert (found.state, found.tries, found.claimed_until) == (DeliveryState.PENDING, 0, 0)
    assert (await outbox.claim()).id == found.id


async def test_the_timer_continues_after_a_fault_of_the_platform(outbox: Outbox) -> None:
    first, second = await outbox.run(), await outbox.run("https://other.example/y")
    notifier = Notifier()
    notifier.fault = OSError("a fault")
    await outbox.end(first)
    timer = CallbackTimer(outbox.storage, notifier, LocalSignals(), outbox.clock, MASTER)
    async with working(outbox, timer) as until:

        async def sent() -> bool:
            return len(notifier.sent) == 1

        async def delivered() -> bool:
            return (await outbox.of_run(second))[TERMINAL].state is DeliveryState.DELIVERED

        await until(sent)
        notifier.fault = None
        await outbox.end(second)
        timer._signals.notify("outbox")
        await until(delivered)
    left = (await outbox.of_run(first))[TERMINAL]
    assert (left.state, left.tries, left.claimed_until) == (DeliveryState.PENDING, 1, 0)
    assert (
        left.last_error.startswith("a fault of the server") and left.next_at > outbox.clock.now_ms()
    )


async def test_while_the_database_is_away_nothing_counts_as_a_try(outbox: Outbox) -> None:
    run = await outbox.run()
    await outbox.end(run)
    claims: list[Any] = await outbox.do(
        lambda tx: tx.outbox.claim(tx.now, free_slots(()), tx.now + 60_000)
    )
    notifier = Notifier()
    notifier.fault = Unavailable("away")
    timer = CallbackTimer(outbox.storage, notifier, LocalSignals(), outbox.clock, MASTER)
    with pytest.raises(Unavailable):
        await timer._deliver(claims[0], outbox.clock.monotonic())
    left = (await outbox.of_run(run))[TERMINAL]
    assert (left.tries, left.claimed_until) == (0, claims[0].delivery.claimed_until)


async def test_idle_hosts_are_removed_after_a_day(outbox: Outbox) -> None:
    timer = CallbackHostTimer(outbox.storage)
    for url in ("https://a.example/", "https://b.example/"):
        await outbox.end(await outbox.run(url))
    for claimed in await outbox.claims():
        if claimed.host == "a.example":
            await outbox.tried(claimed)

    async def left() -> int:
        """The number of idle hosts, which are removed."""
        return await outbox.do(lambda tx: tx.outbox.remove_idle_hosts(tx.now + HOST_KEPT_MS))

    outbox.clock.advance(HOST_KEPT_MS / 1000)
    outbox.clock.advance(1)
    await timer.tick()
    assert await left() == 0
    assert [one.host for one in await outbox.claims()] == ["b.example"]


async def test_hosts_of_less_than_a_day_are_kept(outbox: Outbox) -> None:
    await outbox.end(await outbox.run())
    await outbox.tried(await outbox.claim())
    outbox.clock.advance(HOST_KEPT_MS / 1000)
    await CallbackHostTimer(outbox.storage).tick()
    assert await outbox.do(lambda tx: tx.outbox.remove_idle_hosts(tx.now)) == 1


async def test_after_a_step_back_of_the_clock_callbacks_are_sent_at_once(outbox: Outbox) -> None:
    await outbox.end(await outbox.run("https://a.example/"))
    await outbox.tried(await outbox.claim(), 500)
    await outbox.end(await outbox.run("https://b.example/"))
    await CallbackTimeTimer(outbox.storage).tick()
    assert [one.host for one in await outbox.claims()] == ["b.example"], "the other one waits"
    outbox.clock.advance(-30 * 24 * 3600)
    assert await outbox.claims() == []
    await CallbackTimeTimer(outbox.storage).tick()
    assert {one.host for one in await outbox.claims()} == {"a.example", "b.example"}
