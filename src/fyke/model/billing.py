"""The ledger: entries are added, never changed; an account's balance is their sum."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum

MICROS = 1_000_000


def gb_seconds(memory_mb_ms: int) -> float:
    """Convert MiB times milliseconds to GiB times seconds, with three decimals."""
    return round(memory_mb_ms / 1024) / 1000


class EntryKind(StrEnum):
    CREDIT = "credit"  # money or traffic added by the operator
    HOLD = "hold"  # amount reserved at the start of a run
    RELEASE = "release"  # that amount released at its end
    USAGE = "usage"  # actual cost of the run


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry. Positive amounts add to the balance of the account."""

    id: str
    account_id: str
    at: int
    kind: EntryKind
    usd_micros: int
    traffic_bytes: int
    run_id: str
    note: str


@dataclass(frozen=True, slots=True)
class LedgerFilter:
    """Which entries are meant; empty members do not filter. Times in ms, ``until`` left out."""

    kinds: tuple[EntryKind, ...] = ()
    since: int = 0
    until: int = 0


class UsageDimension(StrEnum):
    """By what usage is split up."""

    WORKER = "worker"
    TASK = "task"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class UsageKey:
    """Whose usage it is. ``day`` is 20261124 in the account's time zone at that moment; ids are
    ``""`` where there is none.
    """

    account_id: str
    day: int
    worker_id: str = ""
    task_id: str = ""
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class UsageSums:
    """What runs that ended have used, and what was added to the account.

    ``usage_micros`` minus ``credited_micros`` is the negative of what the ledger has moved.
    ``run_ms`` is the time between start and end of each run, added up; ``cpu_ms`` and
    ``memory_mb_ms`` (MiB times milliseconds) are what their attempts used.
    """

    runs: int = 0
    failed: int = 0
    aborted: int = 0
    results: int = 0
    usage_micros: int = 0
    traffic_bytes: int = 0
    run_ms: int = 0
    credited_micros: int = 0
    cpu_ms: int = 0
    memory_mb_ms: int = 0

    @property
    def succeeded(self) -> int:
        return self.runs - self.failed - self.aborted

    def __add__(self, other: UsageSums) -> UsageSums:
        return UsageSums(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(UsageSums))
        )

    def __sub__(self, other: UsageSums) -> UsageSums:
        return UsageSums(
            *(getattr(self, f.name) - getattr(other, f.name) for f in fields(UsageSums))
        )


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
