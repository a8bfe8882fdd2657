"""The spend cap: how much the runs that an agent starts may cost together.

A run is started with a charge limit, and the server stops a run that reaches it. So the cap is kept
if the costs of ended runs and the limits of active ones are together at most the cap. The user
sets the cap where the agent cannot change it: as an option of ``fyke mcp``, or as a header in the
configuration of the program that calls ``/mcp``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from fyke_client import ApiError, AsyncFyke

DAY = 86400  # seconds
MAX_CAP = Decimal(10**9)  # US dollars


@dataclass(frozen=True, slots=True)
class StartedRun:
    """``limit``: its charge limit in US dollars; None = it has none, or it is not known yet."""

    slug: str
    ended: bool
    usage: Decimal
    limit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SpendStatus:
    """US dollars. ``reserved``: the limits of active runs; None: one has no limit."""

    cap: Decimal
    spent: Decimal
    reserved: Decimal | None
    period: str

    @property
    def left(self) -> Decimal:
        if self.reserved is None:
            return Decimal(0)
        return max(Decimal(0), self.cap - self.spent - self.reserved)


@dataclass
class AgentSpending:
    """The cap and the runs of one process, which serves one user. ``cap`` None: no cap."""

    cap: Decimal | None = None
    period: str = "since this program was started"
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # of a start under the cap
    limits: dict[str, Decimal] = field(default_factory=dict)
    by_key: dict[str, Decimal] = field(default_factory=dict)  # limits of starts with such a key
    _ended: dict[str, StartedRun] = field(default_factory=dict)

    def started(self, run: str, limit: Decimal | None) -> None:
        """A run was started with this charge limit."""
        if self.cap is not None and limit is not None:
            self.limits.setdefault(run, limit)

    async def status(self, fyke: AsyncFyke) -> SpendStatus:
        """What is spent and reserved now. Only with a cap; raises ``ClientError``."""
        if self.cap is None:
            raise ValueError("there is no spend cap")
        spent, reserved = Decimal(0), Decimal(0)
        unlimited = False
        for run in await self.runs(fyke):
            if run.ended:
                spent += run.usage
            elif run.limit is None:
                unlimited = True
            else:
                reserved += max(run.limit, run.usage)
        return SpendStatus(self.cap, spent, None if unlimited else reserved, self.period)

    async def runs(self, fyke: AsyncFyke) -> list[StartedRun]:
        for slug in self.limits.keys() - self._ended.keys():
            try:
                run = await fyke.run_summary(slug)
            except ApiError as error:
                if error.status != 404:
                    raise
                self._ended[slug] = StartedRun(slug, True, Decimal(0))  # deleted
                continue
            if run.finished_at:
                self._ended[slug] = StartedRun(slug, True, Decimal(run.usage))
        active = [
            StartedRun(slug, False, Decimal(0), limit)
            for slug, limit in self.limits.items()
            if slug not in self._ended
        ]
        return [*self._ended.values(), *active]


@dataclass
class KeySpending(AgentSpending):
    """The runs that a key has started in the last 24 hours, by the lists of the server, which
    survive its restart.
    """

    key_id: str = ""
    period: str = "in the last 24 hours, by this key"

    async def runs(self, fyke: AsyncFyke) -> list[StartedRun]:
        query = {"from": str(int(time.time()) - DAY), "page_size": "100"}
        found: list[StartedRun] = []
        while True:
            page = await fyke.request("GET", "/api/fyke/runs", query=query)
            found += [
                await self._run(fyke, item)
                for item in page["list"]
                if item["key_id"] == self.key_id
            ]
            if not page["next_cursor"]:
                known = {run.slug for run in found}
                self.limits = {slug: at for slug, at in self.limits.items() if slug in known}
                return found
            query["cursor"] = page["next_cursor"]

    async def _run(self, fyke: AsyncFyke, item: Mapping[str, Any]) -> StartedRun:
        slug, worker, ended = item["slug"], item["worker_slug"], item["finished_at"] > 0
        if not ended and slug not in self.limits:
            limit = await _limit_of(fyke, worker, slug)
            if limit:
                self.limits[slug] = limit
        return StartedRun(slug, ended, Decimal(item["usage"]), self.limits.get(slug))


async def _limit_of(fyke: AsyncFyke, worker: str, run: str) -> Decimal:
    """The charge limit that a run was started with, 0 for none."""
    path = f"/api/fyke/workers/{worker}/beginning"
    initial = await fyke.request("GET", path, query={"from_run": run})
    system = initial["input"].get("parameters", {}).get("system", {})
    return Decimal(str(system.get("max_total_charge") or 0))


def read_cap(text: str) -> Decimal | None:
    """The cap in US dollars, None for an empty text. Raises ``ValueError``."""
    if not text.strip():
        return None
    try:
        cap = Decimal(text.strip())
    except InvalidOperation:
        cap = Decimal(-1)
    if not cap.is_finite() or not 0 <= cap <= MAX_CAP:
        raise ValueError("a spend cap is an amount in US dollars, such as 2.50")
    return cap
