"""When the Workers of a runner that cannot report are stopped."""

from __future__ import annotations

import pytest

from fyke.app.cut_off import ANSWER_SECONDS
from fyke.kit.clock import ManualClock
from fyke.link.gateway import CONTACT_SECONDS
from fyke.model.node import ContactState
from fyke.runner.lease_monitor import CHECK_INTERVAL, STOP_SECONDS, LeaseMonitor
from fyke.runner.loop import REPORT_SECONDS
from fyke.runner.watch import TERM_GRACE_SECONDS
from fyke.settings import Settings

pytestmark = pytest.mark.anyio
OVERDUE = 6.0  # of a lease of 15 s


class Setup:
    """A monitor whose runner is ``cut_off`` or not; finding that out takes ``delay`` seconds."""

    def __init__(self, lease_seconds: float = 15.0) -> None:
        self.clock = ManualClock()
        self.cut_off, self.delay = False, 0.0
        self.calls = 0
        self.monitor = LeaseMonitor(self._contact, clock=self.clock.monotonic)
        self.monitor.lease_seconds = lease_seconds

    async def _contact(self) -> ContactState:
        self.calls += 1
        self.clock.advance(self.delay)
        return ContactState.CUT_OFF if self.cut_off else ContactState.DOWN_FOR_ALL

    async def check(self, seconds: float) -> list[str]:
        """Check every half second for that long; return the first attempts to stop."""
        for _ in range(int(seconds * 2)):
            self.clock.advance(0.5)
            if overdue := await self.monitor.overdue():
                return overdue
        return []


@pytest.fixture
def setup() -> Setup:
    made = Setup()
    made.monitor.renewed(["a", "b"], made.monitor.now())
    return made


async def test_a_runner_that_reports_is_not_checked(setup: Setup) -> None:
    setup.cut_off = True
    for _ in range(20):
        started = setup.monitor.now()
        assert await setup.check(1) == []
        setup.monitor.renewed(["a", "b"], started)
    assert setup.calls == 0


async def test_a_cut_off_runner_stops_its_attempts_within_their_lease(
    setup: Setup,
) -> None:
    setup.cut_off, setup.delay = True, 3
    assert await setup.check(20) == ["a", "b"]
    assert setup.clock.monotonic() + 5 < 15  # with the time of a Worker after SIGTERM


async def test_with_the_shortest_lease_reports_may_be_late_without_a_check() -> None:
    metadata = Settings.model_fields["lease_seconds"].metadata
    [shortest] = [bound.ge for bound in metadata if hasattr(bound, "ge")]
    setup = Setup(shortest)
    for _ in range(5):
        setup.monitor.renewed(["a"], setup.monitor.now())
        await setup.check(2 * REPORT_SECONDS + CHECK_INTERVAL)
    assert setup.calls == 0


@pytest.mark.parametrize("contact_seconds", [ANSWER_SECONDS, CONTACT_SECONDS])
def test_the_time_before_the_end_of_a_lease_is_enough_to_stop(contact_seconds: float) -> None:
    assert CHECK_INTERVAL + contact_seconds + TERM_GRACE_SECONDS < STOP_SECONDS


@pytest.mark.parametrize("lease_seconds", [12, 15, 60, 600])
async def test_a_cut_off_runner_waits_as_long_as_the_lease_allows(lease_seconds: float) -> None:
    setup = Setup(lease_seconds)
    setup.cut_off = True
    setup.monitor.renewed(["a"], setup.monitor.now())
    assert await setup.check(lease_seconds - STOP_SECONDS) == []
    assert setup.calls == 0
    assert await setup.check(1) == ["a"]
    assert setup.clock.monotonic() + 3 + 5 < lease_seconds


async def test_only_attempts_that_were_not_renewed_are_stopped(setup: Setup) -> None:
    setup.cut_off = True
    assert await setup.check(3) == []
    setup.monitor.renewed(["b"], setup.monitor.now())
    setup.monitor.forget("unknown")
    assert await setup.check(4) == ["a"]
    setup.monitor.forget("a")
    assert await setup.check(4) == ["b"]


async def test_in_a_shared_outage_nothing_is_stopped(setup: Setup) -> None:
    assert await setup.check(60) == []
    assert 8 <= setup.calls <= 10
    setup.cut_off = True  # from now on: a whole new term
    since = setup.clock.monotonic()
    assert await setup.check(20) == ["a", "b"]
    assert setup.clock.monotonic() - since <= OVERDUE + 0.5


async def test_after_a_gap_every_attempt_has_a_new_term(setup: Setup) -> None:
    setup.cut_off = True
    setup.clock.advance(3600)
    assert await setup.monitor.overdue() == []
    assert await setup.check(OVERDUE) == []
    assert await setup.check(1) == ["a", "b"]


async def test_a_slow_answer_is_not_a_gap(setup: Setup) -> None:
    setup.delay = 3.5
    assert await setup.check(6.5) == []
    setup.cut_off = True
    assert await setup.check(7) == ["a", "b"]
