"""What a run costs, exactly: decimal prices in, whole millionths of a dollar out.

Pure. Every sum is made of fractions and rounded once, at the end, so that adding up the parts of
a price list never drifts. With all prices zero (the default) everything here is zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache

from fyke.domain.billing.model import MICROS
from fyke.domain.runs.model import RunLimits

GB = 10**9  # of traffic, in bytes; memory counts 1024 MB to the GB, as the device table does
_MS_PER_HOUR = 3_600_000
_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per core and hour, per GB of memory and hour, per GB of traffic.

    ``traffic_quota``: whether traffic is also counted down from what the account was given.
    """

    cpu_hour: Decimal = Decimal(0)
    memory_gb_hour: Decimal = Decimal(0)
    traffic_gb: Decimal = Decimal(0)
    traffic_quota: bool = False

    def any(self) -> bool:
        """Whether anything costs money."""
        return bool(self.cpu_hour or self.memory_gb_hour or self.traffic_gb)


def charge(prices: Prices, limits: RunLimits, *, milliseconds: int, traffic_bytes: int) -> int:
    """Cost in micros of one attempt: its device for so long, and its traffic."""
    if not prices.any():
        return 0
    cost = _time_cost(prices, limits, milliseconds) + _traffic_cost(prices, traffic_bytes)
    return round(cost)


def hold(prices: Prices, limits: RunLimits, *, subtasks: int, available: int) -> int:
    """Micros to set aside before the start, so that parallel starts cannot spend money twice.

    It is the most that the run can cost: every subtask up to its timeout, the traffic up to its
    cap, and never more than ``max_charge_micros`` when that is set. A run whose traffic costs
    money and that has neither cap has no such bound; it holds all that is ``available`` (micros),
    and at least one millionth, so that an empty account cannot start it.
    """
    if not prices.any():
        return 0
    bound = math.ceil(_time_cost(prices, limits, limits.timeout_s * 1000)) * subtasks
    if prices.traffic_gb:
        if limits.max_traffic_bytes:
            bound += math.ceil(_traffic_cost(prices, limits.max_traffic_bytes))
        elif limits.max_charge_micros:
            return limits.max_charge_micros
        else:
            return max(bound, available, 1)
    return min(bound, limits.max_charge_micros) if limits.max_charge_micros else bound


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


@lru_cache(maxsize=256)  # a living run is priced again at every look at it
def _per_millisecond(prices: Prices, cpus: float, memory_mb: int) -> Fraction:
    cores = Fraction(str(cpus))  # by its decimal form: 0.1 means a tenth
    per_hour = Fraction(prices.cpu_hour) * cores
    per_hour += Fraction(prices.memory_gb_hour) * memory_mb / 1024
    return per_hour * MICROS / _MS_PER_HOUR


def _traffic_cost(prices: Prices, traffic_bytes: int) -> Fraction:
    return Fraction(prices.traffic_gb) * traffic_bytes * MICROS / GB
