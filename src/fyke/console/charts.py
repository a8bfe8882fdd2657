"""Bars of a chart as shapes: pure geometry, drawn by ``templates/parts/charts.html``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 100.0  # of the drawing, in units that the page stretches
STEP = 10.0  # from one bar to the next
WIDTH = 8.0  # of a bar
MIN_HEIGHT = 1.5  # height of what is small but not nothing


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its position and its description."""

    x: float
    y: float
    height: float
    label: str
    shown: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars from left to right in a drawing of ``width`` by ``HEIGHT``. ``top`` is what a bar of
    full height stands for, in words; empty when there is nothing to draw.
    """

    bars: list[Bar]
    width: float
    top: str
    first: str
    last: str


def chart_of(points: Sequence[tuple[str, int, str]]) -> Chart:
    """A chart of these points: label, value (0 or more), and the value in words."""
    most = max((value for _, value, _ in points), default=0)
    bars = [
        _bar(number, value / most if most else 0.0, label, shown)
        for number, (label, value, shown) in enumerate(points)
    ]
    top = next((shown for _, value, shown in points if value == most), "") if most else ""
    return Chart(
        bars=bars,
        width=max(1, len(points)) * STEP,
        top=top,
        first=points[0][0] if points else "",
        last=points[-1][0] if points else "",
    )


def _bar(number: int, share: float, label: str, shown: str) -> Bar:
    height = max(MIN_HEIGHT, share * HEIGHT) if share else 0.0
    x = number * STEP + (STEP - WIDTH) / 2
    return Bar(round(x, 2), round(HEIGHT - height, 2), round(height, 2), label, shown)
