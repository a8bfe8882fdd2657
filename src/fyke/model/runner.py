"""Runners: what they report, their capacity, and the attempts that they lease."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.model.run import Attempt, Run, Subtask


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a runner can still take."""

    cpus: float
    memory_mb: int
    slots: int


@dataclass(frozen=True, slots=True)
class Lease:
    """An attempt leased to a runner, with all it needs."""

    attempt: Attempt
    subtask: Subtask
    run: Run


@dataclass(frozen=True, slots=True)
class RunnerInfo:
    """A runner as it last reported. ``isolation`` is ``full``, ``no-limits`` or ``none``, and
    ``checks`` its isolation checks: (name, whether it passed, what was seen). ``unsafe``: it runs
    Workers all the same, because its operator allowed that.
    """

    id: str
    node: str
    isolation: str
    reason: str
    cpus: float
    memory_mb: int
    heartbeat_at: int
    checks: tuple[tuple[str, bool, str], ...] = ()
    unsafe: bool = False


@dataclass(frozen=True, slots=True)
class AttemptUsage:
    """What an attempt has used so far. ``memory_bytes`` is its memory at the moment, ``rows`` what
    it has pushed; both are for the curve and no part of a run's sums. ``memory_mb_ms`` is its
    memory over time, in MiB times milliseconds.
    """

    traffic_bytes: int = 0
    cpu_ms: int = 0
    memory_peak_bytes: int = 0
    memory_bytes: int = 0
    rows: int = 0
    memory_mb_ms: int = 0


@dataclass(frozen=True, slots=True)
class RunnerLoad:
    """What the living attempts of one runner may use."""

    runner_id: str
    cpus: float
    memory_mb: int
