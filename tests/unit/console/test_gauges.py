from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from fyke.console.gauges import WIDTH, GaugePart, gauge


def parts_of(svg: str) -> list[tuple[str, float, float]]:
    """(class, left, width) of each part."""
    found = re.findall(r'<rect class="(own|others)" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg)
    return [(name, float(left), float(width)) for name, left, width in found]


def test_parts_fill_the_gauge_from_the_left_and_those_of_others_look_different() -> None:
    shown = gauge(
        "Cores",
        "3 of 4",
        4,
        [GaugePart("A", 2, "2"), GaugePart("B", 0, "0"), GaugePart("C", 1, "1", own=False)],
    )
    assert parts_of(shown.svg) == [("own", 0.0, 49.4), ("others", 50.0, 24.4)]
    assert 'y="4" width="24.4" height="4"' in shown.svg and not shown.full


def test_a_gauge_without_room_left_is_full() -> None:
    assert gauge("Slots", "", 10, [GaugePart("A", 10, "10")]).full
    assert not gauge("Slots", "", 10, [GaugePart("A", 9, "9")]).full
    assert not gauge("Slots", "", 0, []).full


def test_names_are_escaped() -> None:
    assert "<title>&lt;b&gt;: 1</title>" in gauge("Cores", "", 2, [GaugePart("<b>", 1, "1")]).svg


@given(st.floats(0, 1e6), st.lists(st.floats(0, 1e6), max_size=8))
def test_nothing_is_drawn_outside(total: float, amounts: list[float]) -> None:
    for _name, left, width in parts_of(
        gauge("", "", total, [GaugePart("", a, "") for a in amounts]).svg
    ):
        assert left >= 0 and left + width <= WIDTH + 1
