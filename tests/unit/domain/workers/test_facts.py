"""Statistics of a worker from the outcomes of its runs."""

from __future__ import annotations

import pytest

from fyke.domain.workers.facts import BAD, RECENT, verdict
from fyke.model.run import Outcome
from fyke.model.worker import GOOD, WorkerFacts

NEUTRAL = {"aborted", "traffic_cap", "charge_cap", "worker_deleted", "isolation_refused",
          "runner_lost", "internal"}  # fmt: skip


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_its_verdict(outcome: Outcome) -> None:
    expected = GOOD if outcome is Outcome.SUCCEEDED else "" if outcome.value in NEUTRAL else BAD
    assert verdict(outcome) == expected


def test_a_run_without_an_outcome_is_not_counted() -> None:
    assert verdict(None) == ""


@pytest.mark.parametrize(
    ("recent", "rate"), [("", None), ("+", 1.0), ("-", 0.0), ("+-", 0.5), ("+" * RECENT, 1.0)]
)
def test_the_success_rate_covers_the_latest_runs(recent: str, rate: float | None) -> None:
    facts = WorkerFacts("w", runs=99, recent=recent)
    assert (facts.success_rate, facts.rated_runs) == (rate, len(recent))
