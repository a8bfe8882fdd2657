from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.billing.cost_lines import MeteredUsage, cost_lines
from fyke.domain.billing.pricing import charge, receipt
from fyke.model.billing import Prices
from fyke.model.run import RunLimits

LIMITS = RunLimits(0.5, 1024, 60, 0, 0)
PRICES = Prices(Decimal("0.20"), Decimal("0.05"), Decimal("2.00"))

price = st.decimals("0", "9", places=4)
attempt = st.builds(MeteredUsage, st.integers(0, 10**8), st.integers(0, 10**12))


def test_each_line_has_kind_quantity_unit_price_and_cost() -> None:
    cpu, memory, traffic = cost_lines(
        PRICES, LIMITS, [MeteredUsage(3_600_000, 500_000_000)], 1_150_000
    )
    assert (cpu.quantity, cpu.unit, cpu.price, cpu.micros) == (
        Decimal("0.5"), "core-hours", Decimal("0.20"), 100_000,
    )  # fmt: skip
    assert (memory.quantity, memory.micros) == (Decimal(1), 50_000)
    assert (traffic.quantity, traffic.unit, traffic.micros) == (Decimal("0.5"), "GB", 1_000_000)


@given(price, price, price, st.lists(attempt, max_size=30))
def test_lines_add_up_to_what_was_charged(
    cpu: Decimal, memory: Decimal, traffic: Decimal, attempts: list[MeteredUsage]
) -> None:
    prices = Prices(cpu, memory, traffic)
    usage = sum(
        charge(prices, LIMITS, milliseconds=a.milliseconds, traffic_bytes=a.traffic_bytes)
        for a in attempts
    )
    lines = cost_lines(prices, LIMITS, attempts, usage)
    assert sum(line.micros for line in lines) == usage
    assert all(line.micros >= 0 for line in lines[:3])
    assert [line.kind for line in lines[:3]] == ["cpu", "memory", "traffic"]


def test_a_run_that_may_have_a_browser_has_its_lines() -> None:
    limits = replace(LIMITS, browser_cpus=2.0, browser_memory_mb=512)
    used = MeteredUsage(3_600_000, 0, browser_ms=1_800_000)
    usage = charge(PRICES, limits, milliseconds=3_600_000, traffic_bytes=0, browser_ms=1_800_000)
    *device, cpu, memory = cost_lines(PRICES, limits, [used], usage)
    assert [line.micros for line in device] == [100_000, 50_000, 0]
    assert (cpu.kind, cpu.quantity, cpu.micros) == ("browser_cpu", Decimal(1), 200_000)
    assert (memory.kind, memory.quantity) == ("browser_memory", Decimal("0.25"))
    assert memory.micros == 12_500
    assert usage == 362_500


def test_items_cost_quantity_times_price_and_the_rest_is_rounding() -> None:
    """The figures of a run whose lines were scaled to its total before."""
    prices = Prices(Decimal("0.05"), Decimal("0.01"), Decimal("0"))
    limits = replace(LIMITS, cpus=0.125, memory_mb=512, browser_cpus=1.0, browser_memory_mb=1024)
    used = MeteredUsage(157_000, 0, browser_ms=156_413)
    cost = charge(prices, limits, milliseconds=157_000, traffic_bytes=0, browser_ms=156_413)
    *items, rounding = cost_lines(prices, limits, [used], receipt(cost))
    for line in items:
        assert abs(line.quantity * line.price * 10**6 - line.micros) < 1
    assert (rounding.kind, rounding.unit, rounding.quantity) == ("rounding", "", 0)
    assert (cost, rounding.micros) == (3098, 2)
    tiny = cost_lines(prices, limits, [MeteredUsage(1000, 0)], 100)
    assert (tiny[0].micros, tiny[-1].kind, tiny[-1].micros) == (2, "rounding", 97)


def test_a_charge_that_the_amount_held_limits_is_distributed() -> None:
    lines = cost_lines(PRICES, LIMITS, [MeteredUsage(3_600_000, 0)], 75_000)
    assert [(line.kind, line.micros) for line in lines] == [
        ("cpu", 50_000), ("memory", 25_000), ("traffic", 0),
    ]  # fmt: skip


def test_charges_by_earlier_prices_are_a_separate_line() -> None:
    lines = cost_lines(Prices(), LIMITS, [MeteredUsage(1000, 5)], 77)
    assert [(line.kind, line.micros) for line in lines] == [
        ("cpu", 0), ("memory", 0), ("traffic", 0), ("other", 77),
    ]  # fmt: skip


def test_a_free_run_has_lines_of_zero() -> None:
    assert [line.micros for line in cost_lines(PRICES, LIMITS, [], 0)] == [0, 0, 0]
