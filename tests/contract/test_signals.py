"""The suite of the ``Signals`` contract, over every implementation."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.storage.signals.datagram import DatagramSignals
from fyke.storage.signals.postgres import PostgresSignals

pytestmark = pytest.mark.anyio

WORK, STOP = frozenset({"work"}), frozenset({"stop"})
SOON, LONG = 0.05, 10.0

Make = Callable[[], Any]

RING_FROM_ELSEWHERE = """
import sys
from pathlib import Path
from fyke.storage.signals.datagram import DatagramSignals
from fyke.storage.signals.postgres import PostgresSignals
kind, where, topic = sys.argv[1:]
bell = DatagramSignals(Path(where)) if kind == "datagram" else PostgresSignals(where)
bell.notify(topic)
bell.close()
"""


class Place:
    """One doorbell's common ground, from which any number of instances can be made."""

    def __init__(self, kind: str, where: str) -> None:
        self.kind, self.where = kind, where
        self.made: list[DatagramSignals | PostgresSignals] = []

    def bell(self) -> DatagramSignals | PostgresSignals:
        made = (
            DatagramSignals(Path(self.where))
            if self.kind == "datagram"
            else PostgresSignals(self.where)
        )
        self.made.append(made)
        return made

    async def ring_from_another_process(self, topic: str) -> None:
        command = [sys.executable, "-c", RING_FROM_ELSEWHERE, self.kind, self.where, topic]
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=30)


@pytest.fixture(params=["datagram", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    where = (
        str(tmp_path / "run")
        if request.param == "datagram"
        else request.getfixturevalue("postgres_url")
    )
    place = Place(request.param, where)
    yield place
    for bell in place.made:
        bell.close()


async def test_a_ring_is_heard_by_the_same_process(place: Place) -> None:
    bell = place.bell()
    async with bell.listen() as ear:
        bell.notify("work")
        assert await ear.wait(WORK, LONG) == "work"


async def test_a_ring_is_heard_by_another_process(place: Place) -> None:
    async with place.bell().listen() as ear:
        await place.ring_from_another_process("run:01ABC")
        assert await ear.wait(frozenset({"run:01ABC"}), LONG) == "run:01ABC"


async def test_every_listener_hears(place: Place) -> None:
    one, two = place.bell(), place.bell()
    async with one.listen() as first, one.listen() as second, two.listen() as third:
        two.notify("work")
        heard = [await ear.wait(WORK, LONG) for ear in (first, second, third)]
    assert heard == ["work"] * 3


async def test_waiting_ends_when_nothing_rings(place: Place) -> None:
    async with place.bell().listen() as ear:
        start = time.monotonic()
        assert await ear.wait(WORK, SOON) is None
        assert SOON <= time.monotonic() - start < LONG
        assert await ear.wait(WORK, 0) is None


async def test_a_ring_between_two_waits_is_not_lost(place: Place) -> None:
    bell = place.bell()
    async with bell.listen() as ear:
        assert await ear.wait(STOP, SOON) is None
        bell.notify("work")
        bell.notify("stop")
        assert await ear.wait(STOP, LONG) == "stop"
        assert await ear.wait(WORK, LONG) == "work"


async def test_other_topics_do_not_wake(place: Place) -> None:
    bell = place.bell()
    async with bell.listen() as ear:
        bell.notify("outbox")
        assert await ear.wait(WORK, SOON) is None


async def test_a_thousand_rings_count_once(place: Place) -> None:
    bell = place.bell()
    async with bell.listen() as ear:
        for _ in range(1000):
            bell.notify("work")
        bell.notify("last")
        assert await ear.wait(frozenset({"last"}), LONG) == "last"
        assert await ear.wait(WORK, LONG) == "work"
        repeated = 0
        while await ear.wait(WORK, SOON) is not None:
            repeated += 1
        assert repeated <= 2  # what was still under way when the first was consumed


async def test_a_thousand_different_topics_all_arrive(place: Place) -> None:
    """Nobody reads the event loop meanwhile; the short kernel queue must not lose any."""
    bell = place.bell()
    topics = frozenset(f"run:{n}" for n in range(1000))
    async with bell.listen() as ear:
        for topic in sorted(topics):
            bell.notify(topic)
        heard = {await ear.wait(topics, LONG) for _ in topics}
    assert heard == topics


async def test_ringing_from_any_thread(place: Place) -> None:
    bell = place.bell()
    topics = frozenset(f"t{n}" for n in range(8))
    async with bell.listen() as ear:
        threads = [threading.Thread(target=bell.notify, args=(topic,)) for topic in topics]
        for thread in threads:
            thread.start()
        assert {await ear.wait(topics, LONG) for _ in topics} == topics
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("topic", ["", "x" * 100_000, "a\0b", "\ud800", "ünï"])
async def test_odd_topics_never_fail_the_caller(place: Place, topic: str) -> None:
    bell = place.bell()
    async with bell.listen() as ear:
        bell.notify(topic)
        bell.notify("work")
        assert await ear.wait(WORK, LONG) == "work"


async def test_ringing_without_listeners_and_after_close_is_harmless(place: Place) -> None:
    bell = place.bell()
    bell.notify("work")
    bell.close()
    bell.notify("work")
    bell.close()
    async with place.bell().listen() as ear:
        assert await ear.wait(WORK, 0) is None


async def test_two_thousand_waiters_each_hear_their_own_run(place: Place) -> None:
    bell = place.bell()

    async def wait(number: int) -> str | None:
        async with bell.listen() as ear:
            ready.append(number)
            return await ear.wait(frozenset({f"run:{number}"}), LONG)

    ready: list[int] = []
    waiters = [asyncio.create_task(wait(number)) for number in range(2000)]
    while len(ready) < len(waiters):
        await asyncio.sleep(0.001)
    for number in range(2000):
        bell.notify(f"run:{number}")
    assert await asyncio.gather(*waiters) == [f"run:{number}" for number in range(2000)]
