from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.billing.pricing import charge
from fyke.domain.runs.estimate import (
    MAX_SAMPLES,
    MIN_RUNS,
    Basis,
    Estimate,
    Spread,
    basis,
    estimate,
)
from fyke.model.billing import Prices
from fyke.model.run import PastRun, RunLimits

PRICES = Prices(Decimal("0.36"), Decimal("0.05"), Decimal("0.8"))
DEVICE = RunLimits(0.5, 2048, 1800, 0, 0)


def past(**changes: float | str) -> PastRun:
    values = {
        "version": "1.0.0", "cpus": 0.5, "subtasks": 1, "wall_ms": 10_000, "busy_ms": 9_000,
        "cpu_ms": 2_000, "traffic_bytes": 10**6, "at": 1,
    } | changes  # fmt: skip
    return PastRun(**values)  # type: ignore[arg-type]


def estimate_for(runs: list[PastRun], limits: RunLimits = DEVICE, subtasks: int = 0) -> Estimate:
    found = estimate(PRICES, Basis(runs, of_version=True), limits, subtasks=subtasks)
    assert found is not None
    return found


def test_too_few_runs_give_no_estimate():
    few = basis([past()] * (MIN_RUNS - 1), "1.0.0")
    assert not few.enough
    assert estimate(PRICES, few, DEVICE) is None
    assert basis([past()] * MIN_RUNS, "1.0.0").enough


def test_only_runs_of_the_version_count_if_there_are_enough():
    old, new = [past(version="0.9.0")] * 30, [past()] * MIN_RUNS
    assert basis([*new, *old], "1.0.0") == Basis(new, of_version=True)
    mixed = [*new[1:], *old]
    assert basis(mixed, "1.0.0") == Basis(mixed, of_version=False)
    assert basis(new[1:], "1.0.0") == Basis(new[1:], of_version=True)
    assert basis([], "1.0.0") == Basis([], of_version=True)
    assert len(basis([past()] * 900, "1.0.0").runs) == MAX_SAMPLES


def test_the_figures_are_the_50th_and_95th_percentile():
    runs = [past(wall_ms=n * 1000, traffic_bytes=n) for n in range(1, 101)]
    random.Random(1).shuffle(runs)
    found = estimate_for(runs)
    assert (found.time, found.traffic) == (Spread(50_000, 95_000), Spread(50, 95))
    assert estimate_for([past()] * 10).time == Spread(10_000, 10_000)


def test_the_charge_uses_the_requested_device_and_current_prices():
    device = RunLimits(1.0, 4096, 1800, 0, 0)
    exact = charge(PRICES, device, milliseconds=9_000, traffic_bytes=10**6)
    assert estimate_for([past()] * 10, device).charge == Spread(exact, exact)


def test_the_browsers_of_earlier_runs_are_charged_by_the_requested_limits():
    runs = [past(browser_ms=6_000, cpu_ms=4_500)] * 10
    device = replace(DEVICE, browser_cpus=2.0, browser_memory_mb=512)
    usage = {"milliseconds": 9_000, "traffic_bytes": 10**6}
    exact = charge(PRICES, device, **usage, browser_ms=6_000)
    assert estimate_for(runs, device).charge == Spread(exact, exact)
    without = charge(PRICES, DEVICE, **usage)
    assert estimate_for(runs).charge.p50 == without < exact  # browsers are switched off now
    # twice the subtasks on half the cores
    slow = replace(device, cpus=0.25)
    usage = {"milliseconds": 36_000, "traffic_bytes": 2 * 10**6}
    exact = charge(PRICES, slow, **usage, browser_ms=24_000)
    assert estimate_for(runs, slow, subtasks=2).charge.p95 == exact


def test_on_fewer_cores_the_time_is_at_least_the_cpu_time():
    hard = [past(cpu_ms=4_500)] * 10  # 9 s on half a core, CPU time only
    quarter = RunLimits(0.25, 1024, 1800, 0, 0)
    assert estimate_for(hard, quarter).time == Spread(20_000, 20_000)
    idle = [past(cpu_ms=900)] * 10
    assert estimate_for(idle, quarter).time == Spread(10_000, 10_000)
    assert estimate_for(hard, RunLimits(4.0, 16384, 1800, 0, 0)).time == Spread(10_000, 10_000)


def test_usage_is_proportional_to_the_number_of_subtasks():
    runs = [past(subtasks=4, wall_ms=20_000, busy_ms=40_000, traffic_bytes=8_000)] * 10
    assert estimate_for(runs, subtasks=4) == estimate_for(runs)
    twice = estimate_for(runs, subtasks=8)
    assert (twice.time, twice.traffic) == (Spread(40_000, 40_000), Spread(16_000, 16_000))
    assert abs(twice.charge.p50 - 2 * estimate_for(runs).charge.p50) <= 1


def test_limits_cap_the_estimate():
    runs = [past(wall_ms=100_000, busy_ms=100_000, cpu_ms=0)] * 10
    limits = RunLimits(0.5, 2048, 25, 7, 500_000)
    found = estimate_for(runs, limits)
    assert found == Estimate(Spread(25_000, 25_000), Spread(500_000, 500_000), Spread(7, 7))


@given(
    st.lists(
        st.builds(
            PastRun,
            version=st.just("1.0.0"),
            cpus=st.sampled_from([0.125, 0.5, 4.0]),
            subtasks=st.integers(1, 1000),
            wall_ms=st.integers(0, 10**9),
            busy_ms=st.integers(0, 10**12),
            cpu_ms=st.integers(0, 10**12),
            traffic_bytes=st.integers(0, 10**14),
            at=st.just(1),
            browser_ms=st.integers(0, 10**12),
        ),
        min_size=MIN_RUNS,
        max_size=30,
    ),
    st.sampled_from([0.125, 0.25, 1.0, 4.0]),
    st.integers(0, 1000),
    st.integers(1, 10**6),
)
def test_estimates_from_any_history_are_within_the_limits(
    runs: list[PastRun], cpus: float, subtasks: int, cap: int
):
    found = estimate_for(runs, RunLimits(cpus, 512, 60, cap, 10**9, 1.0, 1024), subtasks)
    for spread in (found.time, found.traffic, found.charge):
        assert 0 <= spread.p50 <= spread.p95
    assert found.traffic.p95 <= 10**9
    assert found.charge.p95 <= cap


@pytest.mark.parametrize("subtasks", [0, 3])
def test_a_run_without_duration_gives_an_estimate(subtasks: int):
    nothing = [past(wall_ms=0, busy_ms=0, cpu_ms=0, traffic_bytes=0)] * 10
    none = Spread(0, 0)
    assert estimate_for(nothing, subtasks=subtasks) == Estimate(none, none, none)
