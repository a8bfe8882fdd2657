"""The checks of ``bench/torture.py`` find each violation in what a round observed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))

from reliability import checks
from reliability.checks import (
    Execution,
    RoundSeen,
    RunSeen,
    Violation,
    at_once,
    lived,
    silence,
    violations,
)

ROWS = tuple(range(1, 21))
GOOD = RunSeen(
    run="r1",
    state="succeeded",
    planned=20,
    acknowledged=20,
    pushed=21,
    rows=ROWS,
    exported=ROWS,
    count=20,
    results=20,
    ends=("succeeded by callback a",),
    silence=2.0,
    charged=3.0,
    lived=3.5,
    harmless=True,
)
LOST_RUNNER = replace(GOOD, state="failed", reason="runner_lost", harmless=False)


def rules(*runs: RunSeen, **members: object) -> list[str]:
    return [violation.rule for violation in violations(RoundSeen(runs=runs, **members))]  # type: ignore[arg-type]


def with_rows(run: RunSeen, rows: tuple[int, ...]) -> RunSeen:
    number = len(rows)
    return replace(run, rows=rows, exported=rows, count=number, results=number)


def test_a_round_in_which_nothing_is_wrong_has_no_violation() -> None:
    aborted = with_rows(replace(GOOD, state="aborted", acknowledged=7, pushed=8), ROWS[:8])
    assert rules(GOOD, LOST_RUNNER, aborted, starts={"t": 1}) == []


def test_an_acknowledged_row_that_is_missing_is_lost() -> None:
    without = ROWS[:4] + ROWS[5:]
    found = violations(RoundSeen(runs=[with_rows(LOST_RUNNER, without)]))
    assert [item.rule for item in found] == [checks.LOST, checks.LOST]
    assert "rows 5 of 20 are not in its pages" in found[0].text
    assert "export" in found[1].text


def test_a_last_row_that_is_missing_is_lost() -> None:
    assert checks.LOST in rules(with_rows(LOST_RUNNER, ROWS[:-1]))


def test_a_success_with_fewer_rows_than_the_worker_pushed_has_lost_rows() -> None:
    unseen = replace(GOOD, acknowledged=0, pushed=20)
    assert rules(with_rows(unseen, ROWS[:-1])) == [checks.LOST, checks.LOST]


def test_the_row_whose_push_had_not_returned_may_be_there_or_not() -> None:
    interrupted = replace(LOST_RUNNER, acknowledged=19, pushed=20)
    assert rules(with_rows(interrupted, ROWS)) == []
    assert rules(with_rows(interrupted, ROWS[:-1])) == []


def test_a_row_that_is_there_twice_is_doubled() -> None:
    assert rules(with_rows(LOST_RUNNER, (*ROWS, 20))) == [checks.DOUBLED, checks.DOUBLED]
    assert checks.DOUBLED in rules(replace(LOST_RUNNER, exported=(*ROWS, 1)))


def test_a_row_that_was_never_pushed_is_found() -> None:
    stopped = replace(LOST_RUNNER, acknowledged=10, pushed=11)
    assert set(rules(with_rows(stopped, ROWS))) == {checks.FOREIGN}


def test_rows_out_of_order_are_found() -> None:
    assert rules(with_rows(GOOD, (2, 1, *ROWS[2:]))) == [checks.ORDER]


@pytest.mark.parametrize("member", ["results", "count"])
def test_counts_that_differ_from_the_rows_are_found(member: str) -> None:
    assert rules(replace(GOOD, **{member: 19})) == [checks.COUNTS]


def test_results_of_a_run_that_has_not_ended_are_not_compared() -> None:
    assert rules(replace(GOOD, state="running", results=0)) == [checks.STUCK]


def test_two_ends_are_found() -> None:
    ends = ("failed by callback a", "failed by callback b")
    assert rules(replace(LOST_RUNNER, ends=ends)) == [checks.TWO_ENDS]


def test_a_platform_fault_may_not_end_a_run_before_it_started() -> None:
    waiting = with_rows(replace(LOST_RUNNER, started=False, acknowledged=0, pushed=0), ())
    assert rules(waiting) == [checks.NOT_STARTED]
    for reason in ("internal", "platform_stopped", "not_started"):
        assert rules(replace(waiting, reason=reason)) == [checks.NOT_STARTED]
    assert rules(replace(waiting, state="aborted", reason="aborted")) == []


def test_a_harmless_fault_may_not_end_a_run() -> None:
    assert rules(replace(LOST_RUNNER, harmless=True)) == [checks.ENDED_BY_FAULT]
    assert rules(replace(LOST_RUNNER, harmless=True, reason="exit_code")) == [checks.ENDED_BY_FAULT]


@pytest.mark.parametrize("state", ["ready", "running", "aborting"])
def test_a_run_that_does_not_end_is_stuck(state: str) -> None:
    assert checks.STUCK in rules(replace(GOOD, state=state, silence=31.0))
    assert checks.STUCK in rules(replace(GOOD, state=state, silence=1.0))


def test_a_run_that_ended_after_too_long_a_silence_was_stuck() -> None:
    assert rules(replace(LOST_RUNNER, silence=30.0)) == []
    assert rules(replace(LOST_RUNNER, silence=30.1)) == [checks.STUCK]


def test_time_that_did_not_pass_may_not_be_charged() -> None:
    assert rules(replace(GOOD, charged=6.4)) == []
    assert rules(replace(GOOD, charged=36.0)) == [checks.OVERCHARGED]


@pytest.mark.parametrize("number", [0, 2])
def test_a_start_that_made_no_run_or_two_is_found(number: int) -> None:
    assert rules(starts={"t1": 1, "t2": number}) == [checks.STARTS]


def test_what_is_wrong_with_the_installation_is_found() -> None:
    found = violations(
        RoundSeen(
            left=["process 7: bwrap"],
            accounts=[("a", "5, 0 on hold", "5, 0 on hold"), ("b", "5, 1 on hold", "5, 0 on hold")],
            findings=["the file is damaged"],
            down=["runner was not there"],
        )
    )
    assert found == [
        Violation(checks.LEDGER, "b has 5, 1 on hold, its ledger adds up to 5, 0 on hold"),
        Violation(checks.LEFT, "process 7: bwrap"),
        Violation(checks.DATABASE, "the file is damaged"),
        Violation(checks.DOWN, "runner was not there"),
    ]


def test_runs_that_the_fault_ended_are_counted() -> None:
    waiting = replace(LOST_RUNNER, started=False)
    seen = RoundSeen(runs=[GOOD, LOST_RUNNER, waiting, replace(LOST_RUNNER, reason="exit_code")])
    assert checks.ended_by_fault(seen) == 2


@pytest.mark.parametrize(
    ("signs", "longest"),
    [
        ([], 60),
        ([99, 100, 161], 60),  # before the fault ended and after the run did
        ([110], 50),
        ([150, 110], 40),
    ],
)
def test_silence_is_the_longest_time_without_a_sign(signs: list[float], longest: float) -> None:
    assert silence(100, 160, signs) == longest


def test_a_run_that_ended_before_the_fault_was_over_has_no_silence() -> None:
    assert silence(100, 90, [80]) == 0


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        (90, 170, 50),  # the pause is from 100 to 130
        (110, 140, 10),
        (90, 120, 10),
        (105, 120, 0),
        (140, 150, 10),
        (80, 95, 15),
    ],
)
def test_a_pause_counts_as_far_as_the_run_existed(start: float, end: float, seconds: float) -> None:
    assert lived(start, end, over=130, paused=30) == seconds


def test_a_platform_that_moved_no_rows_into_files_did_not_test_them() -> None:
    assert rules(GOOD, unsealed=["none of 12 runs"]) == [checks.UNSEALED]


MERGED = replace(GOOD, merged=((0, 15), (1, 20)))  # of 20 numbers, each fifth one


def test_a_merged_row_has_the_last_number_of_its_group() -> None:
    assert rules(MERGED) == []
    running = with_rows(replace(MERGED, state="failed", reason="runner_lost", harmless=False,
                                acknowledged=12, pushed=13), ROWS[:12])  # fmt: skip
    assert rules(replace(running, merged=((0, 10),))) == []
    assert rules(replace(running, merged=((0, 5),))) == [checks.LOST]
    assert rules(replace(running, merged=((0, 15),))) == [checks.FOREIGN]


def test_merged_rows_that_are_missing_or_there_twice_are_found() -> None:
    assert rules(replace(MERGED, merged=((0, 15),))) == [checks.LOST]
    assert rules(replace(MERGED, merged=((0, 15), (0, 10), (1, 20)))) == [checks.DOUBLED]


def test_executions_of_one_subtask_at_the_same_time_are_found() -> None:
    one, later = Execution("t/0", "n1", 10.0, 20.0), Execution("t/0", "n2", 20.5, 30.0)
    other = Execution("t/1", "n3", 11.0, 19.0)
    assert at_once([later, other, one]) == []
    [text] = at_once([replace(later, began=18.0), one])
    assert text == "t/0 for 2.0 s, in n1 and n2"


def test_executions_that_must_not_be_break_a_rule() -> None:
    assert rules(GOOD, at_once=["t/0 for 2.0 s"]) == [checks.AT_ONCE]
    assert rules(GOOD, ran_on=["t/0 of run r1 for 2.0 s"]) == [checks.RAN_ON]


def test_a_longer_lease_allows_a_longer_silence() -> None:
    waiting = replace(GOOD, silence=40.0)
    assert rules(waiting) == [checks.STUCK]
    assert rules(replace(waiting, patience=45.0)) == []
