from __future__ import annotations

import re
from datetime import UTC
from typing import Any

from fyke.console.gantt import TimeScale, row_of, scale_of, spans_of
from fyke.model.run import Attempt, Outcome

START = 1_764_504_660_000


def attempt(start: int, end: int, outcome: Outcome | None = Outcome.SUCCEEDED) -> Attempt:
    """Times in s after ``START``; 0 for none."""
    counts: Any = dict.fromkeys(
        ("rows", "traffic_bytes", "cpu_ms", "memory_peak_bytes", "token", "lease_until"), 0
    )
    times: Any = {
        "started_at": start and START + start * 1000,
        "finished_at": end and START + end * 1000,
    }
    return Attempt(
        id="a", run_id="r", ordinal=0, number="1", runner_id="m", outcome=outcome, err_msg="",
        **counts, **times,
    )  # fmt: skip


def spans(*attempts: Attempt, now: int = 100, waits: bool = False) -> list[tuple[str, int, int]]:
    found = spans_of(attempts, START, START + now * 1000, waits=waits)
    return [(s.look, (s.start - START) // 1000, (s.end - START) // 1000) for s in found]


def test_a_subtask_waits_until_its_attempt_starts() -> None:
    assert spans(attempt(10, 30)) == [("wait", 0, 10), ("good", 10, 30)]


def test_the_wait_for_the_next_attempt_is_shown() -> None:
    lost = attempt(10, 20, Outcome.RUNNER_LOST)
    assert spans(lost, attempt(50, 0, None)) == [
        ("wait", 0, 10), ("bad", 10, 20), ("wait", 20, 50), ("open", 50, 100),
    ]  # fmt: skip
    assert spans(lost, waits=True)[-1] == ("wait", 20, 100)


def test_an_attempt_that_is_prepared_still_waits_and_one_that_never_started_is_not_shown() -> None:
    assert spans(attempt(0, 0, None)) == [("wait", 0, 100)]
    assert spans(attempt(0, 40, Outcome.ABORTED)) == []
    assert spans(waits=True) == [("wait", 0, 100)]


def test_the_scale_ends_with_the_run_and_is_never_empty() -> None:
    assert scale_of(5, 9, 100) == TimeScale(5, 9)
    assert scale_of(5, 0, 100) == TimeScale(5, 100)
    assert scale_of(5, 5, 100).x(5) == 0.0


def test_a_row_shows_its_spans_inside_the_drawing_and_sums_the_waits() -> None:
    scale = scale_of(START, START + 100_000, 0)
    lost = attempt(10, 20, Outcome.RUNNER_LOST)
    row = row_of([lost, attempt(100, 100)], scale, 0, UTC, waits=False)
    assert re.findall(r'class="(\w+)" d="M([\d.]+)', row.svg) == [
        ("wait", "0"), ("bad", "40"), ("wait", "80"), ("good", "398"),
    ]  # fmt: skip
    assert (row.waited_ms, row.began_at) == (90_000, START + 10_000)
    assert "<title>Failed · 10.0 s · " in row.svg
