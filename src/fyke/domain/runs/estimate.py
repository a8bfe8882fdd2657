"""Estimates the usage of a run from earlier runs of the same Worker. Pure.

Each earlier run is scaled to the requested device and number of subtasks; half of the scaled runs
are within ``p50``, and 95 % within ``p95``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from fyke.domain.billing.pricing import charge
from fyke.model.billing import Prices
from fyke.model.run import PastRun, RunLimits

MIN_RUNS = 10  # fewer are not enough for an estimate
MAX_SAMPLES = 200  # the newest runs that are used
MAX_SEARCHED = 400  # the newest runs of the worker that are searched for samples


@dataclass(frozen=True, slots=True)
class Spread:
    """The 50th and 95th percentile."""

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
    """The runs that an estimate is based on, newest first: of one version (``of_version``), or of
    all versions when that version has too few.
    """

    runs: Sequence[PastRun]
    of_version: bool

    @property
    def enough(self) -> bool:
        return len(self.runs) >= MIN_RUNS

    @property
    def needed(self) -> int:
        return MIN_RUNS


def basis(past: Sequence[PastRun], version: str) -> Basis:
    """Choose the basis from ``past``, the last runs of a worker, newest first."""
    of_version = [run for run in past if run.version == version][:MAX_SAMPLES]
    if len(of_version) >= MIN_RUNS or len(of_version) == len(past):
        return Basis(of_version, of_version=True)
    return Basis(past[:MAX_SAMPLES], of_version=False)


def estimate(
    prices: Prices, basis: Basis, limits: RunLimits, *, subtasks: int = 0
) -> Estimate | None:
    """The probable usage of a run with ``limits`` and ``subtasks`` (0 = as many as each earlier run
    had). The browsers of ``limits`` cost as long as earlier runs had them. None without enough
    earlier runs.
    """
    if not basis.enough:
        return None
    scaled = [_scale(prices, run, limits, subtasks or run.subtasks) for run in basis.runs]
    times, traffics, charges = zip(*scaled, strict=True)
    return Estimate(_spread(times), _spread(traffics), _spread(charges))


def _scale(prices: Prices, run: PastRun, limits: RunLimits, subtasks: int) -> tuple[int, int, int]:
    """Scale time, traffic and charge of an earlier run.

    All are proportional to the number of subtasks, assuming that as many run in parallel. With
    fewer cores the time is at least the CPU time divided by them; more cores are not assumed to be
    faster. The results do not exceed the limits.
    """
    ratio = Fraction(subtasks, max(1, run.subtasks))
    busy, cpu = run.busy_ms * ratio, run.cpu_ms * ratio
    cores = Fraction(str(limits.cpus))
    scaled_busy = max(busy, cpu / cores) if cores < Fraction(str(run.cpus)) else busy
    scaled_busy = min(scaled_busy, Fraction(limits.timeout_s * 1000 * subtasks))
    longer = ratio * (scaled_busy / busy if busy else 1)
    wall_ms, browser_ms = run.wall_ms * longer, run.browser_ms * longer
    traffic = math.ceil(run.traffic_bytes * ratio)
    if limits.max_traffic_bytes:
        traffic = min(traffic, limits.max_traffic_bytes)
    cost = charge(
        prices,
        limits,
        milliseconds=round(scaled_busy),
        traffic_bytes=traffic,
        browser_ms=round(browser_ms),
    )
    if limits.max_charge_micros:
        cost = min(cost, limits.max_charge_micros)
    return round(wall_ms), traffic, cost


def _spread(values: Sequence[int]) -> Spread:
    ordered = sorted(values)
    return Spread(_percentile(ordered, 50), _percentile(ordered, 95))


def _percentile(ordered: Sequence[int], percent: int) -> int:
    """The smallest value that ``percent`` of the values do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
