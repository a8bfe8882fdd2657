"""The cost of a run by item: CPU, memory, traffic, browser. The lines add up to the millionth.

An item costs its quantity times its price. The run is charged whole ten-thousandths of a dollar,
and the difference is a line of its own. Where the charge has another cause, a change of prices or
the amount held, it is distributed over the items in proportion to their costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from fyke.domain.billing.pricing import GB, charge, receipt
from fyke.model.billing import MICROS, Prices
from fyke.model.run import RunLimits

_MS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class MeteredUsage:
    """The charged usage of one attempt: the time of its device and of its browser, its traffic."""

    milliseconds: int
    traffic_bytes: int
    browser_ms: int = 0


@dataclass(frozen=True, slots=True)
class CostLine:
    """``kind`` is ``cpu``, ``memory``, ``traffic``, ``browser_cpu``, ``browser_memory``,
    ``rounding``, or ``other`` for costs that cannot be itemised any more. ``quantity`` is in
    ``unit`` (core-hours, GB-hours, GB), ``price`` is the current one in US dollars per unit; both
    are 0 for ``rounding``, whose cost may be negative, and for ``other``.
    """

    kind: str
    quantity: Decimal
    unit: str
    price: Decimal
    micros: int


def cost_lines(
    prices: Prices, limits: RunLimits, attempts: Sequence[MeteredUsage], usage_micros: int
) -> list[CostLine]:
    """Lines that add up to ``usage_micros``; one for each item, even free ones, with those of the
    browser when the run may have one. After a change of prices the lines are in proportion to the
    current ones; when all of these are 0, the cost is one line ``other``.
    """
    hours = Fraction(sum(a.milliseconds for a in attempts), _MS_PER_HOUR)
    traffic = Fraction(sum(a.traffic_bytes for a in attempts), GB)
    items = [
        ("cpu", hours * Fraction(str(limits.cpus)), "core-hours", prices.cpu_hour),
        ("memory", hours * limits.memory_mb / 1024, "GB-hours", prices.memory_gb_hour),
        ("traffic", traffic, "GB", prices.traffic_gb),
    ]
    if limits.browser_memory_mb:
        hours = Fraction(sum(a.browser_ms for a in attempts), _MS_PER_HOUR)
        cores, gb = Fraction(str(limits.browser_cpus)), Fraction(limits.browser_memory_mb, 1024)
        items += [
            ("browser_cpu", hours * cores, "core-hours", prices.cpu_hour),
            ("browser_memory", hours * gb, "GB-hours", prices.memory_gb_hour),
        ]
    costs = [quantity * Fraction(price) for _, quantity, _, price in items]
    itemised = _itemised(prices, limits, attempts, costs, usage_micros)
    lines = [
        CostLine(kind, _decimal(quantity), unit, price, micros)
        for (kind, quantity, unit, price), micros in zip(
            items, _distribute(itemised, costs), strict=True
        )
    ]
    rest = usage_micros - itemised
    if rest:
        kind = "rounding" if sum(costs) else "other"
        lines.append(CostLine(kind, Decimal(0), "", Decimal(0), rest))
    return lines


def _itemised(
    prices: Prices,
    limits: RunLimits,
    attempts: Sequence[MeteredUsage],
    costs: Sequence[Fraction],
    usage_micros: int,
) -> int:
    """The part of the charge that the lines of the items show together."""
    charged = sum(
        charge(
            prices,
            limits,
            milliseconds=a.milliseconds,
            traffic_bytes=a.traffic_bytes,
            browser_ms=a.browser_ms,
        )
        for a in attempts
    )
    if not sum(costs):
        return 0
    return round(sum(costs) * MICROS) if receipt(charged) == usage_micros else usage_micros


def _distribute(total: int, weights: Sequence[Fraction]) -> list[int]:
    """``total`` in whole parts in proportion to ``weights``, by the largest remainders."""
    total_weight = sum(weights)
    if not total_weight:
        return [0] * len(weights)
    exact = [total * weight / total_weight for weight in weights]
    parts = [int(part) for part in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: parts[i] - exact[i])
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts


def _decimal(quantity: Fraction) -> Decimal:
    """Round to nine decimals, the precision of one byte in gigabytes."""
    return Decimal(round(quantity * 10**9)).scaleb(-9)
