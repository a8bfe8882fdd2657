"""Which browsers start with the cache of their run, and when it is dropped."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from fyke.contracts.execution import SandboxFault
from fyke.runner import run_caches as module
from fyke.runner.run_caches import LEAST_BYTES, TRIES, RunCaches

pytestmark = pytest.mark.anyio


class Dropped(list[str]):
    """The names that were dropped."""

    fault = False

    async def drop(self, name: str) -> None:
        self.append(name)
        if self.fault:
            raise SandboxFault("the launcher has ended")


def run(number: int = 1, subtasks: int = 3) -> tuple[str, int]:
    return str(number), subtasks


@pytest.fixture
def dropped() -> Dropped:
    return Dropped()


@pytest.fixture
def caches(dropped: Dropped) -> RunCaches:
    return RunCaches(1000, dropped.drop)


async def idle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_runs_of_several_subtasks_have_a_cache_of_their_own(caches: RunCaches) -> None:
    for one in (run(1), run(2), run(3, subtasks=1)):
        caches.begin(*one)
    names = [caches.take(number, "A") for number in "1234"]
    assert names == ["RUN-1", "RUN-2", "", ""]
    caches.left("1", "A", 70_000)
    caches.left("4", "A", 70_000)
    caches.started_with("4", "A", 70_000)
    assert [caches.take(number, "B") for number in "1234"] == ["RUN-1", "", "", ""]


async def test_the_first_browser_leaves_a_cache_for_all_that_come_later(caches: RunCaches) -> None:
    caches.begin(*run())
    assert [caches.take("1", browser) for browser in "ABC"] == ["RUN-1", "", ""]
    caches.left("1", "A", LEAST_BYTES)
    assert [caches.take("1", browser) for browser in "ABC"] == ["RUN-1"] * 3


async def test_after_a_browser_that_failed_the_next_is_to_leave_a_cache(
    caches: RunCaches,
) -> None:
    caches.begin(*run())
    caches.take("1", "A")
    caches.left("1", "A", None)
    assert [caches.take("1", browser) for browser in "BC"] == ["RUN-1", ""]
    caches.left("1", "B", LEAST_BYTES)
    caches.take("1", "C")
    caches.left("1", "C", None)  # what there was remains
    assert [caches.take("1", browser) for browser in "DE"] == ["RUN-1", "RUN-1"]


async def test_they_can_be_switched_off(dropped: Dropped) -> None:
    caches = RunCaches(0, dropped.drop)
    caches.begin(*run())
    assert caches.take("1", "A") == ""
    caches.end("1", is_over=True)
    await idle()
    assert dropped == []


async def test_a_run_whose_browsers_leave_nothing_has_waiting_ones(caches: RunCaches) -> None:
    caches.begin(*run())
    caches.left("1", "A", LEAST_BYTES)
    for _ in range(TRIES):
        assert caches.take("1", "A") == "RUN-1"
        caches.left("1", "A", LEAST_BYTES - 1)
    assert caches.take("1", "A") == ""


async def test_one_browser_that_opened_no_page_is_not_the_end_of_the_cache(
    caches: RunCaches,
) -> None:
    caches.begin(*run())
    for size in (0, LEAST_BYTES - 1, LEAST_BYTES, 0, 0, LEAST_BYTES):
        assert caches.take("1", "A") == "RUN-1"
        caches.left("1", "A", size)
    assert caches.take("1", "A") == "RUN-1"


async def test_a_cache_that_was_removed_meanwhile_is_left_again(caches: RunCaches) -> None:
    caches.begin(*run())
    caches.left("1", "A", LEAST_BYTES)
    assert caches.take("1", "A") == "RUN-1"
    caches.started_with("1", "A", LEAST_BYTES)
    assert caches.take("1", "B") == "RUN-1"
    caches.started_with("1", "B", 0)  # it was removed to make room for those of other runs
    assert caches.take("1", "C") == ""
    caches.left("1", "B", LEAST_BYTES)
    assert caches.take("1", "C") == "RUN-1"


@pytest.mark.parametrize("size", [None, 0])
async def test_while_browsers_are_to_leave_a_cache_the_end_of_others_does_not_count(
    caches: RunCaches, size: int | None
) -> None:
    caches.begin(*run())
    caches.left("1", "A", LEAST_BYTES)
    for browser, found in (("B", LEAST_BYTES), ("C", 0), ("D", 0)):
        caches.started_with("1", browser, found)
    caches.left("1", "B", size)
    assert caches.take("1", "E") == ""
    caches.left("1", "C", size)
    assert caches.take("1", "E") == ""
    caches.left("1", "D", None)
    assert caches.take("1", "E") == "RUN-1"


@pytest.mark.parametrize("method", ["started_with", "left"])
async def test_a_cache_is_used_wherever_it_came_from(caches: RunCaches, method: str) -> None:
    caches.begin(*run())
    assert caches.take("1", "A") == "RUN-1"
    getattr(caches, method)("1", "B", LEAST_BYTES)  # saved late, or by another one
    assert caches.take("1", "C") == "RUN-1"


async def test_a_cache_is_dropped_with_the_last_attempt_of_an_ended_run(
    caches: RunCaches, dropped: Dropped
) -> None:
    for _ in range(2):
        caches.begin(*run())
    caches.left("1", "A", LEAST_BYTES)
    caches.end("1", is_over=True)  # the other one is still being removed
    await idle()
    assert (dropped, caches.take("1", "A")) == ([], "RUN-1")
    caches.end("1", is_over=True)
    await asyncio.sleep(0.001)
    await idle()
    assert (dropped, caches.take("1", "A")) == (["RUN-1"], "")
    caches.end("1", is_over=True)  # unknown now


@pytest.mark.parametrize("fault", [False, True])
async def test_a_cache_waits_for_the_next_attempt(
    caches: RunCaches, dropped: Dropped, monkeypatch: pytest.MonkeyPatch, fault: bool
) -> None:
    dropped.fault = fault
    caches.begin(*run())
    assert caches.take("1", "A") == "RUN-1"
    caches.left("1", "A", LEAST_BYTES)
    caches.end("1", is_over=False)
    await idle()
    caches.begin(*run())  # in time
    assert [caches.take("1", browser) for browser in "BC"] == ["RUN-1", "RUN-1"]
    monkeypatch.setattr(module, "KEEP_SECONDS", 0.0)
    caches.end("1", is_over=False)
    await asyncio.sleep(0.001)
    await idle()
    assert dropped == ["RUN-1"]


async def test_what_was_not_saved_is_not_dropped(caches: RunCaches, dropped: Dropped) -> None:
    caches.begin(*run())
    caches.end("1", is_over=True)
    await asyncio.sleep(0.001)
    await idle()
    assert dropped == []
    assert cast(Any, caches)._runs == {}


async def test_what_was_saved_after_the_runner_gave_up_waiting_is_dropped_too(
    caches: RunCaches, dropped: Dropped
) -> None:
    caches.begin(*run())
    assert caches.take("1", "A") == "RUN-1"
    caches.left("1", "A", None)
    caches.end("1", is_over=True)
    await idle()
    assert dropped == ["RUN-1"]
