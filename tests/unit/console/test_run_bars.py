from __future__ import annotations

from dataclasses import replace
from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from fyke.console.run_bars import (
    COUNT,
    DRAWING_WIDTH,
    HEIGHT,
    MIN_HEIGHT,
    OPEN_HEIGHT,
    STEP,
    Look,
    bars_of,
    drawn,
    success_rate,
)
from fyke.model.run import RunState
from fyke.model.run_list import RunPoint
from fyke.model.worker import NO_FACTS, WorkerFacts

NOW = 10_000
POINT = RunPoint("r", "1.0.0", RunState.SUCCEEDED, 0, 0, 0, 1_000, 2_000, 6_000)
NEW = replace(POINT, state=RunState.READY, started_at=0, finished_at=0)


def test_bars_have_the_height_of_their_rows_and_the_newest_is_at_the_right() -> None:
    bars = bars_of([replace(POINT, results=rows) for rows in (100, 50, 0)], NOW)
    assert [(bar.value, bar.y, bar.height) for bar in bars.bars] == [
        (100, 0.0, HEIGHT), (50, HEIGHT / 2, HEIGHT / 2), (0, HEIGHT - MIN_HEIGHT, MIN_HEIGHT),
    ]  # fmt: skip
    assert bars.bars[-1].left + STEP == DRAWING_WIDTH
    assert [look for look, _ in bars.looks] == [Look.GOOD, Look.EMPTY]
    assert not bars.by_duration


def test_without_rows_the_height_is_the_duration() -> None:
    running = replace(NEW, state=RunState.RUNNING, started_at=2_000)
    bars = bars_of([POINT, running], NOW)
    assert [bar.value for bar in bars.bars] == [4_000, 8_000]
    assert [bar.look for bar in bars.bars] == [Look.GOOD, Look.OPEN]
    assert bars.by_duration and bars.bars[1].height == HEIGHT


def test_a_run_that_waits_is_visible() -> None:
    bars = bars_of([replace(POINT, results=9), NEW], NOW)
    assert [bar.height for bar in bars.bars] == [HEIGHT, OPEN_HEIGHT]


def test_each_outcome_has_a_look_of_its_own() -> None:
    looks = {state: bars_of([replace(POINT, state=state)], NOW).looks for state in RunState}
    open_ones = (RunState.READY, RunState.RUNNING, RunState.ENDING, RunState.ABORTING)
    assert looks == {
        RunState.SUCCEEDED: ((Look.GOOD, 1),),
        RunState.FAILED: ((Look.BAD, 1),),
        RunState.ABORTED: ((Look.ABORTED, 1),),
        **dict.fromkeys(open_ones, ((Look.OPEN, 1),)),
    }


def test_no_runs_make_an_empty_strip() -> None:
    bars = bars_of([], NOW)
    assert (bars.bars, bars.looks) == ((), ())


@given(st.lists(st.integers(0, 10**15), max_size=60))
def test_every_bar_is_inside(values: list[int]) -> None:
    bars = bars_of([replace(POINT, results=value) for value in values], NOW)
    assert len(bars.bars) == min(len(values), COUNT)
    for bar in bars.bars:
        assert bar.y >= 0 and MIN_HEIGHT <= bar.height <= HEIGHT
        assert 0 <= bar.left <= DRAWING_WIDTH - STEP


def test_the_drawing_links_each_run_and_says_how_it_ended() -> None:
    failed = replace(POINT, id="f", state=RunState.FAILED)
    picture = drawn([replace(POINT, results=1_200), failed, replace(NEW, id="n")], NOW, UTC)
    assert picture is not None
    assert [part.split('"')[0] for part in picture.svg.split('href="')[1:]] == [
        "/runs/r", "/runs/f", "/runs/n",
    ]  # fmt: skip
    assert picture.svg.count("<title>") == 3 and "aria-hidden" in picture.svg
    assert "<title>Succeeded · 1,200 rows · 4.0 s · Jan 1, 12:00\u202fAM</title>" in picture.svg
    assert "<title>Waiting · 0 rows · Jan 1, 12:00\u202fAM</title>" in picture.svg
    assert picture.summary == "1 succeeded, 1 failed, 1 active"
    assert (picture.measure, picture.count) == ("taller bars: more rows", 3)
    assert drawn([], NOW, UTC) is None


def test_a_failed_run_has_a_mark_below_the_line() -> None:
    good, bad = (
        picture.svg.count("z")
        for state in (RunState.SUCCEEDED, RunState.FAILED)
        if (picture := drawn([replace(POINT, state=state)], NOW, UTC))
    )
    assert bad == good + 1


def test_a_run_of_another_account_is_no_link() -> None:
    picture = drawn([POINT, replace(POINT, id="other")], NOW, UTC, {"other"})
    assert picture is not None
    assert picture.svg.count("<a ") == picture.svg.count("<g>") == 1
    assert "other" not in picture.svg


def test_the_success_rate_is_of_the_runs_in_the_picture() -> None:
    bad, aborted = (replace(POINT, state=state) for state in (RunState.FAILED, RunState.ABORTED))
    picture = drawn([bad, POINT, replace(POINT, results=1), aborted, NEW], NOW, UTC)
    rate = success_rate(picture, WorkerFacts("w", recent="----"))
    assert rate is not None and rate.percent == "67%"
    assert rate.basis == "Your account's last runs: 2 succeeded, 1 failed"


def test_without_ended_runs_in_the_picture_the_success_rate_is_that_of_all_accounts() -> None:
    facts = WorkerFacts("w", recent="+--")
    for picture in (None, drawn([NEW], NOW, UTC)):
        rate = success_rate(picture, facts)
        assert rate is not None and rate.percent == "33%"
        assert rate.basis == "of the last 3 runs of all accounts"
    assert success_rate(None, NO_FACTS) is None
