"""Reports for the operator: plans, egress, storage, versions, health, settings."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from fyke.contracts.installation import InstallationProbe
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.rights import require_operator
from fyke.domain.health import Health
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.errors import FykeError, InvalidRequest, NotFound
from fyke.kit.clock import Clock
from fyke.model.account import Caller, Plan
from fyke.model.health import HealthCheck, Level
from fyke.model.installation import (
    MAX_COUNTED,
    Component,
    EgressReport,
    HealthCard,
    PlanLine,
    Retention,
    SettingLine,
    StorageReport,
    Tariff,
    TimerLine,
)
from fyke.model.runner import RunnerInfo
from fyke.reasons import health_texts

CARD_SECONDS = 3.0  # limit of one health check
STORAGE_SECONDS = 60.0  # how long a report is cached
COMPONENTS_SECONDS = 600.0
LATE_MS = 5 * 60 * 1000  # a timer that has failed for longer is bad
MAX_DAYS = 36_500
DAY_MS = 24 * 3600 * 1000

T = TypeVar("T")


class CachedReport(Generic[T]):
    """A report that is cached for some seconds; concurrent requests load it once."""

    def __init__(self, load: Callable[[], Awaitable[T]], seconds: float, clock: Clock) -> None:
        self._load = load
        self._seconds = seconds
        self._clock = clock
        self._lock = asyncio.Lock()
        self._report: T | None = None
        self._expires = 0.0

    async def get(self, *, fresh: bool = False) -> T:
        """Return the report; ``fresh``: load it even when the cached one has not expired."""
        async with self._lock:
            if self._report is None or fresh or self._clock.monotonic() >= self._expires:
                self._report = await self._load()
                self._expires = self._clock.monotonic() + self._seconds
            return self._report


class Installation:
    """The reports. All methods raise ``Forbidden`` for callers other than the operator."""

    def __init__(
        self, storage: Storage, probe: InstallationProbe, health: Health, clock: Clock
    ) -> None:
        self._storage = storage
        self._probe = probe
        self._health = health
        self._clock = clock
        self._storage_report = CachedReport(probe.storage, STORAGE_SECONDS, clock)
        self._components = CachedReport(probe.components, COMPONENTS_SECONDS, clock)

    async def plans(self, caller: Caller) -> list[PlanLine]:
        """Return all plans, smallest first."""
        require_operator(caller, "Listing plans")
        accounts = await self._storage.read(lambda tx: tx.accounts.all())
        count = Counter(account.plan for account in accounts)
        return [PlanLine(plan, plan.max_runs, count[plan]) for plan in Plan]

    def tariff(self, caller: Caller) -> Tariff:
        """Return the configured prices and limits."""
        require_operator(caller, "Reading prices")
        return self._probe.tariff()

    def egress_report(self, caller: Caller) -> EgressReport:
        """Return the configured proxies and regions."""
        require_operator(caller, "Reading proxies")
        return self._probe.egress_report()

    def settings(self, caller: Caller) -> Sequence[SettingLine]:
        """Return all settings as this server has read them, secrets masked."""
        require_operator(caller, "Reading settings")
        return self._probe.settings()

    async def storage(self, caller: Caller, *, fresh: bool = False) -> StorageReport:
        """Return the sizes of what is stored, at most ``STORAGE_SECONDS`` old unless ``fresh``."""
        require_operator(caller, "Reading sizes")
        runs = await self._storage.read(lambda tx: tx.installation.runs())
        return replace(await self._storage_report.get(fresh=fresh), runs=runs)

    async def retention(self, caller: Caller, days: int | None = None) -> Retention:
        """Return what retention by the setting would remove, or by ``days``; nothing is removed.

        Raise ``InvalidRequest``.
        """
        require_operator(caller, "Reading retention")
        setting = self._probe.keep_days()
        keep_days = setting if days is None else days
        if not 0 <= keep_days <= MAX_DAYS:
            raise InvalidRequest(f"must be 0 to {MAX_DAYS}; 0 keeps everything", field="days")

        def work(tx: Transaction) -> Retention:
            if not keep_days:
                return Retention(setting, 0, 0, 0, 0)
            before = tx.now - keep_days * DAY_MS
            return Retention(setting, keep_days, *tx.installation.removable(before, MAX_COUNTED))

        return await self._storage.read(work)

    async def versions(self, caller: Caller) -> list[Component]:
        """Return the versions of Fyke and its dependencies, and the sandbox of each runner."""
        require_operator(caller, "Reading versions")
        runners = await self._storage.read(_active_runners)
        sandboxes = [
            Component(f"sandbox of {runner.node}", runner.isolation, runner.reason)
            for runner in runners
        ]
        return [*await self._components.get(), *sandboxes]

    async def card(self, caller: Caller, name: str) -> list[HealthCheck]:
        """Return the health checks of one card; a card that does not answer in time is bad.

        Raise ``NotFound`` for an unknown name.
        """
        require_operator(caller, "Reading health checks")
        card = _card_named(name)
        try:
            async with asyncio.timeout(CARD_SECONDS):
                return await self._card(caller, card)
        except TimeoutError:
            return [HealthCheck(card.value, Level.BAD, f"no answer within {CARD_SECONDS:g} s")]
        except FykeError as error:
            return [HealthCheck(card.value, Level.BAD, error.message)]

    async def _card(self, caller: Caller, card: HealthCard) -> list[HealthCheck]:
        match card:
            case HealthCard.DATABASE:
                return list(await self._probe.database())
            case HealthCard.DISK:
                return await self._health.disk(caller)
            case HealthCard.PROCESSES:
                return self._health.processes(caller)
            case HealthCard.RUNNERS:
                return await self._health.sandboxes(caller)
            case HealthCard.EGRESS:
                return list(await self._probe.egress())
            case HealthCard.PROXIES:
                return await self._health.proxies(caller)
            case HealthCard.TIMERS:
                now = self._clock.now_ms()
                return [_timer_check(line, now) for line in self._probe.timers()]


def _card_named(name: str) -> HealthCard:
    try:
        return HealthCard(name.strip().lower())
    except ValueError:
        raise NotFound(
            f"There is no card {name[:40]!r}; use one of {', '.join(HealthCard)}"
        ) from None


def _timer_check(line: TimerLine, now: int) -> HealthCheck:
    if not line.failures:
        detail = health_texts.RUNNING if line.busy_since else health_texts.HEALTHY
        return HealthCheck(line.name, Level.GOOD, detail)
    times = "once" if line.failures == 1 else f"{line.failures} times in a row"
    late = not line.done_at or now - line.done_at > LATE_MS
    level = Level.BAD if late else Level.WARNING
    return HealthCheck(
        line.name, level, f"failed {times}: {line.error}", "see the log of the server"
    )


def _active_runners(tx: Transaction) -> list[RunnerInfo]:
    return tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
