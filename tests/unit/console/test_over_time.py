from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.console.over_time import DAY, MOST_STEPS, SHORTEST, closer_steps, drawn, steps_of
from fyke.domain.runs.search_terms import moment
from fyke.model.run import RunState
from fyke.model.run_list import RunsOverTime, TimeSteps

NOW = 1_764_504_660_000  # 2025-11-30 12:11 UTC
HOUR = DAY // 24


def address(since: str, until: str) -> str:
    return f"/runs?from={since}&until={until}"


@pytest.mark.parametrize(
    ("span", "length", "number"),
    [(HOUR, 120_000, 31), (DAY, HOUR // 2, 49), (7 * DAY, 4 * HOUR, 43), (30 * DAY, DAY, 31)],
)
def test_a_range_has_steps_of_a_common_length(span: int, length: int, number: int) -> None:
    steps = steps_of(NOW - span, NOW, UTC)
    assert (steps.length, steps.number) == (length, number)


def test_steps_start_at_the_hours_and_days_of_the_zone() -> None:
    zone = ZoneInfo("Asia/Kathmandu")  # 5:45 ahead of UTC
    steps = steps_of(NOW - 40 * DAY, NOW, zone)
    first = datetime.fromtimestamp(steps.first / 1000, zone)
    assert steps.length == DAY and (first.hour, first.minute) == (0, 0)


@given(st.integers(0, 4 * 10**12), st.integers(0, 10**12))
def test_steps_contain_the_range(first: int, span: int) -> None:
    steps = steps_of(first, first + span, UTC)
    assert 1 <= steps.number <= MOST_STEPS
    assert steps.first <= first and steps.end >= first + span


def test_steps_are_stacked_and_link_to_their_runs() -> None:
    counts: tuple[dict[RunState, int], ...] = (
        {RunState.SUCCEEDED: 3, RunState.FAILED: 1},
        {},
        {RunState.RUNNING: 1, RunState.READY: 1},
    )
    picture = drawn(RunsOverTime(TimeSteps(NOW, HOUR, 3), counts), UTC, address)
    assert picture.svg.count("<a ") == 3 and picture.svg.count("<path class=") == 4
    stack = [("good", "M1 25h8v75h-8z"), ("bad", "M1 0h8v25h-8z")]
    paths = "".join(f'<path class="{name}" d="{shape}"/>' for name, shape in stack)
    assert paths in picture.svg
    assert 'href="/runs?from=2025-11-30T12:11&amp;until=2025-11-30T13:11"' in picture.svg
    assert "1 failed</title>" in picture.svg and "No runs</title>" in picture.svg
    assert [(row.total, row.parts["open"]) for row in picture.rows] == [(2, 2), (4, 0)]
    assert (picture.top, picture.total, picture.counted_from) == (4, 6, 0)
    part = drawn(RunsOverTime(TimeSteps(NOW, HOUR, 3), counts, 1), UTC, address)
    assert part.counted_from == NOW + HOUR


def test_the_links_of_a_repeated_hour_lead_to_their_own_runs() -> None:
    """In Berlin 02:00 to 03:00 came twice on 2025-10-26, and never on 2025-03-30."""
    links: list[tuple[str, str]] = []

    def noted(since: str, until: str) -> str:
        links.append((since, until))
        return address(since, until)

    zone = "Europe/Berlin"
    for day in (datetime(2025, 10, 25, 23, tzinfo=UTC), datetime(2025, 3, 30, tzinfo=UTC)):
        first = round(day.timestamp() * 1000)
        links.clear()
        steps = TimeSteps(first, HOUR // 2, 8)
        drawn(RunsOverTime(steps, ({},) * 8), ZoneInfo(zone), noted)
        read = [
            (moment(since, "from", zone, now=0), moment(until, "until", zone, now=0))
            for since, until in links
        ]
        starts = [first + n * HOUR // 2 for n in range(8)]
        assert read == [(start, start + HOUR // 2) for start in starts]
        ambiguous = [since for since, _ in links if len(since) > len("2025-10-26T02:00")]
        assert len(ambiguous) == (4 if day.month == 10 else 0)


def test_no_runs_are_an_empty_picture() -> None:
    picture = drawn(RunsOverTime(TimeSteps(NOW, HOUR, 1), ({},)), UTC, address)
    assert (picture.rows, picture.top, picture.total) == ([], 0, 0)


def test_a_picture_starts_at_its_first_run() -> None:
    week = steps_of(NOW - 7 * DAY, NOW, UTC)
    counts: list[dict[RunState, int]] = [{} for _ in range(week.number)]
    counts[-2] = {RunState.SUCCEEDED: 1}
    closer = closer_steps(RunsOverTime(week, tuple(counts)), NOW, UTC)
    assert closer and closer.first == week.first + (week.number - 2) * week.length
    assert closer.length < week.length and closer.end >= NOW
    newest = RunsOverTime(closer, (*({},) * (closer.number - 1), {RunState.READY: 1}))
    shortest = closer_steps(newest, NOW, UTC)
    assert shortest and NOW - SHORTEST - 60_000 < shortest.first <= NOW - SHORTEST
    assert closer_steps(RunsOverTime(week, ({RunState.READY: 1}, *counts[1:])), NOW, UTC) is None
    assert closer_steps(RunsOverTime(week, tuple(counts), counted_from=3), NOW, UTC) is None


def test_a_picture_of_the_present_ends_now() -> None:
    over = RunsOverTime(TimeSteps(NOW, HOUR, 2), ({}, {RunState.READY: 1}))
    assert drawn(over, UTC, address, until_now=True).labels[1] == "now"
    assert drawn(over, UTC, address).labels[1] != "now"
