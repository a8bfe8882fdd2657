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
            self.rounds.answered(node, KIND, found=False)

    def signalled(self) -> list[int]:
        """Who is told because of a signal."""
        return self._after(self.rounds.signalled)

    def answered(self, node: int, *, found: bool = False, idle: bool = False) -> list[int]:
        """Who is told because of this answer."""
        return self._after(lambda: self.rounds.answered(node, KIND, found=found, was_idle=idle))

    def _after(self, step: Callable[[], None]) -> list[int]:
        before = len(self.told)
        step()
        return self.told[before:]


async def test_a_few_are_told_and_those_that_waited_longest_first() -> None:
    fleet = Fleet(20)
    assert fleet.signalled() == list(range(WAKE))


async def test_an_idle_node_that_finds_nothing_ends_the_round() -> None:
    fleet = Fleet(20)
    fleet.signalled()
    assert fleet.answered(0, idle=True) == []
    assert fleet.answered(1) == []
    assert fleet.signalled() == [8, 9]  # six are still asking


async def test_others_are_told_as_long_as_some_is_found() -> None:
    fleet = Fleet(20)
    fleet.signalled()
    assert fleet.answered(0, found=True) == [8]
    assert fleet.answered(1, found=True, idle=True) == [9]


async def test_a_busy_node_that_finds_nothing_may_have_too_little_room() -> None:
    fleet = Fleet(10)
    fleet.signalled()
    assert fleet.answered(0) == [8]
    assert fleet.answered(1) == [9]
    assert fleet.answered(2) == []  # all were told once


async def test_a_node_that_may_have_looked_too_early_looks_again() -> None:
    fleet = Fleet(1)
    assert fleet.signalled() == [0]
    assert fleet.signalled() == []  # it is asking, but may not see what is new
    assert fleet.answered(0, idle=True) == [0]
    assert fleet.answered(0, idle=True) == []


async def test_a_node_that_was_taking_work_during_the_signal_looks_again() -> None:
    fleet = Fleet(1)
    fleet.answered(0, found=True)
    assert fleet.signalled() == []
    assert fleet.answered(0, idle=True) == [0]


async def test_kinds_have_rounds_of_their_own() -> None:
    fleet = Fleet(10)
    for node in (20, 21):
        fleet.rounds.answered(node, "other", found=False)
    assert fleet.signalled() == [*range(WAKE), 20, 21]
    fleet.rounds.answered(20, "other", found=False, was_idle=True)
    assert fleet.answered(0) == [8]


async def test_a_node_that_changes_its_kind_is_in_one() -> None:
    fleet = Fleet(1)
    fleet.rounds.answered(0, "other", found=False)
    assert fleet.signalled() == [0]
    assert list(fleet.rounds._kinds) == ["other"]


async def test_the_place_of_a_node_that_is_gone_is_for_another_one() -> None:
    fleet = Fleet(10)
    fleet.signalled()
    fleet.rounds.remove(3)
    assert fleet.told[WAKE:] == [8]
    fleet.rounds.remove(9)
    assert fleet.answered(0, found=True) == []


async def test_so_is_that_of_a_node_that_does_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_rounds, "ASK_SECONDS", 0.0)
    fleet = Fleet(WAKE + 1)
    fleet.signalled()
    async with asyncio.timeout(5):
        while len(fleet.told) <= WAKE:
            await asyncio.sleep(0)
    assert fleet.told == list(range(WAKE + 1))
