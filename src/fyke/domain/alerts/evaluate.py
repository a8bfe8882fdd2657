"""Evaluates an alert rule for a run that has ended; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from fyke.model.alert import MIN_PREVIOUS_RUNS, FieldFacts, MonthUsage, PreviousRun, Rule, RuleKind
from fyke.model.run import Run, RunState
from fyke.reasons import Reason, ReasonCode, sentence

MAX_REASON = 300
FAILED_PREFIX = "The run failed: "  # of the sentence for a failed run
KINDS_WITH_HISTORY = frozenset({RuleKind.FEWER_ROWS, RuleKind.SLOWER})  # need previous runs


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that some kinds of rules need in addition to the run."""

    previous_runs: Sequence[PreviousRun] = ()
    field: FieldFacts | None = None
    month: MonthUsage | None = None


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """What is wrong with a run, as one English sentence and as a reason. For a failed run
    ``reason`` is the reason of the failure, None for a run of an older release.
    """

    sentence: str
    reason: Reason | None


def evaluate(rule: Rule, run: Run, facts: Facts) -> RuleMatch | None:
    """The match of ``rule`` in ``run``, None when there is nothing to report."""
    if rule.kind is RuleKind.FAILED:
        return _failed(rule, run) if run.state is RunState.FAILED else None
    reason = _reason(rule, run, facts)
    return None if reason is None else RuleMatch(sentence(reason), reason)


def _reason(rule: Rule, run: Run, facts: Facts) -> Reason | None:
    if rule.kind is RuleKind.BUDGET:
        return _over_budget(rule, facts.month) if facts.month else None
    if run.state is not RunState.SUCCEEDED:
        return None
    match rule.kind:
        case RuleKind.ZERO_ROWS:
            return None if run.results else Reason(ReasonCode.ZERO_ROWS)
        case RuleKind.FEWER_ROWS:
            return _fewer(rule, run, facts.previous_runs)
        case RuleKind.SLOWER:
            return _slower(rule, run, facts.previous_runs)
        case RuleKind.MISSING_FIELD:
            return _missing(rule, facts.field) if facts.field else None
    return None


def _failed(rule: Rule, run: Run) -> RuleMatch | None:
    """A run of an older release has no code: only a rule without reasons matches it."""
    if rule.reasons and (run.reason is None or run.reason.code not in rule.reasons):
        return None
    message = " ".join(run.err_msg.split())[:MAX_REASON]
    return RuleMatch(f"{FAILED_PREFIX}{message or 'no reason was given'}", run.reason)


def _fewer(rule: Rule, run: Run, previous_runs: Sequence[PreviousRun]) -> Reason | None:
    if len(previous_runs) < MIN_PREVIOUS_RUNS:
        return None
    usual_rows = median(previous.results for previous in previous_runs)
    if run.results >= usual_rows * rule.factor:
        return None
    return Reason.of(
        ReasonCode.FEWER_ROWS,
        rows=run.results,
        share_percent=rule.factor * 100,
        usual_rows=usual_rows,
        runs=len(previous_runs),
    )


def _slower(rule: Rule, run: Run, previous_runs: Sequence[PreviousRun]) -> Reason | None:
    if len(previous_runs) < MIN_PREVIOUS_RUNS:
        return None
    usual_ms = median(previous.duration_ms for previous in previous_runs)
    duration_ms = run.duration_ms()
    if duration_ms <= usual_ms * rule.factor:
        return None
    return Reason.of(
        ReasonCode.SLOWER,
        duration_ms=duration_ms,
        factor=rule.factor,
        usual_ms=round(usual_ms),
        runs=len(previous_runs),
    )


def _missing(rule: Rule, facts: FieldFacts) -> Reason | None:
    if not facts.checked_rows or facts.missing * 100 <= rule.percent * facts.checked_rows:
        return None
    return Reason.of(
        ReasonCode.FIELD_MISSING,
        field=rule.field,
        missing_rows=facts.missing,
        checked_rows=facts.checked_rows,
        rows=None if facts.checked_rows == facts.rows else facts.rows,
        share_percent=facts.missing * 100 / facts.checked_rows,
        allowed_percent=rule.percent,
    )


def _over_budget(rule: Rule, month: MonthUsage) -> Reason | None:
    """The reason, with the amounts of the exceeded budgets only; None when none is exceeded."""
    exceeded: dict[str, int] = {}
    if rule.usd_micros and month.usd_micros > rule.usd_micros:
        exceeded |= {"used_micros": month.usd_micros, "budget_micros": rule.usd_micros}
    if rule.traffic_bytes and month.traffic_bytes > rule.traffic_bytes:
        exceeded["used_traffic_bytes"] = month.traffic_bytes
        exceeded["budget_traffic_bytes"] = rule.traffic_bytes
    return (
        Reason.of(ReasonCode.BUDGET_EXCEEDED, month=month.month, **exceeded) if exceeded else None
    )
