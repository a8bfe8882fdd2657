"""Of many nodes one is told that work waits, and more as long as these find some."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fyke.gateway.work_rounds import (
    ANSWER_SECONDS,
    HEAD_START_SECONDS,
    MOST,
    MOST_MISSED,
    WorkRounds,
)

KIND = ("default", 4.0)


class ManualTimers:
    """Calls what is due when ``pass_by`` says that time has passed."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting: list[ManualTimer] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(self, self.now + seconds, call)
        self.waiting.append(timer)
        return timer

    def pass_by(self, seconds: float) -> None:
        until = self.now + seconds + 1e-9
        while due := [timer for timer in self.waiting if timer.at <= until]:
            first = min(due, key=lambda timer: timer.at)
            self.now = first.at
            first.cancel()
            first.call()
        self.now = until


class ManualTimer:
    def __init__(self, timers: ManualTimers, at: float, call: Callable[[], None]) -> None:
        self._timers = timers
        self.at = at
        self.call = call

    def cancel(self) -> None:
        if self in self._timers.waiting:
            self._timers.waiting.remove(self)


class Fleet:
    """Nodes by number. ``told`` are those that were told, in order."""

    def __init__(self, count: int) -> None:
        self.told: list[int] = []
        self.timers = ManualTimers()
        self.rounds: WorkRounds[int] = WorkRounds(
            self.told.append, call_later=self.timers.call_later
        )
        for node in range(count):
            self.rounds.add(node, KIND)

    def signalled(self, *first: int) -> list[int]:
        """Who is told because of a signal, of work whose environment these have."""
        return self._after(lambda: self.rounds.signalled(first))

    def asks(
        self,
        node: int,
        *,
        found: bool = False,
        none: bool = False,
        is_last: bool = False,
        is_idle: bool = True,
    ) -> list[int]:
        """Who is told because of a whole lease, which has left ``none`` or may have left some."""
        self.rounds.asks(node)
        return self.answered(node, found=found, none=none, is_last=is_last, is_idle=is_idle)

    def answered(
        self,
        node: int,
        *,
        found: bool = False,
        none: bool = False,
        is_last: bool = False,
        is_idle: bool = True,
    ) -> list[int]:
        """Who is told because of this answer."""
        return self._after(
            lambda: self.rounds.answered(
                node, found=found, none_left=none, is_last=is_last, is_idle=is_idle
            )
        )

    def takes(self, node: int) -> list[int]:
        """Who is told because of a lease that has found all that waits."""
        return self.asks(node, found=True, none=True, is_last=True)

    def waited(self, seconds: float = ANSWER_SECONDS) -> list[int]:
        """Who is told meanwhile."""
        return self._after(lambda: self.timers.pass_by(seconds))

    def removed(self, node: int) -> list[int]:
        """Who is told because this node is gone."""
        return self._after(lambda: self.rounds.remove(node))

    def _after(self, step: Callable[[], None]) -> list[int]:
        before = len(self.told)
        step()
        return self.told[before:]


# --- one start ---------------------------------------------------------------------------------


def test_one_is_told_at_once_and_no_other_when_it_takes_the_work() -> None:
    fleet = Fleet(20)
    assert fleet.signalled() == [0]
    assert fleet.takes(0) == []
    assert fleet.waited(60.0) == []


def test_starts_go_to_the_node_that_has_waited_longest() -> None:
    fleet = Fleet(3)
    for node in (0, 1, 2, 0, 1):
        assert fleet.signalled() == [node]
        assert fleet.takes(node) == []


def test_another_one_is_told_50_ms_later_when_the_first_is_silent() -> None:
    fleet = Fleet(4)
    assert fleet.signalled() == [0]
    assert fleet.waited(ANSWER_SECONDS - 0.001) == []
    assert fleet.waited(0.001) == [1]
    assert fleet.waited(ANSWER_SECONDS - 0.001) == []
    assert fleet.takes(1) == []
    assert fleet.waited(60.0) == []


@pytest.mark.parametrize("is_silent", [False, True])
def test_many_nodes_without_room_do_not_delay_a_start_one_by_one(is_silent: bool) -> None:
    fleet = Fleet(100)
    round_, told = fleet.signalled(), [1]
    for _ in range(6):
        if is_silent:
            round_ = fleet.waited()
        else:
            round_ = [node for asking in round_ for node in fleet.asks(asking)]
        told.append(len(round_))
    assert told[:4] == [1, 1, 2, 4]
    assert max(told) <= MOST_MISSED and len(fleet.told) > 25


def test_the_first_node_without_room_is_replaced_by_one_again_after_a_start() -> None:
    fleet = Fleet(10)
    fleet.signalled()
    assert fleet.asks(0) == [1]
    assert fleet.asks(1) == [2, 3]
    assert fleet.takes(2) == []
    fleet.asks(3, none=True)
    [fourth] = fleet.signalled()
    assert len(fleet.asks(fourth)) == 1


def test_nodes_that_run_nothing_are_told_before_those_that_wait_longer() -> None:
    fleet = Fleet(4)
    fleet.takes(0)
    fleet.asks(1, is_idle=False)
    fleet.asks(2)
    assert fleet.signalled() == [3]
    assert fleet.asks(3) == [2]
    assert fleet.takes(2) == []
    fleet.asks(3, is_idle=False)
    assert fleet.signalled(0, 1) == [0]
    assert fleet.takes(0) == []
    fleet.asks(1, none=True)  # what it ran has ended
    assert fleet.signalled(0, 1) == [1]


def test_a_node_that_answers_too_late_has_been_replaced() -> None:
    fleet = Fleet(4)
    fleet.signalled()
    assert fleet.waited() == [1]
    assert fleet.asks(0) == []
    assert fleet.takes(1) == []


def test_another_one_is_told_at_once_when_the_first_has_no_room() -> None:
    fleet = Fleet(3)
    fleet.signalled()
    assert fleet.asks(0) == [1]
    assert fleet.asks(1) == [2]
    assert fleet.asks(2) == []  # all were told once
    assert fleet.waited(60.0) == []


def test_another_one_is_told_at_once_when_the_first_is_gone() -> None:
    fleet = Fleet(4)
    fleet.signalled()
    assert fleet.removed(0) == [1]
    fleet.rounds.asks(1)
    assert fleet.removed(1) == [2]  # while it was taking work
    assert fleet.removed(3) == []
    assert fleet.takes(2) == []


def test_a_node_that_is_gone_after_it_was_replaced_is_not_replaced_again() -> None:
    fleet = Fleet(3)
    fleet.signalled()
    assert fleet.waited() == [1]
    assert fleet.removed(0) == []
    assert fleet.waited() == [2]


def test_a_silent_node_delays_one_start_only() -> None:
    fleet = Fleet(2)
    assert fleet.signalled() == [0]
    assert fleet.waited() == [1]
    assert fleet.takes(1) == []
    assert fleet.signalled() == [1]
    assert fleet.takes(1) == []
    fleet.asks(0)  # it takes work again
    assert fleet.signalled() == [0]


def test_a_start_waits_for_the_first_node_that_is_free() -> None:
    fleet = Fleet(1)
    fleet.rounds.asks(0)
    assert fleet.signalled() == []
    assert fleet.answered(0) == [0]


def test_a_start_that_nobody_was_free_for_is_not_offered_twice_with_the_next_one() -> None:
    fleet = Fleet(2)
    for node in range(2):
        fleet.asks(node, found=True)  # they ask by themselves
    assert fleet.signalled() == []
    for node in range(2):
        fleet.asks(node)
    assert fleet.signalled() == [0]


# --- many starts -------------------------------------------------------------------------------


def test_work_that_is_left_is_offered_to_twice_as_many() -> None:
    fleet = Fleet(100)
    round_, told = fleet.signalled(), [1]
    while round_:
        round_ = [node for asking in round_ for node in fleet.asks(asking, found=True)]
        told.append(len(round_))
    assert told == [1, 2, 4, 8, 16, 32, 37, 0]
    assert fleet.told == [*range(100)]


def test_it_is_offered_no_more_once_a_lease_has_left_nothing() -> None:
    fleet = Fleet(100)
    fleet.signalled()
    assert fleet.asks(0, found=True) == [1, 2]
    assert fleet.asks(1, found=True) == [3, 4]
    assert fleet.takes(2) == []
    for node in (3, 4):
        assert fleet.asks(node, none=True) == []
    assert fleet.waited(60.0) == []


def test_a_node_that_takes_more_by_itself_says_that_more_is_left() -> None:
    fleet = Fleet(100)
    fleet.signalled()
    assert fleet.asks(0, found=True) == [1, 2]
    assert fleet.asks(0, found=True) == [3, 4]


def test_as_many_are_told_as_there_are_signals() -> None:
    fleet = Fleet(20)
    assert [fleet.signalled() for _ in range(4)] == [[0], [1], [2], [3]]
    assert fleet.takes(0) == []  # it saw all of them
    assert fleet.waited(60.0) == []


def test_offers_do_not_add_up_while_no_node_is_free() -> None:
    fleet = Fleet(5)
    for node in range(1, 5):
        fleet.asks(node, found=True)  # they ask by themselves
    assert fleet.signalled() == [0]
    fleet.rounds.asks(0)
    for node in range(1, 5):
        assert fleet.asks(node, found=True) == []
    for node in range(1, 5):
        assert fleet.asks(node) == []
    assert fleet.signalled() == [1, 2]


def test_a_limited_number_is_told_at_the_same_time() -> None:
    fleet = Fleet(3 * MOST)
    for _ in range(MOST + 1):
        fleet.signalled()
    assert fleet.told == [*range(MOST)]
    assert fleet.asks(0, found=True) == [MOST]
    assert len(fleet.waited()) == MOST  # which are silent


# --- environments ------------------------------------------------------------------------------


def test_nodes_with_the_environment_are_told_first_wherever_they_wait() -> None:
    fleet = Fleet(100)
    assert fleet.signalled(97, 55, 1000) == [55]
    assert fleet.asks(55) == [97]
    assert fleet.takes(97) == []
    assert fleet.waited(60.0) == []


def test_others_are_told_a_moment_later() -> None:
    fleet = Fleet(100)
    assert fleet.signalled(97) == [97]
    assert fleet.asks(97) == []  # it has no room
    assert fleet.waited(HEAD_START_SECONDS) == [0]


def test_a_silent_node_with_the_environment_delays_a_start_no_longer() -> None:
    fleet = Fleet(100)
    assert fleet.signalled(97) == [97]
    assert fleet.waited() == [0]


def test_the_head_start_is_not_extended_by_further_work() -> None:
    fleet = Fleet(100)
    for holder in (97, 96, 95):
        assert fleet.signalled(holder) == [holder]
        assert fleet.waited(HEAD_START_SECONDS / 4) == []
        fleet.asks(holder)
    assert fleet.waited(HEAD_START_SECONDS / 4) == [0]


# --- leases at the time of a signal ------------------------------------------------------------


def test_a_node_that_may_have_looked_too_early_looks_again() -> None:
    fleet = Fleet(1)
    assert fleet.signalled() == [0]
    fleet.rounds.asks(0)
    assert fleet.signalled() == []  # it is asking, but may not see what is new
    assert fleet.answered(0, none=True) == [0]
    assert fleet.asks(0, none=True) == []


def test_a_node_that_begins_to_ask_after_a_second_signal_asks_once() -> None:
    fleet = Fleet(1)
    assert fleet.signalled() == [0]
    assert fleet.signalled() == []
    assert fleet.asks(0, none=True) == []


def test_a_lease_that_began_before_the_signal_does_not_end_the_round() -> None:
    fleet = Fleet(20)
    fleet.rounds.asks(0)
    assert fleet.signalled() == [1]  # it cannot be told while it asks
    assert fleet.answered(0, none=True) == []
    assert fleet.asks(1, found=True) == [2, 3]
    for node in range(2, 19):
        fleet.asks(node, found=True)
    assert fleet.told == [*range(1, 20), 0]


def test_a_lease_that_began_before_the_signal_does_not_open_the_round_again() -> None:
    fleet = Fleet(2)
    fleet.rounds.asks(0)
    assert fleet.signalled() == [1]
    assert fleet.asks(1, none=True) == []
    assert fleet.answered(0, none=True) == []
    assert fleet.signalled() == [1]
    assert fleet.asks(1) == [0]


def test_two_leases_at_once_count_as_early_as_the_first() -> None:
    fleet = Fleet(2)
    fleet.rounds.asks(0)
    assert fleet.signalled() == [1]
    assert fleet.waited() == []  # the other one is taking work
    fleet.rounds.asks(0)
    assert fleet.answered(0, none=True) == []
    assert fleet.answered(0, none=True) == [0]
    assert fleet.asks(0, none=True) == []


def test_polls_of_busy_nodes_are_not_asked_for_again() -> None:
    fleet = Fleet(20)
    fleet.signalled()
    for node in range(20):
        fleet.asks(node)
    told = len(fleet.told)
    for _ in range(3):
        for node in range(20):
            assert fleet.asks(node) == []
    assert len(fleet.told) == told == len(set(fleet.told))


def test_a_node_that_has_looked_before_it_was_told_is_not_told() -> None:
    fleet = Fleet(3)
    fleet.signalled()
    assert fleet.asks(1) == []
    assert fleet.asks(0) == [2]


def test_what_is_stored_of_a_round_does_not_grow_with_the_polls() -> None:
    fleet = Fleet(100)
    for _ in range(3):
        fleet.signalled()
        for node in (*range(100), *range(100)):
            fleet.rounds.asks(node)
            fleet.asks(node, none=True)
            fleet.answered(node, none=True)
    [kind] = fleet.rounds._kinds.values()
    assert len(kind._due) == 0 and len(kind._waiting) == 100 and not kind._asking
    assert fleet.rounds._looks == {} and fleet.timers.waiting == []


def test_a_node_that_has_found_some_asks_by_itself() -> None:
    fleet = Fleet(1)
    fleet.asks(0, found=True)
    assert fleet.signalled() == []
    assert fleet.asks(0, none=True) == []
    assert fleet.signalled() == [0]


@pytest.mark.parametrize("none", [False, True])
def test_a_node_that_has_found_the_last_waits(none: bool) -> None:
    fleet = Fleet(1)
    fleet.asks(0, found=True, none=none, is_last=True)
    assert fleet.signalled() == [0]
    fleet.rounds.asks(0)
    assert fleet.signalled() == []
    # it may have looked before there was more
    assert fleet.answered(0, found=True, none=none, is_last=True) == [0]


# --- kinds -------------------------------------------------------------------------------------


def test_kinds_have_rounds_of_their_own() -> None:
    fleet = Fleet(10)
    for node in (20, 21):
        fleet.rounds.add(node, "other")
    assert fleet.signalled() == [0, 20]
    assert fleet.asks(20, none=True) == []
    assert fleet.asks(0) == [1]


def test_a_node_that_changes_its_kind_is_in_one() -> None:
    fleet = Fleet(1)
    fleet.rounds.add(0, "other")
    assert fleet.signalled() == [0]
    assert list(fleet.rounds._kinds) == ["other"]


def test_a_lease_may_end_as_another_kind_than_it_began() -> None:
    fleet = Fleet(1)
    fleet.rounds.asks(0)
    fleet.signalled()
    fleet.rounds.add(0, "other")
    assert fleet.answered(0, none=True) == [0]  # nothing was said of the new kind yet
    fleet.rounds.asks(0)
    fleet.rounds.add(0, KIND)
    assert fleet.signalled() == []
    assert fleet.answered(0, found=True) == []
