"""Of many nodes a few are told that work waits, and others as long as these find some."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from fyke.gateway import work_rounds
from fyke.gateway.work_rounds import WAKE, WorkRounds

pytestmark = pytest.mark.anyio

KIND = ("default", 4.0)


class Fleet:
    """Nodes by number. ``told`` are those that were told, in order."""

    def __init__(self, count: int) -> None:
        self.told: list[int] = []
        self.rounds: WorkRounds[int] = WorkRounds(self.told.append)
        for node in range(count):
            self.rounds.add(node, KIND)

    def signalled(self, *first: int) -> list[int]:
        """Who is told because of a signal, of work whose environment these have."""
        return self._after(lambda: self.rounds.signalled(first))

    def asks(self, node: int, *, found: bool = False, idle: bool = False) -> list[int]:
        """Who is told because of a whole lease."""
        self.rounds.asks(node)
        return self.answered(node, found=found, idle=idle)

    def answered(self, node: int, *, found: bool = False, idle: bool = False) -> list[int]:
        """Who is told because of this answer."""
        return self._after(lambda: self.rounds.answered(node, found=found, saw_all=idle))

    def _after(self, step: Callable[[], None]) -> list[int]:
        before = len(self.told)
        step()
        return self.told[before:]


async def test_a_few_are_told_and_those_that_waited_longest_first() -> None:
    fleet = Fleet(20)
    assert fleet.signalled() == list(range(WAKE))


async def test_nodes_with_the_environment_are_told_first_wherever_they_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work_rounds, "HEAD_START_SECONDS", 60.0)
    fleet = Fleet(100)
    assert fleet.signalled(97, 55, 1000) == [55, 97]
    assert fleet.asks(97, found=True) == []  # the others may not be needed
    assert fleet.asks(55, idle=True) == []


async def test_others_are_told_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_rounds, "HEAD_START_SECONDS", 0.0)
    fleet = Fleet(100)
    assert fleet.signalled(97) == [97]
    assert fleet.signalled(97) == []  # it has been told
    await until_told(fleet, WAKE)
    assert fleet.told == [97, *range(WAKE - 1)]
    assert fleet.asks(97, found=True) == [WAKE - 1]


async def test_the_head_start_is_not_extended_by_further_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work_rounds, "HEAD_START_SECONDS", 0.0)
    fleet = Fleet(100)
    for holder in (97, 96, 95):
        assert fleet.signalled(holder) == [holder]
    await until_told(fleet, WAKE)
    assert fleet.told == [97, 96, 95, *range(WAKE - 3)]


async def test_an_idle_node_that_finds_nothing_ends_the_round() -> None:
    fleet = Fleet(20)
    fleet.signalled()
    assert fleet.asks(0, idle=True) == []
    assert fleet.asks(1) == []
    assert fleet.signalled() == [8, 9]  # six are still asking


async def test_others_are_told_as_long_as_some_is_found() -> None:
    fleet = Fleet(20)
    fleet.signalled()
    assert fleet.asks(0, found=True) == [8]
    assert fleet.asks(1, found=True, idle=True) == [9]


async def test_a_busy_node_that_finds_nothing_may_have_too_little_room() -> None:
    fleet = Fleet(10)
    fleet.signalled()
    assert fleet.asks(0) == [8]
    assert fleet.asks(1) == [9]
    assert fleet.asks(2) == []  # all were told once


async def test_a_node_that_may_have_looked_too_early_looks_again() -> None:
    fleet = Fleet(1)
    assert fleet.signalled() == [0]
    fleet.rounds.asks(0)
    assert fleet.signalled() == []  # it is asking, but may not see what is new
    assert fleet.answered(0, idle=True) == [0]
    assert fleet.asks(0, idle=True) == []


async def test_a_node_that_begins_to_ask_after_a_second_signal_asks_once() -> None:
    fleet = Fleet(1)
    assert fleet.signalled() == [0]
    assert fleet.signalled() == []
    assert fleet.asks(0, idle=True) == []


async def test_a_lease_that_began_before_the_signal_does_not_end_the_round() -> None:
    fleet = Fleet(20)
    fleet.rounds.asks(0)
    assert fleet.signalled() == list(range(1, WAKE + 1))  # it cannot be told while it asks
    assert fleet.answered(0, idle=True) == []
    assert fleet.asks(1, found=True) == [9]
    for node in range(2, 11):
        assert fleet.asks(node, found=True) == [node + 8]
    assert [fleet.asks(node, found=True) for node in (11, 12)] == [[19], [0]]


async def test_a_lease_that_began_before_the_signal_does_not_open_the_round_again() -> None:
    fleet = Fleet(2)
    fleet.rounds.asks(0)
    assert fleet.signalled() == [1]
    assert fleet.asks(1, idle=True) == []
    assert fleet.answered(0, idle=True) == []
    assert fleet.signalled() == [1, 0]


async def test_two_leases_at_once_count_as_early_as_the_first() -> None:
    fleet = Fleet(2)
    fleet.rounds.asks(0)
    assert fleet.signalled() == [1]
    fleet.rounds.asks(0)
    assert fleet.answered(0, idle=True) == []
    assert fleet.answered(0, idle=True) == [0]
    assert fleet.asks(0, idle=True) == []


async def test_polls_of_busy_nodes_are_not_asked_for_again() -> None:
    fleet = Fleet(20)
    fleet.signalled()
    for node in range(20):  # twelve before they were told, some thereby
        fleet.asks(node)
    told = len(fleet.told)
    for _ in range(3):
        for node in range(20):
            assert fleet.asks(node) == []
    assert len(fleet.told) == told == len(set(fleet.told))


async def test_a_node_that_has_looked_before_it_was_told_is_not_told() -> None:
    fleet = Fleet(10)
    fleet.signalled()
    assert fleet.asks(8) == []
    assert fleet.asks(0) == [9]
    assert fleet.asks(1) == []


async def test_what_is_stored_of_a_round_does_not_grow_with_the_polls() -> None:
    fleet = Fleet(100)
    for _ in range(3):
        fleet.signalled()
        for node in (*range(100), *range(100)):
            fleet.rounds.asks(node)
            fleet.asks(node, idle=True)
            fleet.answered(node, idle=True)
    [kind] = fleet.rounds._kinds.values()
    assert len(kind._due) == 0 and len(kind._waiting) == 100 and not kind._asking
    assert fleet.rounds._looks == {}


async def test_a_node_that_was_taking_work_during_the_signal_looks_again() -> None:
    fleet = Fleet(1)
    fleet.rounds.asks(0)
    assert fleet.signalled() == []
    assert fleet.answered(0) == [0]


async def test_a_node_that_has_found_some_asks_by_itself() -> None:
    fleet = Fleet(1)
    fleet.asks(0, found=True)
    assert fleet.signalled() == []
    assert fleet.asks(0, idle=True) == []
    assert fleet.signalled() == [0]


async def test_a_node_that_has_found_the_last_waits() -> None:
    fleet = Fleet(1)
    fleet.rounds.asks(0)
    fleet.rounds.answered(0, found=True, saw_all=False, is_last=True)
    assert fleet.signalled() == [0]
    fleet.rounds.asks(0)
    assert fleet.signalled() == []
    fleet.rounds.answered(0, found=True, saw_all=False, is_last=True)
    assert fleet.told == [0, 0]  # it may have looked before there was more


async def test_kinds_have_rounds_of_their_own() -> None:
    fleet = Fleet(10)
    for node in (20, 21):
        fleet.rounds.add(node, "other")
    assert fleet.signalled() == [*range(WAKE), 20, 21]
    fleet.asks(20, idle=True)
    assert fleet.asks(0) == [8]


async def test_a_node_that_changes_its_kind_is_in_one() -> None:
    fleet = Fleet(1)
    fleet.rounds.add(0, "other")
    assert fleet.signalled() == [0]
    assert list(fleet.rounds._kinds) == ["other"]


async def test_a_lease_may_end_as_another_kind_than_it_began() -> None:
    fleet = Fleet(1)
    fleet.rounds.asks(0)
    fleet.signalled()
    fleet.rounds.add(0, "other")
    assert fleet.answered(0, idle=True) == [0]  # nothing was said of the new kind yet
    fleet.rounds.asks(0)
    fleet.rounds.add(0, KIND)
    assert fleet.signalled() == []
    assert fleet.answered(0, found=True) == []


async def test_the_place_of_a_node_that_is_gone_is_for_another_one() -> None:
    fleet = Fleet(10)
    fleet.signalled()
    fleet.rounds.remove(3)
    assert fleet.told[WAKE:] == [8]
    fleet.rounds.remove(9)
    assert fleet.asks(0, found=True) == []


async def until_told(fleet: Fleet, count: int) -> None:
    async with asyncio.timeout(30):
        while len(fleet.told) < count:
            await asyncio.sleep(0)


async def test_so_is_that_of_a_node_that_does_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_rounds, "ASK_SECONDS", 0.0)
    fleet = Fleet(WAKE + 1)
    fleet.signalled()
    await until_told(fleet, WAKE + 1)
    assert fleet.told == list(range(WAKE + 1))


async def test_nodes_that_do_not_ask_delay_one_start_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_rounds, "ASK_SECONDS", 0.0)
    fleet = Fleet(25)  # the last of which takes work
    fleet.signalled()
    await until_told(fleet, 25)
    fleet.asks(24, idle=True)
    monkeypatch.setattr(work_rounds, "ASK_SECONDS", 60.0)
    [kind] = fleet.rounds._kinds.values()
    async with asyncio.timeout(30):
        while kind._asking:
            await asyncio.sleep(0)
    assert fleet.signalled() == [24]
    fleet.asks(3)  # it takes work again
    fleet.asks(24)
    assert fleet.signalled() == [3, 24]
