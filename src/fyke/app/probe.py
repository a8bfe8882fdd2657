"""Facts about the server and its installation, for the operator."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from fyke.app.blobs import require_place
from fyke.app.components import components
from fyke.app.configuration import format_value, masked, origins_of
from fyke.app.measuring import measure
from fyke.app.runtime import Runtime
from fyke.contracts.blobs import Blobs
from fyke.domain.health import proxy_name
from fyke.egress.live_check import check_live
from fyke.egress.messages import ProxyChecked
from fyke.egress.pools import split
from fyke.egress.upstream import Upstream
from fyke.errors import FykeError
from fyke.kit.channel import PeerRefused
from fyke.kit.clock import Clock
from fyke.model.account import Plan
from fyke.model.health import HealthCheck, Level
from fyke.model.installation import (
    Component,
    EgressReport,
    RegionProxy,
    SettingLine,
    StorageReport,
    Tariff,
    TimerLine,
)
from fyke.reasons import health_texts
from fyke.reasons.health_texts import HealthText
from fyke.settings import Settings
from fyke.timers.loop import TimerBoard

BLOBS_SECONDS = 2.0  # less than a card may take


class ServerProbe:
    """Implements ``contracts.InstallationProbe`` for one server."""

    def __init__(self, runtime: Runtime, board: TimerBoard, clock: Clock) -> None:
        self._runtime = runtime
        self._settings = runtime.settings
        self._board = board
        self._clock = clock
        # read now, because the file may change while the server runs
        self._origins = origins_of(runtime.settings, {}, os.environ)

    def tariff(self) -> Tariff:
        settings = self._settings
        plan = Plan(settings.default_plan)
        return Tariff(self._runtime.rules.prices, plan, settings.rate_limit, settings.max_subtasks)

    def egress_report(self) -> EgressReport:
        settings = self._settings
        regions = [_region(code, url) for code, url in sorted(settings.egress_upstreams.items())]
        return EgressReport(
            regions, settings.default_region, settings.egress_allow, settings.callback_allow
        )

    def settings(self) -> Sequence[SettingLine]:
        return [
            SettingLine(name, format_value(masked(getattr(self._settings, name))), origin)
            for name, origin in self._origins.items()
        ]

    def timers(self) -> Sequence[TimerLine]:
        return self._board.lines()

    def keep_days(self) -> int:
        return self._settings.keep_days

    async def storage(self) -> StorageReport:
        now = self._clock.now_ms()
        return await asyncio.to_thread(measure, self._settings, self._runtime.storage.engine, now)

    async def components(self) -> Sequence[Component]:
        return await asyncio.to_thread(components, self._settings, self._runtime.storage.engine)

    async def database(self) -> Sequence[HealthCheck]:
        engine = self._runtime.storage.engine
        database = await asyncio.to_thread(_database, self._settings, engine)
        place = await check_place(self._settings, engine, self._runtime.blobs)
        is_said = Level.GOOD is place.level or Level.BAD is database.level
        if is_said and not self._settings.blobs_url:
            return [database]
        return [database, place]

    async def egress(self) -> Sequence[HealthCheck]:
        return await _egress(self._settings)


def _region(code: str, text: str) -> RegionProxy:
    try:
        policy, urls = split(text)
        names = [Upstream.parse(url).name for url in urls]
    except ValueError as error:
        return RegionProxy(code.upper(), "", str(error))
    several = f"{policy}: " if len(names) > 1 else ""
    return RegionProxy(code.upper(), several + ", ".join(names), "")


def _database(settings: Settings, engine: Engine) -> HealthCheck:
    kind = "PostgreSQL" if settings.database_url else "SQLite"
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        remedy = "look at the log of the server, and at the database's own"
        return HealthCheck(health_texts.DATABASE, Level.BAD, f"{kind} does not answer", remedy)
    return HealthCheck(
        health_texts.DATABASE, Level.GOOD, HealthText(health_texts.ANSWERS, place=kind)
    )


async def check_place(settings: Settings, engine: Engine, blobs: Blobs) -> HealthCheck:
    """Whether the blobs answer and are those of the installation, also if they are in the folder:
    another server may have put them in S3 meanwhile.
    """
    place = settings.blobs_url or str(settings.blobs_dir)
    try:
        async with asyncio.timeout(BLOBS_SECONDS):
            await require_place(settings, engine, blobs)
    except SQLAlchemyError:
        detail = f"{place} is not compared, because the database does not answer"
        return HealthCheck(health_texts.BLOBS, Level.BAD, detail, "see the line database")
    except (FykeError, TimeoutError) as error:
        detail = str(error) or f"{place}: no answer within {BLOBS_SECONDS:g} s"
        remedy = "until then, only versions whose files are on their runner's machine start"
        return HealthCheck(health_texts.BLOBS, Level.BAD, detail, remedy)
    return HealthCheck(
        health_texts.BLOBS, Level.GOOD, HealthText(health_texts.ANSWERS, place=place)
    )


async def _egress(settings: Settings) -> list[HealthCheck]:
    """The proxy of this machine, and the proxies of regions that it has taken out of use."""
    try:
        proxies = await check_live(settings.egress_socket)
    except (OSError, PeerRefused) as error:
        reason = getattr(error, "strerror", None) or str(error) or "no answer in time"
        remedy = "runs have no network until it is back; fyke up restarts it"
        return [
            HealthCheck(
                health_texts.EGRESS,
                Level.BAD,
                f"the proxy does not answer: {reason}",
                remedy,
            )
        ]
    answers = HealthCheck(health_texts.EGRESS, Level.GOOD, health_texts.PROXY_ANSWERS)
    return [answers, *(_out_of_use(proxy, proxies) for proxy in proxies if proxy.why)]


def _out_of_use(proxy: ProxyChecked, proxies: Sequence[ProxyChecked]) -> HealthCheck:
    """A proxy that is out of use: ``BAD`` when its region has no other that works."""
    others = [other for other in proxies if other.region == proxy.region and not other.why]
    name = proxy_name(proxy.region)
    detail = f"{proxy.proxy} is out of use for {proxy.seconds:.0f} s: {proxy.why}"
    remedy = "it is used again once it answers; check the setting egress_upstreams"
    return HealthCheck(name, Level.WARNING if others else Level.BAD, detail, remedy)
