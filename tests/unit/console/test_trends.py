from __future__ import annotations

import re
from datetime import UTC
from typing import Any

from fyke.console.trends import HEIGHT, Trends, trends_of
from fyke.model.run import RunState
from fyke.model.run_list import RunPoint

START = 1_764_504_660_000


def point(number: int, version: str = "1.0.0", **changes: Any) -> RunPoint:
    """A run of ``number`` seconds with as many rows."""
    at = START + number * 60_000
    facts: dict[str, Any] = {
        "state": RunState.SUCCEEDED, "results": number, "usage_micros": 0, "traffic_bytes": 0,
        "created_at": at, "started_at": at, "finished_at": at + number * 1000,
    }  # fmt: skip
    return RunPoint(f"run-{number}", version, **(facts | changes))


def trends(*points: RunPoint, priced: bool = False) -> Trends:
    return trends_of(points, START, UTC, priced=priced)


def test_each_measure_is_a_chart_with_its_last_and_its_largest_value() -> None:
    found = trends(point(4, traffic_bytes=2000), point(1, state=RunState.FAILED))
    assert [(chart.name, chart.last, chart.top) for chart in found.charts] == [
        ("Duration", "1.0 s", "4.0 s"), ("Rows", "1 row", "4 rows"),
        ("Succeeded, of the last 10, from 0 to 100%", "50%", ""), ("Traffic", "0 B", "2 kB"),
    ]  # fmt: skip
    found = trends(point(1), point(4))
    heights = re.findall(r'class="good" d="M\d+ [\d.]+h6v([\d.]+)', found.charts[0].svg)
    assert [float(height) for height in heights] == [HEIGHT / 4, HEIGHT]
    assert trends(point(1, usage_micros=5), priced=True).charts[-1].name == "Cost"


def test_the_last_value_is_that_of_a_run_that_has_ended() -> None:
    running = point(9, state=RunState.RUNNING, finished_at=0, results=0)
    assert [chart.last for chart in trends(point(4), running).charts][1] == "4 rows"
    assert [chart.last for chart in trends(running).charts][1] == ""


def test_the_first_run_of_another_version_is_marked_in_each_chart() -> None:
    found = trends(point(1), point(2, "1.0.1"), point(3, "1.0.1"), point(4, "1.0.0"))
    for chart in found.charts:
        assert re.findall(r'trend-version" d="M(\d+) 0v\d+"><title>([^<]+)', chart.svg) == [
            ("136", "Version 1.0.1"), ("152", "Version 1.0.0"),
        ]  # fmt: skip


def test_versions_are_named_where_there_is_room() -> None:
    found = trends(point(1), point(2, "1.0.1"), point(3, "1.0.2"), *map(point, range(4, 24)))
    names = re.findall(
        r'<text x="([\d.]+)%" y="11"( text-anchor="end")?>([^<]+)', found.charts[0].names
    )
    assert names == [("4.3", "", "1.0.1")], "the others would cover it"
    [(_, end, name)] = re.findall(
        r'<text x="([\d.]+)%" y="11"( text-anchor="end")?>([^<]+)',
        trends(point(1), point(2, "1.0.1")).charts[0].names,
    )
    assert end and name == "1.0.1", "at the right edge, to the left of its mark"


def test_waiting_runs_are_left_out() -> None:
    waiting = point(9, "1.0.1", state=RunState.READY, started_at=0, finished_at=0)
    found = trends(point(1), waiting)
    assert [one.id for one in found.points] == ["run-1"] and found.charts[0].last == "1.0 s"
    assert [row.version for row in found.versions] == ["1.0.0"]


def test_a_failed_run_differs_by_form() -> None:
    [bar] = re.findall(
        r'class="bad" d="([^"]+)', trends(point(1, state=RunState.FAILED)).charts[0].svg
    )
    assert bar.count("M") == 2


def test_the_share_of_success_is_of_the_last_ended_runs() -> None:
    failed = [point(n, state=RunState.FAILED) for n in range(1, 6)]
    found = trends(point(0), *failed, point(6, state=RunState.RUNNING, finished_at=0))
    [line] = re.findall(r'trend-line" d="M([^"]+)', found.charts[2].svg)
    heights = [float(place.split()[1]) for place in line.split("L")]
    assert len(heights) == 7 and heights == sorted(heights) and heights[-1] == heights[-2]


def test_versions_are_compared_by_the_medians_of_their_successes() -> None:
    found = trends(
        point(2), point(4), point(90, state=RunState.FAILED),
        point(8, "1.0.1", state=RunState.RUNNING, finished_at=0),
    )  # fmt: skip
    newest, older = found.versions
    assert (newest.version, newest.runs, newest.ended, newest.results) == ("1.0.1", 1, 0, None)
    assert (older.runs, older.ended, older.succeeded) == (3, 3, 2)
    assert (older.duration_ms, older.results) == (3000, 3)


def test_names_of_versions_are_escaped() -> None:
    chart = trends(point(1), point(2, "<b>")).charts[0]
    for svg in (chart.svg, chart.names):
        assert "<b>" not in svg and "&lt;b&gt;" in svg


def test_without_runs_there_is_nothing_to_draw() -> None:
    found = trends()
    assert found.versions == [] and found.points == []


def test_the_share_of_one_run_is_a_dash() -> None:
    [success] = [chart for chart in trends(point(1)).charts if "Succeeded" in chart.name]
    assert re.search(r'class="trend-line" d="M[\d.]+ 2.0h6"', success.svg)
