"""Runners: what they report, their capacity, and the attempts that they lease."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fyke.model.browser import ANY_BROWSER, NO_BROWSER, BrowserOffer, BrowserProgram
from fyke.model.placement import DEFAULT_POOL
from fyke.model.run import Attempt, Run, RunLimits, Subtask
from fyke.reasons import Detail

# how long an attempt stays with a runner that does not renew its lease, unless it is set
LEASE_SECONDS = 15.0
TOLERANCE = 1e-9  # cores; for rounding errors in sums such as 0.1 + 0.2
NOT_MEASURED = -1  # instead of a number of bytes
MAX_ENVIRONMENTS = 64  # that a runner names: 2 KiB in each of its reports
NODE_PLACE = "node/"  # with it begins the place of a node; others begin with the boot of a machine


@dataclass(frozen=True, slots=True)
class Capacity:
    """Free resources of a runner.

    ``browsers`` is how many more attempts may have a browser, None when this runner has none: then
    attempts reserve nothing for it. ``browser_share`` is the part of a browser's limits that an
    attempt reserves, from 0 to 1: a browser rarely needs its full limits. ``browser_ready``:
    whether it takes attempts of runs that require a browser; those that ask for more than
    ``offer`` are not among them. ``total`` is what the runner has when it runs nothing, in cores
    and MiB; None when that does not matter.
    """

    cpus: float
    memory_mb: int
    slots: int
    browsers: int | None = None
    browser_share: float = 0.0
    browser_ready: bool = False
    offer: BrowserOffer = NO_BROWSER
    total: tuple[float, int] | None = None

    def browser_reserve(self, cpus: float, memory_mb: int) -> tuple[float, int, int]:
        """What the browser of an attempt takes of it: cores, MiB, and how many of ``browsers``.

        ``cpus`` and ``memory_mb`` are the browser's limits, 0 for an attempt without one.
        """
        if self.browsers is None or not memory_mb:
            return 0.0, 0, 0
        return self.browser_share * cpus, math.ceil(self.browser_share * memory_mb), 1

    def without_browser(self, cpus: float, memory_mb: int) -> Capacity:
        """What is left beside the browser of an attempt, with these limits."""
        cores, megabytes, places = self.browser_reserve(cpus, memory_mb)
        return replace(
            self,
            cpus=self.cpus - cores,
            memory_mb=self.memory_mb - megabytes,
            browsers=None if self.browsers is None else self.browsers - places,
        )

    @property
    def is_possible(self) -> bool:
        """Whether no more is used than there is, apart from ``browsers``."""
        return self.cpus >= -TOLERANCE and self.memory_mb >= 0 and self.slots >= 0


@dataclass(frozen=True, slots=True)
class Lease:
    """An attempt that is leased to a runner, with its subtask and run."""

    attempt: Attempt
    subtask: Subtask
    run: Run


@dataclass(frozen=True, slots=True)
class RunnerInfo:
    """A runner as it last reported. ``isolation`` is ``full``, ``no-limits`` or ``none``, and
    ``checks`` its isolation checks: (name, passed, finding). ``unsafe``: it runs Workers even
    without isolation, because the operator allowed that. ``draining``: it is being stopped and
    takes no more attempts. ``place`` identifies its data folder and the boot of its machine; a
    place has one runner at a time, which is the successor of all others with this place.
    ``trouble``: why it currently cannot start Workers, None when it can. ``idle_sandboxes`` wait
    for an attempt and use ``idle_memory`` bytes. ``browsers`` is how many attempts may have one, 0
    when it has none, and ``browser_share`` as in ``Capacity``. ``browser_problem``: why it cannot
    be used, "" also while that is being checked. ``browser_programs`` are those that it has, with a
    virtual display if ``browser_display``; none until they were found. ``pool`` and ``labels`` are
    those of its machine, as the installation knows them. ``settings_version`` is the number of the
    version of the installation's settings that its egress has, 0 for none yet. ``environments`` are
    the names (``environment_name``) of those that its machine has, the last used first, at most
    ``MAX_ENVIRONMENTS``. ``disk_free`` of ``disk_total`` bytes are free on the disk of its data
    folder, which is nearly full below ``disk_floor``; ``cache_bytes`` is the size of what it has
    fetched and installed, ``NOT_MEASURED`` until it knows. ``clock_ms`` is the time of its own
    clock when it reported, while ``heartbeat_at`` is that of the database. Each of the other four
    is 0 if it is not known.
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
    draining: bool = False
    place: str = ""
    trouble: Detail | None = None
    idle_sandboxes: int = 0
    idle_memory: int = 0
    browsers: int = 0
    browser_share: float = 0.0
    browser_problem: str = ""
    browser_programs: tuple[BrowserProgram, ...] = ()
    browser_display: bool = False
    pool: str = DEFAULT_POOL
    labels: Mapping[str, str] = field(default_factory=dict)
    settings_version: int = 0
    environments: tuple[str, ...] = ()
    disk_free: int = 0
    disk_total: int = 0
    disk_floor: int = 0
    cache_bytes: int = NOT_MEASURED
    clock_ms: int = 0

    @property
    def measured_caches(self) -> int | None:
        """``cache_bytes``; None if that is not measured yet."""
        return None if self.cache_bytes == NOT_MEASURED else self.cache_bytes

    @property
    def clock_ahead_ms(self) -> int:
        """How far its clock is ahead of that of the database, negative if it is behind; 0 if that
        is not known. The time that the report took makes it seem behind.
        """
        return self.clock_ms - self.heartbeat_at if self.clock_ms else 0

    @property
    def is_disk_low(self) -> bool:
        """Whether its disk is nearly full."""
        return self.disk_total > 0 and self.disk_free < self.disk_floor

    @property
    def offer(self) -> BrowserOffer:
        """What runs can ask of its browsers; everything as long as that is not known."""
        if not self.browser_programs:
            return ANY_BROWSER
        return BrowserOffer(self.browser_programs, self.browser_display)

    @property
    def has_browser(self) -> bool:
        """Whether attempts may have a browser, as far as is known."""
        return self.browsers > 0 and not self.browser_problem

    def is_large_enough(self, limits: RunLimits) -> bool:
        """Whether an attempt with these limits fits while the runner runs nothing else."""
        cpus, memory_mb = self.reserved(load_of(limits))
        return cpus <= self.cpus + TOLERANCE and memory_mb <= self.memory_mb

    def reserved(self, load: RunnerLoad) -> tuple[float, int]:
        """The cores and MiB that attempts with this load take from it."""
        if not self.browsers:
            return load.cpus, load.memory_mb
        share = self.browser_share
        return (
            load.cpus + share * load.browser_cpus,
            load.memory_mb + math.ceil(share * load.browser_memory_mb),
        )

    def has_room(self, load: RunnerLoad, need: RunnerLoad) -> bool:
        """Whether an attempt with the load ``need`` fits beside this load."""
        if need.browsers and self.lacks_places(load):
            return False
        (cpus, memory_mb), (more_cpus, more_mb) = self.reserved(load), self.reserved(need)
        return cpus + more_cpus <= self.cpus + TOLERANCE and memory_mb + more_mb <= self.memory_mb

    def lacks_places(self, load: RunnerLoad) -> bool:
        """Whether it takes no attempt with a browser beside this load."""
        return 0 < self.browsers <= load.browsers


@dataclass(frozen=True, slots=True)
class AttemptUsage:
    """The usage of an attempt so far. ``memory_bytes`` is its current memory, ``rows`` the number
    of pushed rows and ``browser_memory_bytes`` the current memory of its browser, all three only
    for usage samples. ``memory_mb_ms`` is memory over time, in MiB times milliseconds, and
    ``busy_ms`` how long its Worker has run; those of ``browser`` are the same of its browsers, and
    ``browser_version`` is the program and number of the latest one.
    """

    traffic_bytes: int = 0
    cpu_ms: int = 0
    memory_peak_bytes: int = 0
    memory_bytes: int = 0
    rows: int = 0
    memory_mb_ms: int = 0
    busy_ms: int = 0
    browser_ms: int = 0
    browser_cpu_ms: int = 0
    browser_memory_peak_bytes: int = 0
    browser_memory_mb_ms: int = 0
    browser_version: str = ""
    browser_memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Renewal:
    """The lease of an attempt is renewed with this token, together with its usage."""

    attempt_id: str
    token: int
    usage: AttemptUsage


@dataclass(frozen=True, slots=True)
class Renewed:
    """The attempts whose leases were renewed, with their fencing tokens, and the time. Of their
    runs: ``capped`` can reach a cap on their traffic or charge; ``ending`` have ended or are being
    stopped.
    """

    tokens: dict[str, int]  # by attempt id
    at: int
    capped: frozenset[str]
    ending: frozenset[str]


@dataclass(frozen=True, slots=True)
class RunnerLoad:
    """The limits of the active ``attempts`` of one runner and of their browsers, added up;
    ``browsers`` of these attempts may have one.
    """

    runner_id: str
    cpus: float = 0.0
    memory_mb: int = 0
    browsers: int = 0
    browser_cpus: float = 0.0
    browser_memory_mb: int = 0
    attempts: int = 0


def load_of(limits: RunLimits) -> RunnerLoad:
    """The load of one attempt with these limits, on no runner yet."""
    browsers = 1 if limits.browser_memory_mb else 0
    browser = limits.browser_cpus, limits.browser_memory_mb
    return RunnerLoad("", limits.cpus, limits.memory_mb, browsers, *browser, attempts=1)
