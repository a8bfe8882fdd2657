"""The installation for its operator: plans, egress, storage, versions, health, settings."""

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

CARD_SECONDS = 3.0  # then a card says that it got no answer
STORAGE_SECONDS = 60.0  # how long a look at the disk counts
COMPONENTS_SECONDS = 600.0
LATE_MS = 5 * 60 * 1000  # a timer that failed and has not recovered for so long is bad
MAX_DAYS = 36_500
DAY_MS = 24 * 3600 * 1000

T = TypeVar("T")


class CachedReport(Generic[T]):
    """What was found out counts for a while, and several who ask at once share one look."""

    def __init__(self, look: Callable[[], Awaitable[T]], seconds: float, clock: Clock) -> None:
        self._look = look
        self._seconds = seconds
        self._clock = clock
        self._lock = asyncio.Lock()
        self._found: T | None = None
        self._until = 0.0

    async def get(self, *, fresh: bool = False) -> T:
        """``fresh``: look again, whatever is known."""
        async with self._lock:
            if self._found is None or fresh or self._clock.monotonic() >= self._until:
                self._found = await self._look()
                self._until = self._clock.monotonic() + self._seconds
            return self._found


class Installation:
    """Everything here is for the operator; others get ``Forbidden``."""

    def __init__(
        self, storage: Storage, probe: InstallationProbe, health: Health, clock: Clock
    ) -> None:
        self._storage = storage
        self._probe = probe
        self._health = health
        self._clock = clock
        self._stored = CachedReport(probe.storage, STORAGE_SECONDS, clock)
        self._components = CachedReport(probe.components, COMPONENTS_SECONDS, clock)

    async def plans(self, caller: Caller) -> list[PlanLine]:
        """Every plan, smallest first."""
        require_operator(caller, "Listing plans")
        accounts = await self._storage.read(lambda tx: tx.accounts.all())
        count = Counter(account.plan for account in accounts)
        return [PlanLine(plan, plan.max_runs, count[plan]) for plan in Plan]

    def tariff(self, caller: Caller) -> Tariff:
        """Prices and limits as the settings say."""
        require_operator(caller, "Reading prices")
        return self._probe.tariff()

    def egress_report(self, caller: Caller) -> EgressReport:
        """Proxies and regions as the settings say."""
        require_operator(caller, "Reading proxies")
        return self._probe.egress_report()

    def settings(self, caller: Caller) -> Sequence[SettingLine]:
        """Every setting as this server has read it, secrets masked."""
        require_operator(caller, "Reading settings")
        return self._probe.settings()

    async def storage(self, caller: Caller, *, fresh: bool = False) -> StorageReport:
        """What is stored where, at most a minute old unless ``fresh``."""
        require_operator(caller, "Reading sizes")
        runs = await self._storage.read(lambda tx: tx.installation.runs())
        return replace(await self._stored.get(fresh=fresh), runs=runs)

    async def retention(self, caller: Caller, days: int | None = None) -> Retention:
        """What the setting removes, or what ``days`` would; nothing is removed by asking.

        Raises ``InvalidRequest``.
        """
        require_operator(caller, "Reading retention")
        setting = self._probe.keep_days()
        wanted = setting if days is None else days
        if not 0 <= wanted <= MAX_DAYS:
            raise InvalidRequest(f"it must be 0 to {MAX_DAYS}; 0 keeps everything", field="days")

        def work(tx: Transaction) -> Retention:
            if not wanted:
                return Retention(setting, 0, 0, 0, 0)
            before = tx.now - wanted * DAY_MS
            return Retention(setting, wanted, *tx.installation.removable(before, MAX_COUNTED))

        return await self._storage.read(work)

    async def versions(self, caller: Caller) -> list[Component]:
        """The product and what it stands on, and the sandbox of each runner."""
        require_operator(caller, "Reading versions")
        runners = await self._storage.read(_alive)
        sandboxes = [
            Component(f"sandbox of {runner.node}", runner.isolation, runner.reason)
            for runner in runners
        ]
        return [*await self._components.get(), *sandboxes]

    async def card(self, caller: Caller, name: str) -> list[HealthCheck]:
        """How one part is doing; one that does not answer in time is bad, and says so.

        Raises ``NotFound`` for what is no card.
        """
        require_operator(caller, "Looking at the installation")
        card = _card(name)
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
            case HealthCard.RUNNERS:
                return await self._health.sandboxes(caller)
            case HealthCard.EGRESS:
                return list(await self._probe.egress())
            case HealthCard.PROXIES:
                return await self._health.proxies(caller)
            case HealthCard.TIMERS:
                now = self._clock.now_ms()
                return [_of_timer(line, now) for line in self._probe.timers()]


def _card(name: str) -> HealthCard:
    try:
        return HealthCard(name.strip().lower())
    except ValueError:
        raise NotFound(
            f"There is no card {name[:40]!r}; use one of {', '.join(HealthCard)}"
        ) from None


def _of_timer(line: TimerLine, now: int) -> HealthCheck:
    if not line.failures:
        detail = "at work" if line.busy_since else "well"
        return HealthCheck(line.name, Level.GOOD, detail)
    times = "once" if line.failures == 1 else f"{line.failures} times in a row"
    bad = not line.done_at or now - line.done_at > LATE_MS
    level = Level.BAD if bad else Level.WARNING
    return HealthCheck(
        line.name, level, f"failed {times}: {line.error}", "see the log of the server"
    )


def _alive(tx: Transaction) -> list[RunnerInfo]:
    return tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
