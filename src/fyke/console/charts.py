"""The geometry of bar charts, drawn by ``templates/parts/charts.html``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 100.0  # of the drawing, which the page scales
STEP = 10.0  # from one bar to the next
WIDTH = 8.0  # of a bar
LEAST = 7  # bars fill the width, so that one day is not a slab
MANY = 100  # bars are drawn without gaps from here on: gaps below a pixel would blur to stripes
MIN_HEIGHT = 1.5  # of a bar whose value is not 0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its position and its description."""

    x: float
    y: float
    width: float
    height: float
    label: str
    shown: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars from left to right in a drawing of ``width`` by ``HEIGHT``. ``top``: the formatted value
    of a bar of full height, "" when all values are 0. ``filled``: whether the bars fill the width.
    """

    bars: list[Bar]
    width: float
    top: str
    first: str
    last: str
    filled: bool


def chart_of(points: Sequence[tuple[str, int, str]], *, least: int = LEAST) -> Chart:
    """The chart of points (label, value of at least 0, formatted value). Fewer than ``least`` bars
    keep to the left.
    """
    highest = max((value for _, value, _ in points), default=0)
    width = WIDTH if len(points) < MANY else STEP
    bars = [
        _bar(number, width, value / highest if highest else 0.0, label, shown)
        for number, (label, value, shown) in enumerate(points)
    ]
    top = next((shown for _, value, shown in points if value == highest), "") if highest else ""
    return Chart(
        bars=bars,
        width=max(least, len(points)) * STEP,
        top=top,
        first=points[0][0] if points else "",
        last=points[-1][0] if points else "",
        filled=len(points) >= least,
    )


def _bar(number: int, width: float, share: float, label: str, shown: str) -> Bar:
    height = max(MIN_HEIGHT, share * HEIGHT) if share else 0.0
    x = number * STEP + (STEP - width) / 2
    return Bar(round(x, 2), round(HEIGHT - height, 2), width, round(height, 2), label, shown)
