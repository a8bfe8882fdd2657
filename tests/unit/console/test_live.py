"""Messages of an event stream."""

from __future__ import annotations

from fyke.console.live import message, partial


def test_the_id_is_the_last_line_of_a_message() -> None:
    lines = message("<p>a\nb</p>", "12.3").decode().split("\n")
    assert lines == ["data: <p>a", "data: b</p>", "id: 12.3", "", ""]


def test_a_target_is_escaped() -> None:
    assert '"><script>' not in partial('#a"><script>', "innerHTML", "x")
