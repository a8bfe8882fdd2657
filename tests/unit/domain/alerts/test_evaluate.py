"""When each kind of rule raises an alert for a run, and with which sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fyke.domain.alerts.evaluate import Facts, RuleMatch
from fyke.domain.alerts.evaluate import evaluate as find
from fyke.model.alert import FieldFacts, MonthUsage, PreviousRun, Rule, RuleKind
from fyke.model.run import Run, RunState
from fyke.reasons import Reason, ReasonCode
from support import records
from support.alerts import a_rule

START = records.START


def evaluate(rule: Rule, run: Run, facts: Facts) -> str | None:
    """The sentence of the match."""
    found = find(rule, run, facts)
    return None if found is None else found.sentence


def run(state: RunState = RunState.SUCCEEDED, **changes: Any) -> Run:
    base = records.run("acc", "work", state=state, started_at=START, finished_at=START + 60_000)
    return replace(base, **changes)


def rule(kind: RuleKind, **changes: Any) -> Rule:
    return a_rule("acc", kind=kind, **changes)


def previous_runs(*rows: int, ms: int = 1000) -> list[PreviousRun]:
    return [PreviousRun(f"r{number}", results, ms) for number, results in enumerate(rows)]


def test_a_failed_run_is_reported_with_its_reason() -> None:
    failed = rule(RuleKind.FAILED)
    found = evaluate(failed, run(RunState.FAILED, err_msg="exit code\n 1"), Facts())
    assert found == "The run failed: exit code 1"
    long = evaluate(failed, run(RunState.FAILED, err_msg="x" * 5000), Facts())
    assert long is not None and len(long) < 400
    assert evaluate(failed, run(), Facts()) is None
    assert evaluate(failed, run(RunState.ABORTED), Facts()) is None


def test_a_rule_for_some_reasons_ignores_others() -> None:
    slow = rule(RuleKind.FAILED, reasons=(ReasonCode.TIMEOUT, ReasonCode.OUT_OF_MEMORY))
    timeout = run(RunState.FAILED, err_msg="too slow", reason=Reason(ReasonCode.TIMEOUT))
    assert evaluate(slow, timeout, Facts()) == "The run failed: too slow"
    signal = run(RunState.FAILED, err_msg="killed", reason=Reason(ReasonCode.SIGNAL))
    assert evaluate(slow, signal, Facts()) is None
    assert evaluate(slow, run(RunState.FAILED, err_msg="of an older release"), Facts()) is None


def test_zero_rows_alerts_are_for_succeeded_runs_only() -> None:
    zero = rule(RuleKind.ZERO_ROWS)
    assert evaluate(zero, run(), Facts()) == "The run succeeded without rows"
    assert evaluate(zero, run(results=1), Facts()) is None
    assert evaluate(zero, run(RunState.FAILED), Facts()) is None


def test_fewer_rows_than_usual() -> None:
    fewer = rule(RuleKind.FEWER_ROWS, factor=0.5)
    before = previous_runs(100, 300, 200)
    found = evaluate(fewer, run(results=99), Facts(previous_runs=before))
    assert found == (
        "Fewer rows than usual: 99, less than 50% of 200, the median of the last 3 runs"
    )
    assert evaluate(fewer, run(results=100), Facts(previous_runs=before)) is None
    assert evaluate(fewer, run(results=1), Facts(previous_runs=before[:2])) is None
    assert evaluate(fewer, run(results=0), Facts(previous_runs=previous_runs(0, 0, 0))) is None
    assert evaluate(fewer, run(RunState.FAILED, results=1), Facts(previous_runs=before)) is None


def test_slower_than_usual() -> None:
    slower = rule(RuleKind.SLOWER, factor=2.0)
    before = previous_runs(1, 1, 1, ms=29_000)
    found = evaluate(slower, run(), Facts(previous_runs=before))
    assert found == (
        "Slower than usual: the run took 1 min, more than 2 times the median of the last 3 "
        "runs, which is 29.0 s"
    )
    assert evaluate(slower, run(), Facts(previous_runs=previous_runs(1, 1, 1, ms=30_000))) is None
    assert evaluate(slower, run(RunState.FAILED), Facts(previous_runs=before)) is None


def test_a_missing_field() -> None:
    missing = rule(RuleKind.MISSING_FIELD, field="price", percent=10.0)
    found = evaluate(missing, run(), Facts(field=FieldFacts(120, 34, 120)))
    assert found == (
        "The field price is missing or empty in 34 of 120 rows (28.3%; 10% are allowed)"
    )
    some = evaluate(missing, run(), Facts(field=FieldFacts(10_000, 5000, 1_000_000)))
    assert some is not None and some.endswith(
        "in 5,000 of 10,000 checked rows (50%; 10% are allowed); the run has 1,000,000 rows"
    )
    assert evaluate(missing, run(), Facts(field=FieldFacts(100, 10, 100))) is None
    assert evaluate(missing, run(), Facts(field=FieldFacts(0, 0, 0))) is None
    assert evaluate(missing, run(RunState.FAILED), Facts(field=FieldFacts(1, 1, 1))) is None
    none_allowed = replace(missing, percent=0.0)
    assert evaluate(none_allowed, run(), Facts(field=FieldFacts(1000, 1, 1000))) is not None
    assert evaluate(none_allowed, run(), Facts(field=FieldFacts(1000, 0, 1000))) is None


def test_a_budget_alert_is_raised_for_any_outcome_of_the_run() -> None:
    budget = rule(RuleKind.BUDGET, usd_micros=10_000_000, traffic_bytes=5 * 10**6)
    month = MonthUsage("2026-11", 10_000_000, 5 * 10**6)
    assert evaluate(budget, run(), Facts(month=month)) is None
    found = evaluate(
        budget, run(RunState.FAILED), Facts(month=replace(month, usd_micros=12_400_000))
    )
    assert found == "The budget for 2026-11 is exceeded: 12.4 of 10 USD are used"
    both = replace(month, usd_micros=12_400_000, traffic_bytes=5_500_001)
    found = evaluate(budget, run(), Facts(month=both))
    assert found == (
        "The budget for 2026-11 is exceeded: 12.4 of 10 USD and 5.500001 of 5 MB of traffic are "
        "used"
    )
    only_traffic = replace(month, traffic_bytes=6 * 10**6)
    assert evaluate(budget, run(), Facts(month=only_traffic)) == (
        "The budget for 2026-11 is exceeded: 6 of 5 MB of traffic are used"
    )
    only_usd = replace(budget, traffic_bytes=0)
    assert evaluate(only_usd, run(), Facts(month=replace(month, traffic_bytes=10**12))) is None


def test_a_match_has_a_reason() -> None:
    timeout = run(RunState.FAILED, err_msg="too slow", reason=Reason(ReasonCode.TIMEOUT))
    assert find(rule(RuleKind.FAILED), timeout, Facts()) == RuleMatch(
        "The run failed: too slow", Reason(ReasonCode.TIMEOUT)
    )
    old = find(rule(RuleKind.FAILED), run(RunState.FAILED), Facts())
    assert old == RuleMatch("The run failed: no reason was given", None)
    fewer = find(
        rule(RuleKind.FEWER_ROWS, factor=0.5),
        run(results=9),
        Facts(previous_runs=previous_runs(30, 20, 40)),
    )
    assert fewer is not None and fewer.reason == Reason(
        ReasonCode.FEWER_ROWS, {"rows": 9, "share_percent": 50.0, "usual_rows": 30, "runs": 3}
    )
