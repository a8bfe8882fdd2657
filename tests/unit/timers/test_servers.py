"""Which processes count as servers, and when the others get a share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from fyke.api.ratelimit import RateShare, TokenBuckets
from fyke.contracts.signals import SERVERS
from fyke.kit.clock import ManualClock
from fyke.model.settings_version import SERVER_SILENCE_MS, ServerBeat
from fyke.timers.servers import HEARTBEAT_SECONDS, ServerTimer

pytestmark = pytest.mark.anyio
T = TypeVar("T")


@dataclass
class Heartbeats:
    """The heartbeats in the shared database."""

    clock: ManualClock
    at: dict[str, int] = field(default_factory=dict)
    notified: list[str] = field(default_factory=list)

    @property
    def now(self) -> int:
        return self.clock.now_ms()

    @property
    def servers(self) -> Heartbeats:
        return self

    def heartbeat(self, beat: ServerBeat) -> None:
        self.at[beat.id] = beat.heartbeat_at

    def count_active(self, since: int) -> int:
        return sum(at >= since for at in self.at.values())

    def drop(self, server_id: str) -> None:
        del self.at[server_id]

    def drop_silent(self, since: int) -> None:
        self.at = {server: at for server, at in self.at.items() if at >= since}

    def notify(self, topic: str) -> None:
        self.notified.append(topic)

    async def write(self, work: Callable[[Any], T]) -> T:
        return work(self)


class Ended(Exception):
    """No waits are left."""


@dataclass
class LocalSignals:
    """Lets ``passing`` waits time out, during which the clock advances."""

    clock: ManualClock
    passing: int = 0
    waits: list[tuple[frozenset[str], float]] = field(default_factory=list)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[LocalSignals]:
        yield self

    async def wait(self, topics: frozenset[str], timeout: float) -> None:
        self.waits.append((topics, timeout))
        if not self.passing:
            raise Ended
        self.passing -= 1
        self.clock.advance(timeout)
        await asyncio.sleep(0)


@dataclass
class Server:
    """One server with the limit of 60 requests a second that all of them share."""

    heartbeats: Heartbeats
    signals: LocalSignals
    share: RateShare = field(default_factory=RateShare)

    def __post_init__(self) -> None:
        self.timer = ServerTimer(self.heartbeats, self.signals, self.share.counted)  # type: ignore[arg-type]  # only what it uses
        self.buckets = TokenBuckets(60, 120, self.heartbeats.clock, self.share)

    async def send_heartbeats(self, times: int = 1) -> None:
        """Send ``times`` heartbeats, with the usual pause between them."""
        self.signals.passing = times - 1
        with pytest.raises(Ended):
            await self.timer.tick()

    def allowed(self) -> int:
        """Return how many requests pass at once after a pause that has filled the bucket."""
        return [self.buckets.take("key") for _ in range(200)].count(0)


def two() -> tuple[Server, Server]:
    store = Heartbeats(ManualClock())
    first, second = (Server(store, LocalSignals(store.clock)) for _ in range(2))
    return first, second


async def test_the_share_of_a_silent_server_goes_to_the_others() -> None:
    first, second = two()
    await first.timer.join()
    await second.timer.join()  # its only heartbeat: it is killed
    heartbeats = int(SERVER_SILENCE_MS / 1000 / HEARTBEAT_SECONDS)
    await first.send_heartbeats(heartbeats + 1)
    assert first.share.servers == 2  # the heartbeat may only be late
    assert first.allowed() == 60
    await first.send_heartbeats(2)
    assert first.share.servers == 1
    first.heartbeats.clock.advance(60)
    assert first.allowed() == 120
    assert len(first.heartbeats.at) == 1  # its row is removed


async def test_starts_and_stops_are_counted_at_the_next_signal() -> None:
    first, second = two()
    await first.timer.join()
    assert (first.share.servers, first.heartbeats.notified) == (1, [SERVERS])
    await second.timer.join()
    assert (second.share.servers, first.heartbeats.notified) == (2, [SERVERS] * 2)
    await first.send_heartbeats()
    assert first.share.servers == 2
    assert first.signals.waits == [(frozenset({SERVERS}), HEARTBEAT_SECONDS)]
    await second.timer.leave()
    assert first.heartbeats.notified == [SERVERS] * 3
    await first.send_heartbeats()
    assert first.share.servers == 1
    assert len(first.heartbeats.notified) == 3  # an ordinary heartbeat sends no signal


async def test_a_server_is_counted_again_after_a_long_pause() -> None:
    first, second = two()
    await first.timer.join()
    await second.timer.join()
    first.heartbeats.clock.advance(SERVER_SILENCE_MS / 1000 + 1)
    await first.send_heartbeats()
    assert first.share.servers == 1
    await second.send_heartbeats()
    await first.send_heartbeats()
    assert (first.share.servers, second.share.servers) == (2, 2)
