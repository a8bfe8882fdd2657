"""What an operator sees of the installation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fyke.model.account import Plan
from fyke.model.billing import Prices

MAX_COUNTED = 100_000  # runs counted for a preview of retention


class HealthCard(StrEnum):
    """The parts of health, each checked separately, so that a hanging check delays no other."""

    DATABASE = "database"
    DISK = "disk"
    PROCESSES = "processes"
    RUNNERS = "runners"
    EGRESS = "egress"
    PROXIES = "proxies"
    TIMERS = "timers"


@dataclass(frozen=True, slots=True)
class PlanLine:
    """A plan, how many runs it allows at once (None = no limit), and how many accounts have it."""

    plan: Plan
    max_runs: int | None
    accounts: int


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices, plans and limits of the settings."""

    prices: Prices
    default_plan: Plan
    rate_limit: int  # requests a second of a key, 0 = no limit
    max_subtasks: int


@dataclass(frozen=True, slots=True)
class RegionProxy:
    """The proxy of a region. ``code`` is ``*`` for all regions without a proxy of their own;
    ``address`` is without user and password.
    """

    code: str
    address: str
    error: str  # why it cannot be used, else empty


@dataclass(frozen=True, slots=True)
class EgressReport:
    """How runs reach the web: proxies by region, and the private addresses that are exempted."""

    regions: Sequence[RegionProxy]
    default_region: str
    allowed: Sequence[str]  # for Workers
    callbacks_allowed: Sequence[str]


@dataclass(frozen=True, slots=True)
class AllowedReceivers:
    """Private addresses to which callbacks are allowed: by the settings, and by the operator while
    the servers run. ``version`` is the number of the settings of the installation.
    """

    version: int
    by_setting: Sequence[str]
    entries: Sequence[str]


@dataclass(frozen=True, slots=True)
class ReceiverPreview:
    """What allowing an entry would change. ``entry`` is its only form, ``target`` its name, address
    or network without the port; ``addresses`` is how many it has, 0 for a name, ``left_out`` are
    those of the installation among them. ``is_allowed``: it changes nothing.
    """

    entry: str
    target: str
    port: int
    addresses: int
    left_out: Sequence[str]
    is_allowed: bool


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part of the stored data. ``complete`` is False when counting ran out of time; then the
    numbers are lower bounds.
    """

    name: str
    description: str
    bytes: int
    files: int
    complete: bool = True


@dataclass(frozen=True, slots=True)
class StorageReport:
    """Sizes in bytes; ``measured_at`` in ms."""

    measured_at: int
    parts: Sequence[StoredPart]
    free: int
    total: int
    floor: int  # with less free space no run is started
    runs: int = 0

    @property
    def used(self) -> int:
        return sum(part.bytes for part in self.parts)


@dataclass(frozen=True, slots=True)
class Retention:
    """What a retention of ``days`` would remove; 0 days remove nothing.

    ``setting`` is the current retention in days. ``runs`` is counted up to ``MAX_COUNTED``;
    ``oldest_at`` and ``newest_at`` (ms) are when the first and the last of them ended.
    """

    setting: int
    days: int
    runs: int
    oldest_at: int
    newest_at: int


@dataclass(frozen=True, slots=True)
class Component:
    """A part of the installation, its version, and a remark about it."""

    name: str
    version: str  # "" = missing
    note: str = ""


@dataclass(frozen=True, slots=True)
class SettingLine:
    """A setting with its value, secrets masked, and where it was set."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class TimerLine:
    """A periodic job of this server. Times in ms, 0 = never.

    ``busy_since`` is when the current pass started, ``failures`` the number of consecutive
    failures, ``error`` the last one.
    """

    name: str
    busy_since: int
    done_at: int
    failed_at: int
    failures: int
    error: str
