"""What goes over the wire, as dataclasses. Names are those of the wire.

Times ending in ``_at`` are Unix seconds, ``timestamp`` is in ms, traffic in bytes, money text in
US dollars. Unknown fields of a newer server are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fyke.wire import v1

Row = dict[str, Any]


# --- requests ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A start. ``custom`` is the Worker's own input, ``system`` the device and the limits."""

    worker: str
    custom: dict[str, Any] = field(default_factory=dict)
    system: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    callback_url: str = ""

    def wire(self, **more: Any) -> v1.StartRun:
        """The request as it is sent; ``more`` says how to answer."""
        return v1.StartRun(
            scraper_slug=self.worker,
            input=self.input(),
            version=self.version or None,
            callback_url=self.callback_url,
            **more,
        )

    def input(self) -> dict[str, Any]:
        return {"parameters": {"system": self.system, "custom": self.custom}}


# --- answers -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What the server adds to a run's detail. ``hidden`` rows belong to Workers that failed."""

    hidden: int


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run with the reason of its end; ``duration`` in seconds."""

    slug: str
    worker: str
    worker_slug: str
    version: str
    origin: str
    state: str
    error: str
    reason_code: str
    reason_params: dict[str, Any]
    results: int
    usage: str
    traffic: int
    duration: float
    started_at: int
    finished_at: int


EndedRuns = list[EndedRun]


@dataclass(frozen=True, slots=True)
class EndedPage:
    """``count`` is None where it was not counted."""

    count: int | None
    list: EndedRuns


@dataclass(frozen=True, slots=True)
class Finding:
    severity: str
    code: str
    file: str
    line: int
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Site:
    """``why`` it was refused: ``undeclared``, ``not_public`` or ``rule``; else empty."""

    domain: str
    requests: int
    bytes_up: int
    bytes_down: int
    failures: int
    refused: int
    why: str


Sites = list[Site]


@dataclass(frozen=True, slots=True)
class RunSites:
    """``egress``: the only domains that the version may reach, None for every public one."""

    list: Sites
    egress: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Published:
    slug: str
    path: str
    version: str
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class OwnWorker:
    slug: str
    path: str
    title: str
    description: str
    public: bool
    version: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Version:
    """``egress``: the only domains that it may reach, None for every public one."""

    version: str
    state: str
    language: str
    digest: str
    created_at: int
    egress: list[str] | None = None
    builds: bool = False


@dataclass(frozen=True, slots=True)
class SecondsSpread:
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class BytesSpread:
    p50: int
    p95: int


@dataclass(frozen=True, slots=True)
class MoneySpread:
    p50: str
    p95: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """``time``, ``traffic`` and ``charge`` are None without ``enough`` earlier runs."""

    version: str
    enough: bool
    needed: int
    runs: int
    of_version: bool
    oldest_at: int
    newest_at: int
    memory: int
    cpus: float
    priced: bool
    time: SecondsSpread | None
    traffic: BytesSpread | None
    charge: MoneySpread | None


@dataclass(frozen=True, slots=True)
class Caps:
    """US dollars; a cap of 0 is none, and then ``left`` is None."""

    run_cap: str
    month_cap: str
    month: str
    time_zone: str
    spent: str
    held: str
    left: str | None
    priced: bool


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """Why a run has not started; ``code`` and ``reason`` are empty when it has."""

    slug: str
    code: str
    reason: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunEvent:
    timestamp: int
    kind: str
    before: str
    after: str
    actor: str
    detail: str
    reason_code: str
    reason_params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """``position`` rises within the run: ask for what is behind the last one to follow a log."""

    position: int
    type: int
    group: str
    content: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class Runner:
    id: str
    node: str
    isolation: str
    reason: str
    cpus: float
    memory: int
    heartbeat_at: int
