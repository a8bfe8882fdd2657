"""Messages of an event stream."""

from __future__ import annotations

from fyke.console.live import message, partial


def test_the_place_comes_last_so_that_a_cut_message_does_not_move_it() -> None:
    lines = message("<p>a\nb</p>", "12.3").decode().split("\n")
    assert lines == ["data: <p>a", "data: b</p>", "id: 12.3", "", ""]


def test_a_target_cannot_leave_its_attribute() -> None:
    assert '"><script>' not in partial('#a"><script>', "innerHTML", "x")
