from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.billing.pricing import (
    Hold,
    charge,
    format_balance,
    format_usage,
    highest_charge,
    hold,
    receipt,
    rounded_down,
    start_price,
)
from fyke.model.billing import Prices
from fyke.model.run import RunLimits, SpendingBound

FREE = Prices()
HOUR = 3_600_000


def limits(
    cpus: float = 1, memory: int = 1024, seconds: int = 3600, usd: int = 0, traffic: int = 0
):
    return RunLimits(cpus, memory, seconds, usd, traffic)


def test_nothing_costs_anything_by_default():
    assert not FREE.any()
    assert charge(FREE, limits(), milliseconds=HOUR, traffic_bytes=10**12) == 0
    assert hold(FREE, limits(usd=5), subtasks=1000, available=10**9) == Hold(0)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        (Prices(cpu_hour=Decimal("0.04")), 20_000),
        (Prices(memory_gb_hour=Decimal("0.005")), 5_000),
        (Prices(traffic_gb=Decimal("0.8")), 1_600_000),
        (Prices(Decimal("0.04"), Decimal("0.005"), Decimal("0.8")), 1_625_000),
    ],
)
def test_an_hour_of_half_a_core_two_gigabytes_of_memory_and_two_of_traffic(
    prices: Prices, expected: int
):
    device = limits(cpus=0.5, memory=1024)
    assert charge(prices, device, milliseconds=HOUR, traffic_bytes=2 * 10**9) == expected


def test_a_browser_costs_what_a_device_of_its_size_costs():
    prices = Prices(Decimal("0.04"), Decimal("0.005"))
    with_browser = replace(limits(), browser_cpus=0.5, browser_memory_mb=2048)
    device = charge(prices, limits(), milliseconds=HOUR, traffic_bytes=0)
    assert charge(prices, with_browser, milliseconds=HOUR, traffic_bytes=0) == device
    cost = charge(prices, with_browser, milliseconds=HOUR, traffic_bytes=0, browser_ms=HOUR // 2)
    assert cost == device + 15_000
    assert highest_charge(prices, with_browser, subtasks=2) == 2 * (device + 30_000)
    assert hold(prices, with_browser, subtasks=2, available=10**9).micros == 2 * (device + 30_000)
    assert start_price(prices, with_browser, subtasks=36) == 7500  # ten seconds each


def test_cores_are_computed_in_decimal():
    prices = Prices(cpu_hour=Decimal("1"))
    assert charge(prices, limits(cpus=0.1), milliseconds=HOUR, traffic_bytes=0) == 100_000


def test_a_charge_is_rounded_once_to_the_nearest_millionth():
    prices = Prices(cpu_hour=Decimal("0.0036"))  # one micro a second
    device = limits()
    costs = [charge(prices, device, milliseconds=ms, traffic_bytes=0) for ms in (499, 501, 1499)]
    assert costs == [0, 1, 1]


@pytest.mark.parametrize(
    ("cost", "charged"),
    [(0, 0), (1, 100), (149, 100), (150, 200), (2_620, 2_600), (2_650, 2_700), (10**12, 10**12)],
)
def test_a_receipt_has_four_decimals_and_is_never_nothing_for_a_cost(cost: int, charged: int):
    assert receipt(cost) == charged


@given(st.integers(0, 10**10), st.integers(0, 10**10))
def test_a_receipt_and_the_balance_after_it_agree_to_the_last_digit(credit: int, cost: int):
    charged = receipt(cost)
    before, after = Decimal(format_balance(credit)), Decimal(format_balance(credit - charged))
    assert before - after == Decimal(format_usage(charged))


def test_a_start_costs_the_first_ten_seconds_of_every_subtask():
    prices = Prices(cpu_hour=Decimal("0.36"))  # 100 micros a second
    assert start_price(prices, limits(), subtasks=1) == 1000
    assert start_price(prices, limits(), subtasks=3) == 3000
    assert start_price(prices, limits(seconds=4), subtasks=1) == 400
    assert start_price(prices, limits(cpus=0.01), subtasks=1) == 100
    assert start_price(Prices(cpu_hour=Decimal("0.3601")), limits(), subtasks=1) == 1100
    assert start_price(Prices(traffic_gb=Decimal(1)), limits(), subtasks=1) == 100
    assert start_price(FREE, limits(), subtasks=1) == 0


def test_a_hold_is_the_highest_cost_of_all_subtasks():
    prices = Prices(cpu_hour=Decimal("0.36"))
    assert hold(prices, limits(seconds=10), subtasks=3, available=0) == Hold(3000)


def test_the_cap_on_the_charge_bounds_the_hold():
    prices = Prices(cpu_hour=Decimal("0.36"))
    assert hold(prices, limits(seconds=10, usd=2500), subtasks=3, available=0) == Hold(
        2500, SpendingBound.RUN
    )


def test_capped_traffic_is_part_of_the_reserved_amount():
    prices = Prices(traffic_gb=Decimal(1))
    assert hold(prices, limits(traffic=10**6), subtasks=3, available=0) == Hold(1000)


def test_priced_traffic_without_a_cap_holds_the_charge_cap_or_the_whole_balance():
    prices = Prices(cpu_hour=Decimal("0.36"), traffic_gb=Decimal(1))
    capped = hold(prices, limits(seconds=1, usd=10**7), subtasks=1, available=5)
    assert capped == Hold(10**7, SpendingBound.RUN)
    one = limits(seconds=1)
    all_there_is = hold(prices, one, subtasks=1, available=5_000_000)
    assert all_there_is == Hold(5_000_000, SpendingBound.BALANCE)
    assert hold(prices, one, subtasks=1, available=199) == Hold(100, SpendingBound.BALANCE)
    nothing = hold(Prices(traffic_gb=Decimal(1)), limits(), subtasks=1, available=-3)
    assert nothing == Hold(100, SpendingBound.BALANCE)


@pytest.mark.parametrize(
    ("usd", "run_cap", "month_left", "expected"),
    [
        (0, 0, None, Hold(1000)),
        (0, 1000, 1000, Hold(1000, SpendingBound.ACCOUNT)),
        (0, 1100, 1100, Hold(1000)),
        (300, 200, 100, Hold(100, SpendingBound.MONTH)),
        (300, 200, 250, Hold(200, SpendingBound.ACCOUNT)),
        (100, 100, 100, Hold(100, SpendingBound.RUN)),
        (399, 0, None, Hold(300, SpendingBound.RUN)),
        (0, 399, None, Hold(300, SpendingBound.ACCOUNT)),
        (0, 0, 399, Hold(300, SpendingBound.MONTH)),
        (0, 0, 99, Hold(0, SpendingBound.MONTH)),
        (0, 0, -5, Hold(0, SpendingBound.MONTH)),
    ],
)
def test_the_narrowest_cap_bounds_the_hold(
    usd: int, run_cap: int, month_left: int | None, expected: Hold
):
    prices = Prices(cpu_hour=Decimal("0.36"))
    found = hold(
        prices,
        limits(seconds=10, usd=usd),
        subtasks=1,
        available=0,
        run_cap=run_cap,
        month_left=month_left,
    )
    assert found == expected


def test_a_cap_of_the_account_bounds_the_hold_of_uncapped_traffic():
    prices = Prices(traffic_gb=Decimal(1))
    rich = hold(prices, limits(), subtasks=1, available=10**9, run_cap=10**6)
    assert rich == Hold(10**6, SpendingBound.ACCOUNT)
    poor = hold(prices, limits(), subtasks=1, available=10**5, run_cap=10**6, month_left=10**7)
    assert poor == Hold(10**5, SpendingBound.BALANCE)


price = st.decimals(0, 100, places=6)


@given(
    price,
    price,
    price,
    st.sampled_from([0.125, 0.25, 0.1, 1.0, 3.7]),
    st.integers(1, 100),
    st.integers(1, 10**9),
    st.data(),
)
def test_no_run_within_its_limits_costs_more_than_its_hold(
    cpu: Decimal,
    memory: Decimal,
    gb: Decimal,
    cores: float,
    seconds: int,
    cap: int,
    data: st.DataObject,
):
    prices = Prices(cpu, memory, gb)
    device = limits(cpus=cores, memory=512, seconds=seconds, traffic=cap)
    times = data.draw(st.lists(st.integers(0, seconds * 1000), min_size=1, max_size=5))
    traffic = data.draw(st.integers(0, cap))
    first = charge(prices, device, milliseconds=times[0], traffic_bytes=traffic)
    rest = sum(charge(prices, device, milliseconds=t, traffic_bytes=0) for t in times[1:])
    held = hold(prices, device, subtasks=len(times), available=0)
    assert first + rest <= held.micros + len(times)  # each is rounded to the nearest millionth


amount = st.integers(0, 10**9)


@given(price, price, price, amount, amount, amount, st.none() | st.integers(-(10**9), 10**9))
def test_a_hold_is_within_every_cap_and_names_the_lowest(
    cpu: Decimal, memory: Decimal, gb: Decimal, usd: int, free: int, cap: int, left: int | None
):
    prices = Prices(cpu, memory, gb)
    device = limits(seconds=60, usd=usd)
    found = hold(prices, device, subtasks=3, available=free, run_cap=cap, month_left=left)
    if not prices.any():
        assert found == Hold(0)
        return
    assert found.micros >= 0 and found.micros % 100 == 0
    for bound, value in ((SpendingBound.RUN, usd), (SpendingBound.ACCOUNT, cap)):
        assert not value or found.micros <= value
        assert found.bound is not bound or found.micros == rounded_down(value)
    if left is not None:
        assert found.micros <= max(0, left)
    if found.bound is SpendingBound.MOST:
        assert found.micros == highest_charge(prices, device, subtasks=3)


@given(price, price, price, st.integers(0, 10**8), st.integers(0, 10**12), st.integers(1, 999))
def test_a_charge_is_the_exact_sum_rounded_once(
    cpu: Decimal, memory: Decimal, gb: Decimal, ms: int, traffic: int, thousandths: int
):
    """Against a computation in decimals with more digits than the amounts have."""
    cores = thousandths / 1000
    found = charge(
        Prices(cpu, memory, gb), limits(cpus=cores), milliseconds=ms, traffic_bytes=traffic
    )
    with localcontext(prec=60):
        hours = Decimal(ms) / HOUR
        exact = hours * (cpu * Decimal(thousandths) / 1000 + memory) + gb * traffic / 10**9
        assert abs(found - exact * 10**6) <= Decimal("0.5") + Decimal(10) ** -20


@given(price, price, st.lists(st.integers(0, 10**7), min_size=1, max_size=6), st.integers(0, 10**7))
def test_a_charge_never_decreases_with_time_and_is_almost_additive(
    cpu: Decimal, gb: Decimal, times: list[int], more: int
):
    prices = Prices(cpu_hour=cpu, traffic_gb=gb)

    def of(ms: int) -> int:
        return charge(prices, limits(), milliseconds=ms, traffic_bytes=ms)

    assert of(sum(times)) <= of(sum(times) + more)
    assert abs(sum(map(of, times)) - of(sum(times))) <= len(times)


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0.00"),
        (10_000_000, "10.00"),
        (10_122_554_700, "10122.5547"),
        (10_500_000, "10.50"),
        (10_501_000, "10.501"),
        (10_000_099, "10.00"),
        (10_000_100, "10.0001"),
        (9_999_999, "9.9999"),
        (-1, "-0.0001"),
        (-2_500_000, "-2.50"),
        (10**18, "1000000000000.00"),
    ],
)
def test_balances_have_two_to_four_decimals_and_never_show_too_much(micros: int, text: str):
    assert format_balance(micros) == text


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0"),
        (21_700, "0.0217"),
        (65_000, "0.065"),
        (1_000_000, "1"),
        (100_000_000, "100"),
        (49, "0"),
        (50, "0.0001"),
        (1_234_550, "1.2346"),
        (10**15, "1000000000"),
    ],
)
def test_usage_has_up_to_four_decimals_and_no_zeros_at_the_end(micros: int, text: str):
    assert format_usage(micros) == text


def test_an_unbounded_reservation_covers_every_subtask_up_to_its_timeout():
    prices = Prices(cpu_hour=Decimal("0.36"), traffic_gb=Decimal("1"))
    unbounded = hold(prices, limits(seconds=10), subtasks=3, available=100)
    assert unbounded == Hold(3000, SpendingBound.BALANCE)


@pytest.mark.parametrize(
    ("micros", "balance", "usage"),
    [
        (0, "0.00", "0"),
        (10_000_000, "10.00", "10"),
        (100_000_000, "100.00", "100"),
        (1_500_000, "1.50", "1.5"),
        (65_000, "0.065", "0.065"),
        (21_749, "0.0217", "0.0217"),
        (21_750, "0.0217", "0.0218"),
    ],
)
def test_amounts_as_text(micros: int, balance: str, usage: str):
    assert (format_balance(micros), format_usage(micros)) == (balance, usage)
