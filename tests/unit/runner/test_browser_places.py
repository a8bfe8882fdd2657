"""Places for browsers: how many, what they take from the runner, and who waits for one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.model.browser import BrowserOffer, BrowserProgram
from fyke.model.run import RunLimits
from fyke.model.runner import Capacity
from fyke.runner import browser_places as module
from fyke.runner.browser_places import BrowserPlaces, Missing

pytestmark = pytest.mark.anyio
LIMITS = RunLimits(0.125, 512, 60, 0, 0)
WITH_BROWSER = replace(LIMITS, browser_cpus=1.0, browser_memory_mb=1024)
FREE = Capacity(2, 4096, 64)
OFFER = BrowserOffer((BrowserProgram.CHROMIUM,), display=True)


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The free memory of the machine in MiB."""
    machine = SimpleNamespace(free=100_000)
    monkeypatch.setattr(module, "available_memory_mb", lambda: machine.free)
    monkeypatch.setattr(module, "ROOM_SECONDS", 0.01)
    return machine


def places(count: int = 2, *, missing: bool = False, problem: str = "") -> BrowserPlaces:
    limits = SimpleNamespace(cpus=1.0, memory=1024 * 2**20)
    browser = SimpleNamespace(limits=limits, places=count, share=0.15, missing=missing)
    browser.problem, browser.offer = problem, OFFER
    return BrowserPlaces(cast(Any, browser))


async def reserve(places: BrowserPlaces, attempt_id: str) -> bool:
    return await places.reserve(attempt_id, lambda missing: None) is None


async def test_running_attempts_get_a_browser_as_long_as_there_are_places() -> None:
    """Even if their Workers have filled the runner; then new attempts have to wait."""
    two = places()
    full = Capacity(0, 0, 3)
    assert [await reserve(two, name) for name in "abc"] == [True, True, False]
    assert await reserve(two, "a")  # its next browser
    left = two.left_of(full)
    assert (round(left.cpus, 9), left.memory_mb, left.browsers) == (-0.3, -308, 0)
    assert left.offer is OFFER
    assert not left.is_possible


async def test_a_place_is_free_again_for_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    one = places(1)
    assert await reserve(one, "a")
    monkeypatch.setattr(module, "ROOM_SECONDS", 10)
    missing: list[str] = []
    waiting = asyncio.create_task(one.reserve("b", missing.append))
    await asyncio.sleep(0)
    one.release("a")
    assert await waiting is None
    assert missing == ["all places for browsers of this runner are taken (1)"]
    one.release("unknown")
    assert one.left_of(FREE).browsers == 0


async def test_an_attempt_of_a_run_with_a_browser_has_its_place_from_its_lease() -> None:
    two = places()
    two.leased("a", WITH_BROWSER)
    two.leased("b", LIMITS)
    left = two.left_of(FREE)
    assert (left.cpus, left.memory_mb, left.browsers) == (1.85, 4096 - 154, 1)
    two.release("a")
    ready = replace(FREE, browsers=2, browser_share=0.15, browser_ready=True, offer=OFFER)
    assert two.left_of(FREE) == ready
    broken = places(problem="no seccomp")  # it may be repaired meanwhile, which attempts learn
    assert broken.left_of(FREE) == replace(ready, browser_ready=False)
    assert (two.problem, broken.problem) == ("", "no seccomp")
    assert BrowserPlaces(None).problem == module.NONE_SERVED


async def test_browsers_that_have_just_started_count_with_what_they_will_take(
    monkeypatch: pytest.MonkeyPatch, memory: SimpleNamespace
) -> None:
    six = places(6)
    memory.free = module.FREE_MB - 1
    missing: list[str] = []
    text = "the machine has 399 MB of memory free, and 400 MB are needed"
    assert await six.reserve("a", missing.append) == Missing(text, 399, 400)
    assert missing == [text]
    memory.free = module.FREE_MB + module.STARTING_MB
    assert [await reserve(six, name) for name in "abc"] == [True, True, False]
    monkeypatch.setattr(module, "STARTING_SECONDS", -1.0)  # they are counted in what is free
    assert await reserve(six, "c")


async def test_a_machine_without_a_browser_reserves_nothing() -> None:
    for none in (BrowserPlaces(None), places(missing=True)):
        none.leased("a", WITH_BROWSER)
        assert await reserve(none, "b")  # it learns at once that there is none
        assert none.left_of(FREE) == FREE
