"""The charts of the README: up to date, well-formed, and accessible."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "bench"))

from charts import CHARTS, WIDTH, Scale, charts, svg, taken  # noqa: E402
from records import FOLDER, Take, Takes, read_takes  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.file)
def test_each_chart_shows_the_recorded_figures(chart) -> None:
    assert (FOLDER / chart.file).read_text() == svg(chart, read_takes()), "run bench/all --pages"


def test_there_is_no_other_chart() -> None:
    assert {path.name for path in FOLDER.glob("*.svg")} == set(charts(read_takes()))


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.file)
def test_each_chart_is_well_formed_and_described(chart) -> None:
    root = ElementTree.fromstring(svg(chart, read_takes()))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("role") == "img"
    assert title.text.startswith(chart.title)
    for bar in chart.bars:
        assert bar.label in texts
        assert bar.label in desc.text
    for rect in root.iter(f"{SVG}rect"):
        assert float(rect.get("x", 0)) + float(rect.get("width")) <= WIDTH


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.file)
def test_a_figure_that_was_not_measured_has_no_bar(chart) -> None:
    known = read_takes()
    kept = [take for take in known.takes if take.script != "peer_jobs"]
    labels = [bar.label for bar in chart.bars if bar.of.script == "peer_jobs"]
    drawn = svg(chart, Takes(kept))
    assert labels and not any(label in drawn for label in labels)


def test_each_chart_names_its_days_and_cores() -> None:
    def take(day: str, machine: str) -> Take:
        return Take("x", "bench/x.py", f"{day} 10:00", "abc", machine)

    one = take("2026-11-28", "2 cores, AMD")
    assert taken([one, one]) == "2026-11-28, 2 cores"
    several = [one, take("2026-11-26", "2 cores, Intel"), take("2026-11-27", "4 cores, AMD")]
    assert taken(several) == "2026-11-26 to 2026-11-28, 2 cores or 4 cores"


def test_bars_of_rates_are_proportional_and_begin_at_0() -> None:
    scale = Scale([100.0, 400.0], logarithmic=False)
    assert scale.width(400) == 4 * scale.width(100) == WIDTH - 24


def test_bars_of_times_have_equal_steps_for_equal_factors() -> None:
    scale = Scale([20.0, 10_000.0], logarithmic=True)
    assert scale.powers() == [10, 100, 1000, 10_000]
    steps = [scale.width(power) for power in scale.powers()]
    assert steps == pytest.approx([0, 112, 224, 336])
