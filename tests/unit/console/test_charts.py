from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fyke.console.charts import HEIGHT, MIN_HEIGHT, STEP, chart_of


def test_bars_are_scaled_to_the_largest() -> None:
    chart = chart_of([("Mon", 5, "five"), ("Tue", 0, "none"), ("Wed", 10, "ten"), ("Thu", 1, "1")])
    assert [(bar.x, bar.y, bar.height) for bar in chart.bars] == [
        (1.0, 50.0, 50.0), (11.0, 100.0, 0.0), (21.0, 0.0, 100.0), (31.0, 90.0, 10.0),
    ]  # fmt: skip
    assert (chart.width, chart.top, chart.first, chart.last) == (70.0, "ten", "Mon", "Thu")


def test_few_bars_do_not_fill_the_width() -> None:
    few, week = (chart_of([("", 1, "")] * number) for number in (1, 7))
    assert (few.width, few.filled) == (7 * STEP, False)
    assert (week.width, week.filled) == (7 * STEP, True)


def test_many_bars_have_no_gaps() -> None:
    few, many = (chart_of([("", 1, "")] * number).bars for number in (99, 100))
    assert {bar.width for bar in few} == {8.0} and {bar.width for bar in many} == {STEP}
    assert [bar.x for bar in many[:3]] == [0.0, 10.0, 20.0]


def test_a_chart_without_values_has_no_bars() -> None:
    assert chart_of([]).bars == [] and chart_of([]).width == 7 * STEP
    still = chart_of([("Mon", 0, "none")])
    assert still.top == "" and [bar.height for bar in still.bars] == [0.0]


@given(st.lists(st.integers(0, 10**18), max_size=400))
def test_every_bar_stays_inside_and_has_a_minimum_height(values: list[int]) -> None:
    chart = chart_of([(str(n), value, str(value)) for n, value in enumerate(values)])
    for bar, value in zip(chart.bars, values, strict=True):
        assert 0 <= bar.y <= HEIGHT and 0 <= bar.height <= HEIGHT
        assert bar.height >= MIN_HEIGHT if value else bar.height == 0
        assert 0 <= bar.x < chart.width
