"""Decides whether an ended run raises an alert. Pure: returns a sentence or None."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from fyke.domain.billing.pricing import format_usage
from fyke.model.alert import FEWEST_USUAL, FieldFacts, PastRuns, Rule, RuleKind, Spent
from fyke.model.run import Run, RunState

MAX_REASON = 300
ZERO = "The run succeeded without a single row."
USUAL_KINDS = frozenset({RuleKind.FEWER_ROWS, RuleKind.SLOWER})
_MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that some kinds of rules need beside the run."""

    usual: Sequence[PastRuns] = ()
    field: FieldFacts | None = None
    spent: Spent | None = None


def evaluate(rule: Rule, run: Run, facts: Facts) -> str | None:
    """One sentence that says what is wrong with ``run``, None when ``rule`` does not match."""
    succeeded = run.state is RunState.SUCCEEDED
    match rule.kind:
        case RuleKind.FAILED:
            return _failed(rule, run) if run.state is RunState.FAILED else None
        case RuleKind.ZERO_ROWS:
            return ZERO if succeeded and not run.results else None
        case RuleKind.FEWER_ROWS:
            return _fewer(rule, run, facts.usual) if succeeded else None
        case RuleKind.SLOWER:
            return _slower(rule, run, facts.usual) if succeeded else None
        case RuleKind.MISSING_FIELD:
            return _missing(rule, facts.field) if succeeded and facts.field else None
        case RuleKind.BUDGET:
            return _over_budget(rule, facts.spent) if facts.spent else None


def _failed(rule: Rule, run: Run) -> str | None:
    """A run of an older release has no code: only a rule without reasons matches it."""
    if rule.reasons and (run.reason is None or run.reason.code not in rule.reasons):
        return None
    reason = " ".join(run.err_msg.split())[:MAX_REASON]
    return f"The run failed: {reason or 'no reason was given'}"


def _fewer(rule: Rule, run: Run, usual: Sequence[PastRuns]) -> str | None:
    if len(usual) < FEWEST_USUAL:
        return None
    middle = median(past.results for past in usual)
    if run.results >= middle * rule.factor:
        return None
    return (
        f"The run gave {_count(run.results, 'row')}, less than {_share(rule.factor)} of the usual "
        f"{middle:,.10g} (median of {_count(len(usual), 'run')} before it)."
    )


def _slower(rule: Rule, run: Run, usual: Sequence[PastRuns]) -> str | None:
    if len(usual) < FEWEST_USUAL:
        return None
    middle = median(past.duration_ms for past in usual)
    took = max(0, run.finished_at - run.started_at)
    if took <= middle * rule.factor:
        return None
    return (
        f"The run took {duration(took)}, more than {rule.factor:g} times the usual "
        f"{duration(middle)} (median of {_count(len(usual), 'run')} before it)."
    )


def _missing(rule: Rule, seen: FieldFacts) -> str | None:
    if not seen.looked_at or seen.missing * 100 <= rule.percent * seen.looked_at:
        return None
    share = seen.missing * 100 / seen.looked_at
    some = "" if seen.looked_at == seen.rows else f" that were looked at, of {seen.rows:,} in all"
    return (
        f"The field {rule.field} is missing or empty in {seen.missing:,} of "
        f"{_count(seen.looked_at, 'row')}{some} ({share:.3g} %; {rule.percent:g} % are allowed)."
    )


def _over_budget(rule: Rule, spent: Spent) -> str | None:
    found = []
    if rule.usd_micros and spent.usd_micros > rule.usd_micros:
        used, most = format_usage(spent.usd_micros), format_usage(rule.usd_micros)
        found.append(f"{used} USD were used, and the budget is {most} USD")
    if rule.traffic_bytes and spent.traffic_bytes > rule.traffic_bytes:
        used, most = _megabytes(spent.traffic_bytes), _megabytes(rule.traffic_bytes)
        found.append(f"{used} of traffic were used, and the budget is {most}")
    return f"In {spent.month} {'; '.join(found)}." if found else None


def duration(milliseconds: float) -> str:
    """A duration as text: ``240 ms``, ``4.2 s``, ``3 min 7 s``, ``2 h 5 min``."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    seconds = round(milliseconds / 1000)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _share(factor: float) -> str:
    return f"{factor * 100:.3g} %"


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:,.10g} MB"
