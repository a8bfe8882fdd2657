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

from fyke.contracts.signals import FOLLOWED, WORK_FOR, SignalReader, output_topic, run_topic
from fyke.storage.signals.datagram import DatagramSignals
from fyke.storage.signals.postgres import PostgresSignals

pytestmark = pytest.mark.anyio

WORK, STOP = frozenset({"work"}), frozenset({"stop"})
SOON, LONG = 0.05, 10.0

Make = Callable[[], Any]

NOTIFY_FROM_ELSEWHERE = """
import sys
from pathlib import Path
from fyke.storage.signals.datagram import DatagramSignals
from fyke.storage.signals.postgres import PostgresSignals
kind, where, topic = sys.argv[1:]
signals = DatagramSignals(Path(where)) if kind == "datagram" else PostgresSignals(where)
signals.notify(topic)
signals.close()
"""


class Setup:
    """Creates instances that share the signals of one implementation."""

    def __init__(self, kind: str, where: str) -> None:
        self.kind, self.where = kind, where
        self.made: list[DatagramSignals | PostgresSignals] = []

    def signals(self, reader: SignalReader | None = None) -> DatagramSignals | PostgresSignals:
        made = (
            DatagramSignals(Path(self.where), reader)
            if self.kind == "datagram"
            else PostgresSignals(self.where, reader)
        )
        self.made.append(made)
        return made

    async def notify_from_another_process(self, topic: str) -> None:
        command = [sys.executable, "-c", NOTIFY_FROM_ELSEWHERE, self.kind, self.where, topic]
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=30)


@pytest.fixture(params=["datagram", "postgres"])
def setup(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Setup]:
    where = (
        str(tmp_path / "run")
        if request.param == "datagram"
        else request.getfixturevalue("postgres_url")
    )
    setup = Setup(request.param, where)
    yield setup
    for signals in setup.made:
        signals.close()


async def test_a_signal_reaches_the_same_process(setup: Setup) -> None:
    signals = setup.signals()
    async with signals.listen() as listener:
        signals.notify("work")
        assert await listener.wait(WORK, LONG) == "work"


@pytest.mark.slow
async def test_a_signal_reaches_another_process(setup: Setup) -> None:
    async with setup.signals().listen() as listener:
        await setup.notify_from_another_process("run:01ABC")
        assert await listener.wait(frozenset({"run:01ABC"}), LONG) == "run:01ABC"


async def test_every_listener_gets_a_signal(setup: Setup) -> None:
    here, elsewhere = setup.signals(), setup.signals()
    async with here.listen() as first, here.listen() as second, elsewhere.listen() as third:
        elsewhere.notify("work")
        answers = [await listener.wait(WORK, LONG) for listener in (first, second, third)]
    assert answers == ["work"] * 3


async def test_a_role_receives_only_its_own_topics(setup: Setup) -> None:
    of_runners = {"work", "prepare", "stop", WORK_FOR + "e", FOLLOWED + "r"}
    every = frozenset({*of_runners, "outbox", output_topic("r"), run_topic("r")})
    sender = setup.signals()
    for role, expected in (
        (SignalReader.RUNNER, of_runners),
        (SignalReader.SERVER, every - of_runners),
    ):
        last = "stop" if role is SignalReader.RUNNER else "outbox"
        async with setup.signals(role).listen() as listener:
            for topic in sorted(every - {last}):
                sender.notify(topic)
            sender.notify(last)
            heard = {await listener.wait(every, LONG) for _ in expected}
            assert heard == expected
            assert await listener.wait(every, SOON) is None


async def test_a_watcher_is_called_with_what_follows_its_prefix(setup: Setup) -> None:
    heard: list[str] = []
    called = asyncio.Event()

    def call(rest: str) -> None:
        heard.append(rest)
        called.set()

    signals = setup.signals(SignalReader.RUNNER)
    signals.watch(FOLLOWED, call)
    async with signals.listen() as listener:  # it receives by now
        for topic in ("work", FOLLOWED + "01ABC"):
            setup.signals().notify(topic)
        async with asyncio.timeout(LONG):
            await called.wait()
        assert heard == ["01ABC"]
        assert await listener.wait(WORK, LONG) == "work"


async def test_waiting_ends_without_a_signal(setup: Setup) -> None:
    async with setup.signals().listen() as listener:
        start = time.monotonic()
        assert await listener.wait(WORK, SOON) is None
        assert SOON <= time.monotonic() - start < LONG
        assert await listener.wait(WORK, 0) is None


async def test_a_signal_between_two_waits_is_not_lost(setup: Setup) -> None:
    signals = setup.signals()
    async with signals.listen() as listener:
        assert await listener.wait(STOP, SOON) is None
        signals.notify("work")
        signals.notify("stop")
        assert await listener.wait(STOP, LONG) == "stop"
        assert await listener.wait(WORK, LONG) == "work"


async def test_signals_of_other_topics_do_not_wake(setup: Setup) -> None:
    signals = setup.signals()
    async with signals.listen() as listener:
        signals.notify("outbox")
        assert await listener.wait(WORK, SOON) is None


async def test_a_thousand_signals_count_once(setup: Setup) -> None:
    signals = setup.signals()
    async with signals.listen() as listener:
        for _ in range(1000):
            signals.notify("work")
        signals.notify("last")
        assert await listener.wait(frozenset({"last"}), LONG) == "last"
        assert await listener.wait(WORK, LONG) == "work"
        repeated = 0
        while await listener.wait(WORK, SOON) is not None:
            repeated += 1
        assert repeated <= 2  # signals that were still on their way when the first was consumed


@pytest.mark.slow
async def test_a_thousand_different_topics_all_arrive(setup: Setup) -> None:
    """The event loop does not run while they are sent; the short kernel queue loses no signal."""
    signals = setup.signals()
    topics = frozenset(f"run:{n}" for n in range(1000))
    async with signals.listen() as listener:
        for topic in sorted(topics):
            signals.notify(topic)
        topics_heard = {await listener.wait(topics, LONG) for _ in topics}
    assert topics_heard == topics


async def test_notify_works_from_any_thread(setup: Setup) -> None:
    signals = setup.signals()
    topics = frozenset(f"t{n}" for n in range(8))
    async with signals.listen() as listener:
        threads = [threading.Thread(target=signals.notify, args=(topic,)) for topic in topics]
        for thread in threads:
            thread.start()
        assert {await listener.wait(topics, LONG) for _ in topics} == topics
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("topic", ["", "x" * 100_000, "a\0b", "\ud800", "ünï"])
async def test_unusual_topics_never_raise(setup: Setup, topic: str) -> None:
    signals = setup.signals()
    async with signals.listen() as listener:
        signals.notify(topic)
        signals.notify("work")
        assert await listener.wait(WORK, LONG) == "work"


async def test_notify_never_raises(setup: Setup) -> None:
    signals = setup.signals()
    signals.notify("work")
    signals.close()
    signals.notify("work")
    signals.close()
    async with setup.signals().listen() as listener:
        assert await listener.wait(WORK, 0) is None


@pytest.mark.slow
async def test_two_thousand_waiters_get_their_own_signals(setup: Setup) -> None:
    signals = setup.signals()

    async def wait(number: int) -> str | None:
        async with signals.listen() as listener:
            ready.append(number)
            return await listener.wait(frozenset({f"run:{number}"}), LONG)

    ready: list[int] = []
    waiters = [asyncio.create_task(wait(number)) for number in range(2000)]
    while len(ready) < len(waiters):
        await asyncio.sleep(0.001)
    for number in range(2000):
        signals.notify(f"run:{number}")
    assert await asyncio.gather(*waiters) == [f"run:{number}" for number in range(2000)]
