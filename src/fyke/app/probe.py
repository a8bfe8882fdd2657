"""What the server finds out about its own installation, for the operator."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from fyke.app.configuration import in_words, origins_of, shown
from fyke.app.house import House
from fyke.app.measuring import measure
from fyke.app.pieces import pieces
from fyke.egress.channel import Stranger
from fyke.egress.look import look
from fyke.egress.messages import ProxySeen
from fyke.egress.pools import split
from fyke.egress.upstream import Upstream
from fyke.kit.clock import Clock
from fyke.model.account import Plan
from fyke.model.health import Check, Level
from fyke.model.installation import (
    Piece,
    Region,
    SettingLine,
    StorageReport,
    Tariff,
    TimerLine,
    WayOut,
)
from fyke.settings import Settings
from fyke.timers.loop import TimerBoard


class ServerProbe:
    """Implements ``contracts.InstallationProbe`` for one server."""

    def __init__(self, house: House, board: TimerBoard, clock: Clock) -> None:
        self._house = house
        self._settings = house.settings
        self._board = board
        self._clock = clock
        # as they were when this server read its settings
        self._origins = origins_of(house.settings, {}, os.environ)

    def tariff(self) -> Tariff:
        settings = self._settings
        plan = Plan(settings.default_plan)
        return Tariff(self._house.rules.prices, plan, settings.rate_limit, settings.max_subtasks)

    def way_out(self) -> WayOut:
        settings = self._settings
        regions = [_region(code, url) for code, url in sorted(settings.egress_upstreams.items())]
        return WayOut(
            regions, settings.default_region, settings.egress_allow, settings.callback_allow
        )

    def settings(self) -> Sequence[SettingLine]:
        return [
            SettingLine(name, in_words(shown(getattr(self._settings, name))), origin)
            for name, origin in self._origins.items()
        ]

    def timers(self) -> Sequence[TimerLine]:
        return self._board.lines()

    def keep_days(self) -> int:
        return self._settings.keep_days

    async def storage(self) -> StorageReport:
        now = self._clock.now_ms()
        return await asyncio.to_thread(measure, self._settings, self._house.storage.engine, now)

    async def pieces(self) -> Sequence[Piece]:
        return await asyncio.to_thread(pieces, self._settings, self._house.storage.engine)

    async def database(self) -> Sequence[Check]:
        return [await asyncio.to_thread(_database, self._settings, self._house.storage.engine)]

    async def egress(self) -> Sequence[Check]:
        return await _egress(self._settings)


def _region(code: str, text: str) -> Region:
    try:
        policy, urls = split(text)
        names = [Upstream.parse(url).name for url in urls]
    except ValueError as error:
        return Region(code.upper(), "", str(error))
    several = f"{policy}: " if len(names) > 1 else ""
    return Region(code.upper(), several + ", ".join(names), "")


def _database(settings: Settings, engine: Engine) -> Check:
    kind = "PostgreSQL" if settings.database_url else "SQLite"
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        remedy = "look at the log of the server, and at the database's own"
        return Check("database", Level.BAD, f"{kind} does not answer", remedy)
    return Check("database", Level.GOOD, f"{kind} answers")


async def _egress(settings: Settings) -> list[Check]:
    """The proxy of this machine, and what it knows of those of the regions that are out."""
    try:
        seen = await look(settings.egress_socket)
    except (OSError, Stranger) as error:
        why = getattr(error, "strerror", None) or str(error) or "no answer in time"
        remedy = "runs reach nothing until it is back; fyke up starts it again by itself"
        return [Check("egress", Level.BAD, f"the proxy does not answer: {why}", remedy)]
    answers = Check("egress", Level.GOOD, "the proxy of this machine answers")
    return [answers, *(_out(one, seen) for one in seen if one.why)]


def _out(one: ProxySeen, seen: Sequence[ProxySeen]) -> Check:
    """A proxy that is not used at present: bad when its region has no other."""
    others = [other for other in seen if other.region == one.region and not other.why]
    name = f"proxy {'of other regions' if one.region == '*' else one.region}"
    detail = f"{one.proxy} is out for {one.seconds:.0f} s: {one.why}"
    remedy = "it comes back by itself once it is well; look at the setting egress_upstreams"
    return Check(name, Level.WARNING if others else Level.BAD, detail, remedy)
