"""Evaluates a rule for the last runs that ended, without raising an alert."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.results import Results
from fyke.contracts.state import Storage, Transaction
from fyke.domain.alerts.evaluate import Facts, RuleMatch, evaluate
from fyke.domain.alerts.fields import count_fields
from fyke.domain.alerts.monitor import facts_of
from fyke.domain.alerts.months import month_usage
from fyke.model.alert import FieldFacts, Rule, RuleKind
from fyke.model.run import Run, RunState

PREVIEW_RUNS = 20
PREVIEW_ROWS = 500  # of each run, when the rule is about a field


@dataclass(frozen=True, slots=True)
class PreviewedAlert:
    """A run that would have raised an alert, and the match of the rule."""

    run: Run
    match: RuleMatch


@dataclass(frozen=True, slots=True)
class RulePreview:
    """The number of ``runs`` that were checked, and those that would have raised an alert, newest
    first.

    A budget checks the current month instead, and raises at most one alert in it: then ``runs`` is
    0, ``month`` (``YYYY-MM``) comes with its usage, and ``now`` is the match of the rule.
    """

    runs: int
    fired: list[PreviewedAlert]
    month: str = ""
    usd_micros: int = 0
    traffic_bytes: int = 0
    now: RuleMatch | None = None


async def preview(storage: Storage, results: Results, rule: Rule) -> RulePreview:
    """Evaluate ``rule``, which need not be stored, for the last runs."""
    if rule.kind is RuleKind.BUDGET:
        return await storage.read(lambda tx: _budget(tx, rule))
    runs, hidden = await storage.read(lambda tx: _last_runs(tx, rule))
    facts_by_run: dict[str, dict[str, FieldFacts]] = {}
    if rule.kind is RuleKind.MISSING_FIELD:
        for run in runs:
            if run.state is RunState.SUCCEEDED:
                fields = {rule.field}
                facts_by_run[run.id] = await count_fields(
                    results, run.id, hidden[run.id], fields, PREVIEW_ROWS
                )

    def work(tx: Transaction) -> list[PreviewedAlert]:
        previews = []
        for run in runs:
            match = evaluate(rule, run, facts_of(tx, rule, run, facts_by_run.get(run.id, {})))
            if match is not None:
                previews.append(PreviewedAlert(run, match))
        return previews

    return RulePreview(len(runs), await storage.read(work))


def _last_runs(tx: Transaction, rule: Rule) -> tuple[list[Run], dict[str, frozenset[str]]]:
    runs = tx.alerts.last_ended(rule.account_id, rule.worker_id, rule.task_id, PREVIEW_RUNS)
    return runs, {run.id: tx.runs.hidden_attempts(run.id) for run in runs}


def _budget(tx: Transaction, rule: Rule) -> RulePreview:
    month = month_usage(tx, rule, tx.now)
    runs = tx.alerts.last_ended(rule.account_id, rule.worker_id, rule.task_id, 1)
    # a budget depends on the month alone, but a rule is evaluated for a run
    match = evaluate(rule, runs[0], Facts(month=month)) if runs else None
    return RulePreview(0, [], month.month, month.usd_micros, month.traffic_bytes, match)
