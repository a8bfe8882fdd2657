"""The spend cap: how much the runs that an agent starts may cost together.

A run is started with a charge limit, and the server stops a run that reaches it. So the cap is kept
if the costs of ended runs and the limits of active ones are together at most the cap. The user
sets the cap where the agent cannot change it: as an option of ``fyke mcp``, or as a header in the
configuration of the program that calls ``/mcp``.
"""

from __future__ import annotations

import asyncio
import math
import secrets
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


@dataclass(frozen=True, slots=True)
class StartToken:
    """One start. ``key``: what the server knows it by if it is sent again, or something unique."""

    worker: str
    key: str
    repeatable: bool


def token_of(worker: str, idempotency_key: str) -> StartToken:
    return StartToken(worker, idempotency_key or secrets.token_hex(8), bool(idempotency_key))


@dataclass(slots=True)
class SentStart:
    """``limit``: its charge limit in US dollars. ``at``: Unix seconds when it was first sent;
    ``again``: when it was last sent.
    """

    limit: Decimal
    at: float
    again: float


@dataclass
class AgentSpending:
    """The runs of one process, which serves one user.

    A start is reserved before it is sent, because its answer may be lost although the run was
    started: it stays reserved until its answer is known.
    """

    period: str = "since this program was started"
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # of a reservation
    limits: dict[str, Decimal] = field(default_factory=dict)  # by run
    pending: dict[StartToken, SentStart] = field(default_factory=dict)  # without an answer
    answered: dict[StartToken, SentStart] = field(default_factory=dict)  # that may be sent again
    pending_seconds: float = math.inf  # how long a start without an answer is reserved
    _ended: dict[str, StartedRun] = field(default_factory=dict)

    def repeated(self, token: StartToken) -> Decimal | None:
        """The limit of a start that is sent again, for which the server starts no second run."""
        now = time.time()
        self.answered = {
            known: sent for known, sent in self.answered.items() if now - sent.at < DAY
        }
        sent = self.pending.get(token) or self.answered.get(token)
        if sent is None or now - sent.at >= DAY:
            return None
        sent.again = now
        return sent.limit

    def reserve(self, token: StartToken, limit: Decimal) -> None:
        """Count the limit of a start that will be sent now. Raises ``ValueError`` for one that is
        no limit.
        """
        if not limit.is_finite() or limit <= 0:
            raise ValueError(f"{limit} is no charge limit")
        now = time.time()
        if old := self.pending.pop(token, None):
            self.pending[token_of(token.worker, "")] = old  # of a start more than a day ago
        self.pending = {
            known: sent
            for known, sent in self.pending.items()
            if now - sent.again < max(DAY, self.pending_seconds)
        }
        self.pending[token] = SentStart(limit, now, now)

    def refused(self, token: StartToken) -> None:
        """The start has certainly started nothing."""
        self.pending.pop(token, None)

    def started(self, token: StartToken, run: str, limit: Decimal) -> None:
        """The start has started this run."""
        self.limits.setdefault(run, limit)
        sent = self.pending.pop(token, None)
        if sent is not None and token.repeatable:
            self.answered[token] = sent

    async def status(self, fyke: AsyncFyke, cap: Decimal) -> SpendStatus:
        """What is spent and reserved now; raises ``ClientError``."""
        now = time.time()
        # Before the runs: a start that is answered meanwhile counts twice, but never not at all.
        waiting = [s for s in self.pending.values() if now - s.again < self.pending_seconds]
        reserved = sum((sent.limit for sent in waiting), Decimal(0))
        spent = Decimal(0)
        unlimited = False
        for run in await self.runs(fyke):
            if run.ended:
                spent += run.usage
            elif run.limit is None:
                unlimited = True
            else:
                reserved += max(run.limit, run.usage)
        return SpendStatus(cap, spent, None if unlimited else reserved, self.period)

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
    survive its restart. A run is in them soon after its start was sent, with or without an answer.
    """

    key_id: str = ""
    users: int = 0  # requests that are being answered
    pending_seconds: float = 60
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
