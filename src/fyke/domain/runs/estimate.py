"""Estimates the usage of a run from earlier runs of the same Worker. Pure.

Every earlier run is scaled to the wanted device and number of subtasks; then half of them are
within ``p50``, and 95 % within ``p95``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from fyke.domain.billing.pricing import charge
from fyke.model.billing import Prices
from fyke.model.run import PastRun, RunLimits

NEEDED = 10  # with fewer runs there is nothing to go by
MAX_SAMPLES = 200  # the last ones that are taken
LOOKED_AT = 400  # the last ones of the worker among which they are looked for


@dataclass(frozen=True, slots=True)
class Spread:
    """Half of the runs stay within ``p50``, 95 % within ``p95``."""

    p50: int
    p95: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """``time`` in ms from start to end, ``traffic`` in bytes, ``charge`` in micros."""

    time: Spread
    traffic: Spread
    charge: Spread


@dataclass(frozen=True, slots=True)
class Basis:
    """The runs that an estimate is based on, newest first: of one version, or of all when that one
    has too few. ``enough``: whether there are enough for an estimate.
    """

    runs: Sequence[PastRun]
    of_version: bool

    @property
    def enough(self) -> bool:
        return len(self.runs) >= NEEDED

    @property
    def needed(self) -> int:
        return NEEDED


def basis(past: Sequence[PastRun], version: str) -> Basis:
    """Choose among the last runs of a worker, newest first."""
    same = [run for run in past if run.version == version][:MAX_SAMPLES]
    if len(same) >= NEEDED or len(same) == len(past):
        return Basis(same, of_version=True)
    return Basis(past[:MAX_SAMPLES], of_version=False)


def estimate(
    prices: Prices, found: Basis, limits: RunLimits, *, subtasks: int = 0
) -> Estimate | None:
    """The probable usage of a run with ``limits``, split into ``subtasks`` (0 = as the earlier ones
    were). None without enough earlier runs.
    """
    if not found.enough:
        return None
    taken = [_carried_over(prices, run, limits, subtasks or run.subtasks) for run in found.runs]
    times, traffics, charges = zip(*taken, strict=True)
    return Estimate(_spread(times), _spread(traffics), _spread(charges))


def _carried_over(
    prices: Prices, run: PastRun, limits: RunLimits, subtasks: int
) -> tuple[int, int, int]:
    """Scale time, traffic and charge of an earlier run.

    Everything grows with the number of subtasks, because the same number runs in parallel. On
    fewer cores the time is at least what the CPU time requires; more cores are not assumed to be
    faster. The result is cut at the limits.
    """
    parts = Fraction(subtasks, max(1, run.subtasks))
    busy, cpu = run.busy_ms * parts, run.cpu_ms * parts
    cores = Fraction(str(limits.cpus))
    longer = max(busy, cpu / cores) if cores < Fraction(str(run.cpus)) else busy
    longer = min(longer, Fraction(limits.timeout_s * 1000 * subtasks))
    wall_ms = run.wall_ms * parts * (longer / busy if busy else 1)
    traffic = math.ceil(run.traffic_bytes * parts)
    if limits.max_traffic_bytes:
        traffic = min(traffic, limits.max_traffic_bytes)
    cost = charge(prices, limits, milliseconds=round(longer), traffic_bytes=traffic)
    if limits.max_charge_micros:
        cost = min(cost, limits.max_charge_micros)
    return round(wall_ms), traffic, cost


def _spread(values: Sequence[int]) -> Spread:
    ordered = sorted(values)
    return Spread(_rank(ordered, 50), _rank(ordered, 95))


def _rank(ordered: Sequence[int], percent: int) -> int:
    """The smallest value that so many percent do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
