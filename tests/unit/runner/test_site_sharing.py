"""The part of a machine: smaller at once, larger only when all others know."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from fyke.contracts.signals import SITES
from fyke.domain.nodes.site_sharing import SitesView, StoredRunner, StoredUse
from fyke.egress.throttle import SiteRate, ThrottleRules
from fyke.errors import Unavailable
from fyke.model.sites import SitePause, SiteShares, SiteUse
from fyke.runner import site_sharing
from fyke.runner.site_sharing import RAISE_SECONDS, STALE_SECONDS, ShareHistory, SiteSharing
from support.egress import until
from support.scripted_gateway import ScriptedGateway

pytestmark = pytest.mark.anyio


# --- what follows from the answers ------------------------------------------------------------


def test_one_machine_has_all_of_a_site() -> None:
    history = ShareHistory()
    assert history.shares(0.0) == SiteShares(1)
    history.registered(1, 0.0)
    assert history.shares(100.0) == SiteShares(1)


def test_a_part_becomes_smaller_at_once_and_larger_when_the_others_know() -> None:
    history = ShareHistory()
    history.registered(4, 0.0)
    assert history.shares(0.0).of("x") == 4
    for second in range(8):
        history.answered(SiteShares(4, {"x": 1}), float(second))
        expected = 4 if second < RAISE_SECONDS else 1
        assert history.shares(float(second)).of("x") == expected
    history.answered(SiteShares(4, {"x": 3}), 8.0)
    assert history.shares(8.0).of("x") == 3
    assert history.shares(8.0).of("another") == 4
    for second in range(9, 16):
        history.answered(SiteShares(4, {"x": 2}), float(second))
        assert history.shares(float(second)).of("x") == (3 if second < 15 else 2)


def test_a_site_that_is_used_again_begins_with_the_smallest_part() -> None:
    history = ShareHistory()
    for second in range(10):
        history.answered(SiteShares(3, {"x": 1} if second != 8 else {}), float(second))
    assert history.shares(9.0).of("x") == 3


def test_without_answers_every_site_has_the_smallest_part() -> None:
    history = ShareHistory()
    pause = SitePause("y", 5.0)
    for second in range(10):
        history.answered(SiteShares(3, {"x": 1}, (pause,)), float(second))
    assert history.shares(9.0 + STALE_SECONDS) == SiteShares(3, {"x": 1}, (pause,))
    assert history.shares(9.1 + STALE_SECONDS) == SiteShares(3)
    history.answered(SiteShares(3, {"x": 1}), 10.0 + STALE_SECONDS)
    assert history.shares(10.0 + STALE_SECONDS) == SiteShares(3)  # nothing is known of before


def test_fewer_machines_count_when_that_was_said_for_a_while() -> None:
    history = ShareHistory()
    history.registered(3, 0.0)
    history.registered(1, 100.0)  # after an outage, before the others have registered
    assert history.machines(100.0 + RAISE_SECONDS - 0.1) == 3
    assert history.machines(100.0 + RAISE_SECONDS) == 1
    history.registered(2, 110.0)
    assert history.machines(110.0) == 2


# --- many machines ----------------------------------------------------------------------------

RATE = 8.0
SECONDS = 40.0
STEP = 0.125


@dataclass
class Machine:
    """One that uses the site from ``begins`` on, as much as it may."""

    name: str
    begins: float
    next_call: float
    history: ShareHistory = field(default_factory=ShareHistory)
    rate: SiteRate = field(default_factory=lambda: SiteRate(ThrottleRules(rate=RATE), 0.0))
    is_used: bool = False


@pytest.mark.parametrize("seed", range(12))
def test_a_site_gets_at_most_the_rate_and_the_stated_overshoot(seed: int) -> None:
    """Machines begin at random times, and hear of each other up to four seconds later."""
    chance = random.Random(seed)
    count = chance.randint(2, 8)
    rules = ThrottleRules(rate=RATE)
    machines = [
        Machine(f"m{n}", 0.0 if n == 0 else chance.choice([0.0, chance.uniform(0, 20)]), n * STEP)
        for n in range(count)
    ]
    stored: dict[str, tuple[float, bool]] = {}  # when the others see it
    starts: list[float] = []
    for machine in machines:
        machine.history.registered(count, 0.0)
    for now in (step * STEP for step in range(int(SECONDS / STEP))):
        for machine in machines:
            if now >= machine.next_call:
                machine.next_call = now + chance.choice([1.0, 1.25])
                known = {
                    name: StoredRunner(name, "", StoredUse(("x",) if is_used else ()))
                    for name, (at, is_used) in stored.items()
                    if at <= now
                }
                for one in machines:
                    known.setdefault(one.name, StoredRunner(one.name, "", StoredUse()))
                use = SiteUse(("x",) if machine.is_used else ())
                if stored.get(machine.name, (0, False))[1] != machine.is_used:
                    stored[machine.name] = (now + chance.uniform(0, 2), machine.is_used)
                machine.history.answered(SitesView(known, 0).shares(machine.name, use), now)
            divisor = machine.history.shares(now).of("x")
            machine.rate.change(rules.divided(divisor), now)
            while now >= machine.begins and machine.rate.wait(now) == 0:
                machine.rate.enter("run")
                machine.is_used = True
                starts.append(now)
        parts = sum(1 / one.history.shares(now).of("x") for one in machines if one.is_used)
        begun = [one for one in machines if now - RAISE_SECONDS < one.begins <= now]
        assert parts <= (2 - 1 / count if begun else 1) + 1e-9
    beginning = (1 - 1 / count) * RATE * (4 + RAISE_SECONDS)
    assert len(starts) <= RATE * (SECONDS + 4) + beginning + count
    late = [at for at in starts if at >= 30]  # all know of each other
    assert RATE * 9 <= len(late) <= RATE * 10 + count


# --- the loop ---------------------------------------------------------------------------------


class Egress:
    """The end of a machine's egress."""

    def __init__(self) -> None:
        self.use = SiteUse()
        self.told: list[SiteShares] = []

    async def share_sites(self, shares: SiteShares) -> SiteUse:
        self.told.append(shares)
        return self.use


@dataclass
class Place:
    """A runner, whose attempts a test begins and ends."""

    gateway: ScriptedGateway
    egress: Egress
    sharing: SiteSharing
    is_busy: bool = False

    def asked(self) -> list[tuple[Any, ...]]:
        return self.gateway.called("share_sites")


@pytest.fixture
async def place(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(site_sharing, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(site_sharing, "HURRY_SECONDS", 0.002)
    gateway, egress = ScriptedGateway(), Egress()
    gateway.answers["share_sites"] = SiteShares(2)
    sharing: Any = SiteSharing(gateway, egress.share_sites)  # type: ignore[arg-type]
    place = Place(gateway, egress, sharing)
    running = asyncio.create_task(sharing.run(lambda: place.is_busy))
    yield place
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_machine_alone_asks_for_nothing(place: Place) -> None:
    place.is_busy = True
    place.sharing.registered(1)
    turns = 0

    def turned() -> bool:
        nonlocal turns
        turns += 1
        return turns > 40  # several times as long as between two calls

    await until(turned)
    assert not place.asked() and not place.egress.told


async def test_a_machine_shares_while_it_has_attempts_or_uses_sites(place: Place) -> None:
    place.sharing.registered(2)
    await until(lambda: bool(place.egress.told))
    assert place.egress.told[-1].machines == 2
    place.egress.use = SiteUse(("x",))
    place.is_busy = True
    await until(lambda: (SiteUse(("x",)),) in place.asked())
    place.is_busy = False
    count = len(place.asked())
    await until(lambda: len(place.asked()) > count + 2)
    place.egress.use = SiteUse()
    await until(lambda: place.asked()[-1] == (SiteUse(),))
    count, turns = len(place.asked()), 0

    def turned() -> bool:
        nonlocal turns
        turns += 1
        return turns > 40

    await until(turned)
    assert len(place.asked()) <= count + 1


async def test_a_pause_here_and_news_of_others_are_passed_on_at_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_sharing, "EVERY_SECONDS", 3600.0)
    place.is_busy = True
    place.sharing.registered(2)
    place.sharing.hurry()
    await until(lambda: ("share_sites", (SiteUse(),), {"urgent": True}) in place.gateway.calls)
    pause = SitePause("x", 9.0)
    place.gateway.answers["share_sites"] = SiteShares(2, {}, (pause,))
    place.gateway.topics.put_nowait(SITES)
    await until(lambda: place.egress.told[-1].pauses == (pause,))


async def test_a_machine_without_attempts_does_not_ask_for_news(place: Place) -> None:
    place.sharing.registered(2)
    await until(lambda: len(place.asked()) == 1)
    for _ in range(3):
        place.gateway.topics.put_nowait(SITES)
        await until(place.gateway.topics.empty)
    turns = 0

    def turned() -> bool:
        nonlocal turns
        turns += 1
        return turns > 40

    await until(turned)
    assert len(place.asked()) == 1
    place.is_busy = True
    await until(lambda: len(place.asked()) > 1)


async def test_a_machine_that_is_alone_asks_when_another_comes(place: Place) -> None:
    place.gateway.topics.put_nowait(SITES)
    await until(lambda: bool(place.egress.told) and place.egress.told[-1].machines == 2)


async def test_an_unforeseen_error_is_logged_and_sharing_goes_on(place: Place) -> None:
    place.is_busy = True
    place.gateway.answers["share_sites"] = ValueError("no such message")
    place.sharing.registered(2)
    with capture_logs() as logs:
        await until(lambda: len(place.asked()) > 2)
        place.gateway.answers["share_sites"] = SiteShares(3)
        await until(lambda: place.egress.told[-1].machines == 3)
    events = [(line["event"], line.get("error")) for line in logs]
    assert events[0] == ("sites_not_shared", "ValueError('no such message')")
    assert events[-1] == ("sites_shared", None) and len(events) == 2


async def test_without_an_answer_the_egress_gets_the_smallest_parts(place: Place) -> None:
    now = 0.0
    place.sharing._clock = lambda: now
    for second in range(10):
        now = float(second)
        place.gateway.answers["share_sites"] = SiteShares(3, {"x": 1})
        await place.sharing.exchange()
    assert place.egress.told[-1] == SiteShares(3, {"x": 1})
    place.gateway.answers["share_sites"] = Unavailable()
    now += STALE_SECONDS + 0.1
    await place.sharing.exchange()
    assert place.egress.told[-1] == SiteShares(3)
