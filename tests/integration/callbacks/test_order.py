"""Slow and randomly failing receivers never get the running callback of a run after its end."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pytest

from fyke.contracts.delivery import ReceiverResponse
from fyke.contracts.state import Transaction
from fyke.model.callback import DeliveryFilter, DeliveryKind, DeliveryState
from fyke.model.run import Run
from fyke.notify.http import HttpNotifier
from support.callback_trials import (
    CallbackSender,
    CountingNotifier,
    LocalSignals,
    SkippingClock,
    delivering,
    open_callback_sender,
)
from support.receivers import Receiver, Reply, listening

pytestmark = pytest.mark.anyio
# The most failures of one call. Without this maximum one call in 170,000 would fail ten times by
# chance, and be given up.
MAX_FAILURES = 8


@dataclass
class Unreliable:
    """Receivers in this process that fail at random; URLs on loopback are called over HTTP."""

    http: HttpNotifier
    chance: random.Random
    heard: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[str] = field(default_factory=Counter)

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
        if url.startswith("http://127."):
            return await self.http.post(url, body, headers)
        payload = json.loads(body)
        # recorded when the request arrives, and when it is answered
        self.heard[f"{url} comes"].append(payload["run_status"])
        await asyncio.sleep(self.chance.random() ** 3 * 0.1)
        self.heard[f"{url} answered"].append(payload["run_status"])
        status = self.chance.choices([200, 500, 302, 0], [70, 15, 5, 10])[0]
        call = f"{url} {payload['run_status']}"
        self.failures[call] += status != 200
        return ReceiverResponse(status if self.failures[call] <= MAX_FAILURES else 200)


class Skipping(LocalSignals):
    """A clock that skips the time in which all deliveries wait for a retry."""

    def __init__(self, clock: SkippingClock) -> None:
        super().__init__()
        self.clock = clock
        self.may_skip = asyncio.Event()
        self.sender: CallbackSender
        self.notifier: CountingNotifier

    async def wait(self, topics: frozenset[str], timeout: float) -> frozenset[str]:
        if timeout > 1 and self.may_skip.is_set() and not self.notifier.active:
            due = await self.sender.due_in()
            if due is not None and not self.notifier.active:
                self.clock.skipped += due
                return topics
        return await super().wait(topics, min(timeout, 0.05))


async def trial(
    url: str, http: HttpNotifier, receiver: Receiver, total: int, real: int, *, seed: int
) -> None:
    """Report ``total`` runs, ``real`` of them over HTTP; check the order of the calls."""
    chance, clock = random.Random(seed), SkippingClock()
    hosts = total // 3
    urls = [f"http://h{n % hosts}.example/{n}" for n in range(total - real)]
    for n in range(real):
        replies = [Reply(chance.choice([200, 500])) for _ in range(3)]
        receiver.reply(f"/real-{n}", *replies)
        urls.append(receiver.url(f"/real-{n}"))
    signals, unreliable = Skipping(clock), Unreliable(http, chance)
    signals.notifier = CountingNotifier(unreliable)
    async with open_callback_sender(url, signals.notify, clock) as sender:
        signals.sender = sender
        runs = await sender.runs(urls)
        async with delivering(sender.storage, signals.notifier, signals, clock):
            await execute(sender, runs, chance, clock, unreliable.heard)
            signals.may_skip.set()
            async with asyncio.timeout(90):
                while await unfinished(sender):
                    await asyncio.sleep(0.05)
        superseded = 0
        for run in runs:
            deliveries = await sender.storage.read(lambda tx, run=run: tx.outbox.of_run(run.id))
            states = {delivery.kind: delivery.state for delivery in deliveries}
            assert states[DeliveryKind.TERMINAL] is DeliveryState.DELIVERED, deliveries
            running = states[DeliveryKind.RUNNING]
            assert running in (DeliveryState.DELIVERED, DeliveryState.SUPERSEDED)
            superseded += running is DeliveryState.SUPERSEDED
    heard = dict(unreliable.heard)
    for n in range(real):
        path = f"/real-{n}"
        heard[path] = [received.data["run_status"] for received in receiver.at(path)]
    assert len(heard) == 2 * (total - real) + real
    inverted = {name: words for name, words in heard.items() if words != in_order(words)}
    assert inverted == {}
    assert all("succeeded" in words for words in heard.values())
    # the test was effective: running calls were repeated, and some were superseded by the end
    assert repeated(heard) > total / 100
    assert superseded > total / 100


async def execute(
    sender: CallbackSender,
    runs: list[Run],
    chance: random.Random,
    clock: SkippingClock,
    heard: dict[str, list[str]],
) -> None:
    """Start and end the runs: most within half a second, the others during a retry."""
    places = asyncio.Semaphore(100)

    async def end(run: Run) -> None:
        await asyncio.sleep(chance.random() * 0.5)
        await sender.end(run)

    async def short(run: Run) -> None:
        async with places:
            await sender.begin(run)
            await end(run)

    later = runs[::4]
    for n in range(0, len(later), 100):
        await sender.begin(*later[n : n + 100])
    await asyncio.gather(*(short(run) for n, run in enumerate(runs) if n % 4))
    clock.skipped += 6
    async with asyncio.timeout(60):
        while repeated(heard) <= len(runs) / 100:
            await asyncio.sleep(0.01)
    await asyncio.gather(*(end(run) for run in later))


async def unfinished(sender: CallbackSender) -> bool:
    def pending(tx: Transaction) -> int:
        waiting = DeliveryFilter(DeliveryState.PENDING)
        count, _ = tx.outbox.page(sender.owner, waiting, offset=0, limit=1)
        return count

    return bool(await sender.storage.read(pending))


def repeated(heard: dict[str, list[str]]) -> int:
    """Return how many receivers got the start of a run more than once."""
    return sum(words.count("running") > 1 for words in list(heard.values()))


def in_order(words: list[str]) -> list[str]:
    return sorted(words, key=["running", "succeeded"].index)


async def test_the_callbacks_of_a_hundred_runs_are_in_order(
    sqlite_url: str, http: HttpNotifier
) -> None:
    with listening() as receiver:
        await trial(sqlite_url, http, receiver, 100, 6, seed=0)


@pytest.mark.long
@pytest.mark.timeout(110)
@pytest.mark.parametrize("seed", range(1, 7))
async def test_the_callbacks_of_three_thousand_runs_are_in_order(
    sqlite_url: str, http: HttpNotifier, seed: int
) -> None:
    """In six parts, each with separate random failures."""
    with listening() as receiver:
        await trial(sqlite_url, http, receiver, 500, 6, seed=seed)
