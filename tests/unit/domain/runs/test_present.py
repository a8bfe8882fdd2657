"""The figures of active runs: what is read for them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from fyke.domain.runs.present import present_figures
from fyke.domain.runs.transitions import Rules
from fyke.model.billing import Prices
from support.memory import a_run

FREE, PRICED = Prices(), Prices(memory_gb_hour=Decimal(1))


def figures(prices: Prices, *holds: int) -> tuple[list[Any], list[str]]:
    """The figures of a run with each of these reserved amounts, and the runs whose attempts were
    read. The first run has a hidden attempt, the last has none.
    """
    runs = [replace(a_run("acme"), id=f"r{n}", hold_micros=hold) for n, hold in enumerate(holds)]
    read: list[str] = []

    def attempts_of(run_ids: list[str]) -> dict[str, Any]:
        read.extend(run_ids)
        return {}

    hidden = {run.id: frozenset({"a"} if run is runs[0] else ()) for run in runs[:-1]}
    tx = SimpleNamespace(
        now=1,
        runs=SimpleNamespace(hidden_by_run=lambda ids: hidden, attempts_of=attempts_of),
        samples=SimpleNamespace(
            measure=lambda ids, at: {ref: SimpleNamespace(traffic_bytes=7) for ref in ids}
        ),
    )
    rules = Rules(prices, frozenset(), 100, "")
    found = present_figures(cast(Any, tx), rules, runs)
    return [found[run.id] for run in runs], read


def test_the_attempts_are_read_only_of_runs_that_may_cost_anything() -> None:
    assert figures(FREE, 0, 5, 0)[1] == []
    assert figures(PRICED, 0, 5, 0)[1] == ["r1"]


def test_hidden_attempts_are_known_without_reading_all() -> None:
    first, second, last = figures(FREE, 0, 0, 0)[0]
    assert (first.hidden, first.has_attempts, first.traffic_bytes) == ({"a"}, True, 7)
    assert (second.hidden, second.has_attempts) == (frozenset(), True)
    assert (last.hidden, last.has_attempts) == (frozenset(), False)
