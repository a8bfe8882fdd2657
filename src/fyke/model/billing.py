"""Entries of the ledger, usage, and prices. The balance of an account is the sum of its entries."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from operator import add, attrgetter, sub

MICROS = 1_000_000


def gb_seconds(memory_mb_ms: int) -> float:
    """Convert MiB times milliseconds to GiB times seconds, with three decimals."""
    return round(memory_mb_ms / 1024) / 1000


class EntryKind(StrEnum):
    CREDIT = "credit"  # money or traffic added by the operator
    HOLD = "hold"  # the amount reserved at the start of a run
    RELEASE = "release"  # the reserved amount, released at the end of the run
    USAGE = "usage"  # the actual cost of the run


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
    """Which entries to list; empty members do not filter. Times in ms, ``until`` exclusive."""

    kinds: tuple[EntryKind, ...] = ()
    since: int = 0
    until: int = 0


class UsageDimension(StrEnum):
    """What usage is grouped by."""

    WORKER = "worker"
    TASK = "task"
    KEY = "key"


class UsageOrder(StrEnum):
    """Which workers, tasks or keys come first."""

    SPENT = "spent"  # the most expensive, then those with the most runs
    SLOWEST = "slowest"  # those whose runs took longest on average; without those that had no run


@dataclass(frozen=True, slots=True)
class UsageKey:
    """What usage is attributed to. ``day`` is 20261124, in the account's time zone at that moment;
    an id is ``""`` where there is none.
    """

    account_id: str
    day: int
    worker_id: str = ""
    task_id: str = ""
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class UsageSums:
    """The usage of ended runs, and the credit added to the account.

    ``credited_micros`` minus ``usage_micros`` is the change of the balance. ``run_ms`` is the total
    time from start to end of the runs; ``cpu_ms`` and ``memory_mb_ms`` (MiB times milliseconds)
    are the usage of their attempts.
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

    @property
    def average_ms(self) -> int | None:
        """The time from start to end of a run, None without runs."""
        return self.run_ms // self.runs if self.runs else None

    def __add__(self, other: UsageSums) -> UsageSums:
        return UsageSums(*map(add, _values(self), _values(other)))

    def __sub__(self, other: UsageSums) -> UsageSums:
        return UsageSums(*map(sub, _values(self), _values(other)))


_values = attrgetter(*(field.name for field in fields(UsageSums)))


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per core and hour, per GB of memory and hour, per GB of traffic.

    ``traffic_quota``: whether traffic also reduces the traffic credit of the account.
    """

    cpu_hour: Decimal = Decimal(0)
    memory_gb_hour: Decimal = Decimal(0)
    traffic_gb: Decimal = Decimal(0)
    traffic_quota: bool = False

    def any(self) -> bool:
        """Whether anything costs money."""
        return bool(self.cpu_hour or self.memory_gb_hour or self.traffic_gb)
