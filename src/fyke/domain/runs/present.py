"""The figures of active runs now, read together: a page of a list may consist of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fyke.contracts.state import Transaction
from fyke.domain.runs.transitions import Rules, charged_of
from fyke.model.run import Run


@dataclass(frozen=True, slots=True)
class PresentFigures:
    """``hidden``: the attempts whose rows are hidden. A run without attempts has no rows."""

    usage_micros: int
    traffic_bytes: int
    hidden: frozenset[str]
    has_attempts: bool


def present_figures(
    tx: Transaction, rules: Rules, runs: Collection[Run]
) -> dict[str, PresentFigures]:
    """Those of each of these active runs."""
    run_ids = [run.id for run in runs]
    if not run_ids:
        return {}
    hidden, samples = tx.runs.hidden_by_run(run_ids), tx.samples.measure(run_ids, tx.now)
    # attempts may be many: they are read only for runs that may cost anything
    priced = [run.id for run in runs if run.hold_micros] if rules.prices.any() else []
    attempts = tx.runs.attempts_of(priced)
    return {
        run.id: PresentFigures(
            charged_of(rules, run, attempts.get(run.id, ())),
            samples[run.id].traffic_bytes,
            hidden.get(run.id, frozenset()),
            run.id in hidden,
        )
        for run in runs
    }
