"""Computes the cost of a run from decimal prices, in whole millionths of a dollar. Pure.

The cost of an attempt is computed with fractions and rounded once. What is held and charged are
whole ten-thousandths of a dollar, the smallest amount that receipts and balances show, so that they
agree to the last digit. With all prices zero (the default) all results are zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache

from fyke.model.billing import MICROS, Prices
from fyke.model.run import RunLimits, SpendingBound

GB = 10**9  # of traffic, in bytes; memory counts 1024 MB to the GB, as the device table does
_MS_PER_HOUR = 3_600_000
_PLACES = Decimal("0.0001")
_UNIT = 100  # micros, the same as ``_PLACES``
START_SECONDS = 10  # the time that an account must be able to pay for to start a run


def charge(
    prices: Prices,
    limits: RunLimits,
    *,
    milliseconds: int,
    traffic_bytes: int,
    browser_ms: int = 0,
) -> int:
    """Cost in micros of one attempt: the time of its device and of its browser, and its traffic."""
    if not prices.any():
        return 0
    cost = _device_cost(prices, limits, milliseconds) + _traffic_cost(prices, traffic_bytes)
    if browser_ms:
        cost += _browser_cost(prices, limits, browser_ms)
    return round(cost)


def receipt(cost: int) -> int:
    """The charge for a cost in micros, as receipts show it: rounded to a ten-thousandth of a
    dollar, and at least one for anything that costs money.
    """
    return max((cost + _UNIT // 2) // _UNIT, 1) * _UNIT if cost > 0 else 0


def rounded_down(micros: int) -> int:
    """The largest amount up to ``micros`` that a receipt can show."""
    return micros // _UNIT * _UNIT


def start_price(prices: Prices, limits: RunLimits, *, subtasks: int) -> int:
    """The price in micros of the first 10 seconds of a run, or of its timeout if that is shorter,
    with all of its subtasks running; at least one unit of a receipt. 0 without prices.

    A run for which less is held would use more than it pays until it is stopped.
    """
    if not prices.any():
        return 0
    seconds = min(START_SECONDS, limits.timeout_s)
    return max(_UNIT, _rounded_up(_time_cost(prices, limits, seconds * 1000) * subtasks))


def highest_charge(prices: Prices, limits: RunLimits, *, subtasks: int) -> int | None:
    """The highest possible charge of a run in micros: each subtask up to its timeout, as often as
    it may be tried, with its browser if it may have one, and the traffic up to its cap. None when
    traffic costs money and has no cap.
    """
    bound = _highest_time_cost(prices, limits, subtasks)
    if not prices.traffic_gb:
        return _rounded_up(bound)
    if not limits.max_traffic_bytes:
        return None
    return _rounded_up(bound + _traffic_cost(prices, limits.max_traffic_bytes))


@dataclass(frozen=True, slots=True)
class Hold:
    """The amount to hold for a run, and the limit that sets it."""

    micros: int
    bound: SpendingBound = SpendingBound.MOST


def hold(
    prices: Prices,
    limits: RunLimits,
    *,
    subtasks: int,
    available: int,
    run_cap: int = 0,
    month_left: int | None = None,
) -> Hold:
    """The amount to hold before the start, so that concurrent starts cannot spend the same money
    twice. The run is never charged more.

    It is the lowest of: the highest possible charge of the run, its ``max_charge_micros``, the
    account's ``run_cap`` (0 = none), and ``month_left`` (None = no cap). A run without a highest
    charge and without ``max_charge_micros`` holds no more than is ``available``, or the price of
    its time when that is more. Caps are rounded down to what a receipt can show, so that none is
    exceeded. A run may start with no less than its ``start_price``.
    """
    if not prices.any():
        return Hold(0)
    bounds = []
    if limits.max_charge_micros:
        bounds.append(Hold(rounded_down(limits.max_charge_micros), SpendingBound.RUN))
    if run_cap:
        bounds.append(Hold(rounded_down(run_cap), SpendingBound.ACCOUNT))
    if month_left is not None:
        bounds.append(Hold(max(0, rounded_down(month_left)), SpendingBound.MONTH))
    highest = highest_charge(prices, limits, subtasks=subtasks)
    if highest is not None:
        bounds.append(Hold(highest))
    elif not limits.max_charge_micros:
        time_price = _rounded_up(_highest_time_cost(prices, limits, subtasks))
        all_there_is = max(time_price, rounded_down(available), _UNIT)
        bounds.append(Hold(all_there_is, SpendingBound.BALANCE))
    return min(bounds, key=lambda bound: bound.micros)


def format_balance(micros: int) -> str:
    """US dollars with 2 to 4 decimals, never more than there is: ``10.00``, ``10122.5547``."""
    text = str((Decimal(micros) / MICROS).quantize(_PLACES, ROUND_FLOOR))
    return text[:-2] + text[-2:].rstrip("0")


def format_usage(micros: int) -> str:
    """US dollars with up to 4 decimals and no trailing zeros: ``0.0217``, ``0.065``, ``0``."""
    text = str((Decimal(micros) / MICROS).quantize(_PLACES, ROUND_HALF_UP))
    return text.rstrip("0").rstrip(".")


def _rounded_up(micros: Fraction) -> int:
    return math.ceil(micros / _UNIT) * _UNIT


def _highest_time_cost(prices: Prices, limits: RunLimits, subtasks: int) -> Fraction:
    tries = subtasks * (1 + limits.max_retries)
    return _time_cost(prices, limits, limits.timeout_s * 1000) * tries


def _time_cost(prices: Prices, limits: RunLimits, milliseconds: int) -> Fraction:
    """The price of the time of an attempt that has a browser throughout, if it may have one."""
    device = _device_cost(prices, limits, milliseconds)
    return device + _browser_cost(prices, limits, milliseconds)


def _device_cost(prices: Prices, limits: RunLimits, milliseconds: int) -> Fraction:
    return _per_millisecond(prices, limits.cpus, limits.memory_mb) * milliseconds


def _browser_cost(prices: Prices, limits: RunLimits, milliseconds: int) -> Fraction:
    return _per_millisecond(prices, limits.browser_cpus, limits.browser_memory_mb) * milliseconds


@lru_cache(maxsize=256)  # an active run is priced again whenever it is read
def _per_millisecond(prices: Prices, cpus: float, memory_mb: int) -> Fraction:
    cores = Fraction(str(cpus))  # by its decimal form: 0.1 means a tenth
    per_hour = Fraction(prices.cpu_hour) * cores
    per_hour += Fraction(prices.memory_gb_hour) * memory_mb / 1024
    return per_hour * MICROS / _MS_PER_HOUR


def _traffic_cost(prices: Prices, traffic_bytes: int) -> Fraction:
    return Fraction(prices.traffic_gb) * traffic_bytes * MICROS / GB
