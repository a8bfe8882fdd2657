"""Whether a run that has ended raises an alert: pure, a match or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from fyke.model.alert import MIN_PREVIOUS_RUNS, FieldFacts, PastRuns, Rule, RuleKind, Spent
from fyke.model.run import Run, RunState
from fyke.reasons import Reason, ReasonCode, sentence

MAX_REASON = 300
USUAL_KINDS = frozenset({RuleKind.FEWER_ROWS, RuleKind.SLOWER})


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that some kinds of rules need beside the run."""

    usual: Sequence[PastRuns] = ()
    field: FieldFacts | None = None
    spent: Spent | None = None


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """What is wrong with a run, in one English sentence, and as a reason; of a failed run that is
    the reason of its end, None for one of an older release.
    """

    sentence: str
    reason: Reason | None


def evaluate(rule: Rule, run: Run, facts: Facts) -> RuleMatch | None:
    """What ``rule`` finds in ``run``, None when there is nothing to report."""
    if rule.kind is RuleKind.FAILED:
        return _failed(rule, run) if run.state is RunState.FAILED else None
    reason = _reason(rule, run, facts)
    return None if reason is None else RuleMatch(sentence(reason), reason)


def _reason(rule: Rule, run: Run, facts: Facts) -> Reason | None:
    if rule.kind is RuleKind.BUDGET:
        return _over_budget(rule, facts.spent) if facts.spent else None
    if run.state is not RunState.SUCCEEDED:
        return None
    match rule.kind:
        case RuleKind.ZERO_ROWS:
            return None if run.results else Reason(ReasonCode.ZERO_ROWS)
        case RuleKind.FEWER_ROWS:
            return _fewer(rule, run, facts.usual)
        case RuleKind.SLOWER:
            return _slower(rule, run, facts.usual)
        case RuleKind.MISSING_FIELD:
            return _missing(rule, facts.field) if facts.field else None
    return None


def _failed(rule: Rule, run: Run) -> RuleMatch | None:
    """A run of an older release has no code: only a rule without reasons matches it."""
    if rule.reasons and (run.reason is None or run.reason.code not in rule.reasons):
        return None
    why = " ".join(run.err_msg.split())[:MAX_REASON]
    return RuleMatch(f"The run failed: {why or 'no reason was given'}", run.reason)


def _fewer(rule: Rule, run: Run, usual: Sequence[PastRuns]) -> Reason | None:
    if len(usual) < MIN_PREVIOUS_RUNS:
        return None
    middle = median(past.results for past in usual)
    if run.results >= middle * rule.factor:
        return None
    return Reason.of(
        ReasonCode.FEWER_ROWS,
        rows=run.results,
        share_percent=rule.factor * 100,
        usual_rows=middle,
        runs=len(usual),
    )


def _slower(rule: Rule, run: Run, usual: Sequence[PastRuns]) -> Reason | None:
    if len(usual) < MIN_PREVIOUS_RUNS:
        return None
    middle = median(past.duration_ms for past in usual)
    took = max(0, run.finished_at - run.started_at)
    if took <= middle * rule.factor:
        return None
    return Reason.of(
        ReasonCode.SLOWER,
        duration_ms=took,
        factor=rule.factor,
        usual_ms=round(middle),
        runs=len(usual),
    )


def _missing(rule: Rule, seen: FieldFacts) -> Reason | None:
    if not seen.looked_at or seen.missing * 100 <= rule.percent * seen.looked_at:
        return None
    return Reason.of(
        ReasonCode.FIELD_MISSING,
        field=rule.field,
        missing_rows=seen.missing,
        checked_rows=seen.looked_at,
        rows=None if seen.looked_at == seen.rows else seen.rows,
        share_percent=seen.missing * 100 / seen.looked_at,
        allowed_percent=rule.percent,
    )


def _over_budget(rule: Rule, spent: Spent) -> Reason | None:
    """Only the amounts of the budgets that are exceeded are among the parameters."""
    over: dict[str, int] = {}
    if rule.usd_micros and spent.usd_micros > rule.usd_micros:
        over |= {"used_micros": spent.usd_micros, "budget_micros": rule.usd_micros}
    if rule.traffic_bytes and spent.traffic_bytes > rule.traffic_bytes:
        over["used_traffic_bytes"] = spent.traffic_bytes
        over["budget_traffic_bytes"] = rule.traffic_bytes
    return Reason.of(ReasonCode.BUDGET_EXCEEDED, month=spent.month, **over) if over else None
