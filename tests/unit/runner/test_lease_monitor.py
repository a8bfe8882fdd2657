"""When the Workers of a runner that cannot report are stopped."""

from __future__ import annotations

import pytest

from fyke.kit.clock import ManualClock
from fyke.runner.lease_monitor import FENCE_SECONDS, LeaseMonitor

pytestmark = pytest.mark.anyio


class Setup:
    """A monitor whose runner is ``alone`` or not; asking takes ``asking`` seconds."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.alone, self.asking = False, 0.0
        self.asked: list[int] = []
        self.monitor = LeaseMonitor(self._alone, clock=self.clock.monotonic)
        self.monitor.servers = 1

    async def _alone(self, servers: int) -> bool:
        self.asked.append(servers)
        self.clock.advance(self.asking)
        return self.alone

    async def look(self, seconds: float) -> list[str]:
        """Check every half second for that long; return the first attempts to stop."""
        for _ in range(int(seconds * 2)):
            self.clock.advance(0.5)
            if found := await self.monitor.overdue():
                return found
        return []


@pytest.fixture
def setup() -> Setup:
    made = Setup()
    made.monitor.renewed(["a", "b"], made.monitor.now())
    return made


async def test_a_runner_that_reports_is_not_checked(setup: Setup) -> None:
    setup.alone = True
    for _ in range(20):
        started = setup.monitor.now()
        assert await setup.look(1) == []
        setup.monitor.renewed(["a", "b"], started)
    assert setup.asked == []


async def test_a_cut_off_runner_stops_its_attempts_within_their_lease(
    setup: Setup,
) -> None:
    setup.alone, setup.asking = True, 3
    assert await setup.look(20) == ["a", "b"]
    assert setup.clock.monotonic() + 5 < 15  # with the time of a Worker after SIGTERM


async def test_only_attempts_that_were_not_renewed_are_stopped(setup: Setup) -> None:
    setup.alone = True
    assert await setup.look(3) == []
    setup.monitor.renewed(["b"], setup.monitor.now())
    setup.monitor.forget("unknown")
    assert await setup.look(4) == ["a"]
    setup.monitor.forget("a")
    assert await setup.look(4) == ["b"]


async def test_in_a_shared_outage_nothing_is_stopped(setup: Setup) -> None:
    assert await setup.look(60) == []
    assert 8 <= len(setup.asked) <= 10
    assert set(setup.asked) == {1}
    setup.alone = True  # from now on: a whole new term
    since = setup.clock.monotonic()
    assert await setup.look(20) == ["a", "b"]
    assert setup.clock.monotonic() - since <= FENCE_SECONDS + 0.5


async def test_after_a_gap_every_attempt_has_a_new_term(setup: Setup) -> None:
    setup.alone = True
    setup.clock.advance(3600)
    assert await setup.monitor.overdue() == []
    assert await setup.look(FENCE_SECONDS) == []
    assert await setup.look(1) == ["a", "b"]


async def test_a_slow_answer_is_not_a_gap(setup: Setup) -> None:
    setup.asking = 3.5
    assert await setup.look(6.5) == []
    setup.alone = True
    assert await setup.look(7) == ["a", "b"]
