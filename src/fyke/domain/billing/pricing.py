"""Computes the cost of a run from decimal prices, in whole millionths of a dollar. Pure.

Sums are computed with fractions and rounded once, at the end, so that rounding errors do not add
up. With all prices zero (the default) all results are zero.
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


def charge(prices: Prices, limits: RunLimits, *, milliseconds: int, traffic_bytes: int) -> int:
    """Cost in micros of one attempt: the time of its device, and its traffic."""
    if not prices.any():
        return 0
    cost = _time_cost(prices, limits, milliseconds) + _traffic_cost(prices, traffic_bytes)
    return round(cost)


def most(prices: Prices, limits: RunLimits, *, subtasks: int) -> int | None:
    """The highest possible cost of a run in micros: each subtask up to its timeout, the traffic up
    to its cap. None when traffic costs money and has no cap.
    """
    bound = math.ceil(_time_cost(prices, limits, limits.timeout_s * 1000)) * subtasks
    if not prices.traffic_gb:
        return bound
    if not limits.max_traffic_bytes:
        return None
    return bound + math.ceil(_traffic_cost(prices, limits.max_traffic_bytes))


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

    It is the lowest of: the highest possible cost of the run, its ``max_charge_micros``, the
    account's ``run_cap`` (0 = none), and ``month_left`` (None = no cap; at least one millionth is
    held). A run without a highest cost and without ``max_charge_micros`` holds no more than is
    ``available``, or the cost of its time when that is more; at least one millionth, so that an
    empty account cannot start it.
    """
    if not prices.any():
        return Hold(0)
    bounds = [
        Hold(limits.max_charge_micros, SpendingBound.RUN),
        Hold(run_cap, SpendingBound.ACCOUNT),
    ]
    bounds = [bound for bound in bounds if bound.micros]
    if month_left is not None:
        bounds.append(Hold(max(1, month_left), SpendingBound.MONTH))
    highest = most(prices, limits, subtasks=subtasks)
    if highest is not None:
        bounds.append(Hold(highest))
    elif not limits.max_charge_micros:
        time_cost = math.ceil(_time_cost(prices, limits, limits.timeout_s * 1000)) * subtasks
        bounds.append(Hold(max(time_cost, available, 1), SpendingBound.BALANCE))
    return min(bounds, key=lambda bound: bound.micros)


def format_balance(micros: int) -> str:
    """US dollars with 2 to 4 decimals, never more than there is: ``10.00``, ``10122.5547``."""
    text = str((Decimal(micros) / MICROS).quantize(_PLACES, ROUND_FLOOR))
    return text[:-2] + text[-2:].rstrip("0")


def format_usage(micros: int) -> str:
    """US dollars with up to 4 decimals and no trailing zeros: ``0.0217``, ``0.065``, ``0``."""
    text = str((Decimal(micros) / MICROS).quantize(_PLACES, ROUND_HALF_UP))
    return text.rstrip("0").rstrip(".")


def _time_cost(prices: Prices, limits: RunLimits, milliseconds: int) -> Fraction:
    return _per_millisecond(prices, limits.cpus, limits.memory_mb) * milliseconds


@lru_cache(maxsize=256)  # an active run is priced again whenever it is read
def _per_millisecond(prices: Prices, cpus: float, memory_mb: int) -> Fraction:
    cores = Fraction(str(cpus))  # by its decimal form: 0.1 means a tenth
    per_hour = Fraction(prices.cpu_hour) * cores
    per_hour += Fraction(prices.memory_gb_hour) * memory_mb / 1024
    return per_hour * MICROS / _MS_PER_HOUR


def _traffic_cost(prices: Prices, traffic_bytes: int) -> Fraction:
    return Fraction(prices.traffic_gb) * traffic_bytes * MICROS / GB
