"""What each kind of rule says of a run, and when it says nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.alerts.evaluate import Facts, duration, evaluate
from fyke.model.alert import FieldFacts, PastRuns, Rule, RuleKind, Spent
from fyke.model.run import Run, RunState
from fyke.reasons import Reason, ReasonCode
from support import records
from support.alerts import a_rule

START = records.START


def run(state: RunState = RunState.SUCCEEDED, **changes: Any) -> Run:
    base = records.run("acc", "work", state=state, started_at=START, finished_at=START + 60_000)
    return replace(base, **changes)


def rule(kind: RuleKind, **changes: Any) -> Rule:
    return a_rule("acc", kind=kind, **changes)


def usual(*rows: int, ms: int = 1000) -> list[PastRuns]:
    return [PastRuns(f"r{number}", results, ms) for number, results in enumerate(rows)]


def test_a_failed_run_is_told_with_its_reason() -> None:
    failed = rule(RuleKind.FAILED)
    found = evaluate(failed, run(RunState.FAILED, err_msg="exit code\n 1"), Facts())
    assert found == "The run failed: exit code 1"
    long = evaluate(failed, run(RunState.FAILED, err_msg="x" * 5000), Facts())
    assert long is not None and len(long) < 400
    assert evaluate(failed, run(), Facts()) is None
    assert evaluate(failed, run(RunState.ABORTED), Facts()) is None


def test_a_rule_for_some_reasons_passes_over_the_others() -> None:
    slow = rule(RuleKind.FAILED, reasons=(ReasonCode.TIMEOUT, ReasonCode.OUT_OF_MEMORY))
    timeout = run(RunState.FAILED, err_msg="too slow", reason=Reason(ReasonCode.TIMEOUT))
    assert evaluate(slow, timeout, Facts()) == "The run failed: too slow"
    signal = run(RunState.FAILED, err_msg="killed", reason=Reason(ReasonCode.SIGNAL))
    assert evaluate(slow, signal, Facts()) is None
    assert evaluate(slow, run(RunState.FAILED, err_msg="of an older release"), Facts()) is None


def test_zero_rows_are_told_of_runs_that_succeeded_only() -> None:
    zero = rule(RuleKind.ZERO_ROWS)
    assert evaluate(zero, run(), Facts()) == "The run succeeded without a single row."
    assert evaluate(zero, run(results=1), Facts()) is None
    assert evaluate(zero, run(RunState.FAILED), Facts()) is None


def test_fewer_rows_than_usual() -> None:
    fewer = rule(RuleKind.FEWER_ROWS, factor=0.5)
    before = usual(100, 300, 200)
    found = evaluate(fewer, run(results=99), Facts(usual=before))
    assert found == (
        "The run gave 99 rows, less than 50 % of the usual 200 (median of 3 runs before it)."
    )
    assert evaluate(fewer, run(results=100), Facts(usual=before)) is None
    assert evaluate(fewer, run(results=1), Facts(usual=before[:2])) is None
    assert evaluate(fewer, run(results=0), Facts(usual=usual(0, 0, 0))) is None
    assert evaluate(fewer, run(RunState.FAILED, results=1), Facts(usual=before)) is None


def test_slower_than_usual() -> None:
    slower = rule(RuleKind.SLOWER, factor=2.0)
    before = usual(1, 1, 1, ms=29_000)
    found = evaluate(slower, run(), Facts(usual=before))
    assert found == (
        "The run took 1 min 0 s, more than 2 times the usual 29.0 s (median of 3 runs before it)."
    )
    assert evaluate(slower, run(), Facts(usual=usual(1, 1, 1, ms=30_000))) is None
    assert evaluate(slower, run(RunState.FAILED), Facts(usual=before)) is None


def test_a_missing_field() -> None:
    missing = rule(RuleKind.MISSING_FIELD, field="price", percent=10.0)
    found = evaluate(missing, run(), Facts(field=FieldFacts(120, 34, 120)))
    assert found == (
        "The field price is missing or empty in 34 of 120 rows (28.3 %; 10 % are allowed)."
    )
    some = evaluate(missing, run(), Facts(field=FieldFacts(10_000, 5000, 1_000_000)))
    assert some is not None and "of 10,000 rows that were looked at, of 1,000,000 in all" in some
    assert evaluate(missing, run(), Facts(field=FieldFacts(100, 10, 100))) is None
    assert evaluate(missing, run(), Facts(field=FieldFacts(0, 0, 0))) is None
    assert evaluate(missing, run(RunState.FAILED), Facts(field=FieldFacts(1, 1, 1))) is None
    none_allowed = replace(missing, percent=0.0)
    assert evaluate(none_allowed, run(), Facts(field=FieldFacts(1000, 1, 1000))) is not None
    assert evaluate(none_allowed, run(), Facts(field=FieldFacts(1000, 0, 1000))) is None


def test_a_budget_is_told_when_it_is_passed_whatever_became_of_the_run() -> None:
    budget = rule(RuleKind.BUDGET, usd_micros=10_000_000, traffic_bytes=5 * 10**6)
    spent = Spent("2026-11", 10_000_000, 5 * 10**6)
    assert evaluate(budget, run(), Facts(spent=spent)) is None
    found = evaluate(
        budget, run(RunState.FAILED), Facts(spent=replace(spent, usd_micros=12_400_000))
    )
    assert found == "In 2026-11 12.4 USD were used, and the budget is 10 USD."
    both = replace(spent, usd_micros=12_400_000, traffic_bytes=5_500_001)
    found = evaluate(budget, run(), Facts(spent=both))
    assert (
        found is not None and "; 5.500001 MB of traffic were used, and the budget is 5 MB" in found
    )
    only_usd = replace(budget, traffic_bytes=0)
    assert evaluate(only_usd, run(), Facts(spent=replace(spent, traffic_bytes=10**12))) is None


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (240, "240 ms"),
        (4200, "4.2 s"),
        (187_000, "3 min 7 s"),
        (7_500_000, "2 h 5 min"),
    ],
)
def test_times_are_told_as_people_say_them(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text
