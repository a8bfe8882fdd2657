"""Shares sites with the other machines of the installation: the throttle of each has a part of a
site's limits, and stops for pauses that began elsewhere.

The part of a machine never depends on what the others do not know yet: it becomes smaller at once,
and larger only when the installation has said so for ``RAISE_SECONDS``, by when every other machine
knows it. A machine without answers takes the smallest part of every site.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fyke.contracts.node import NodeGateway
from fyke.contracts.signals import SITES, Listener
from fyke.errors import FykeError
from fyke.model.sites import SiteShares, SiteUse
from fyke.telemetry.repeated import RepeatedProblem

EVERY_SECONDS = 1.0
ANSWER_SECONDS = 1.5  # to wait for an answer
STALE_SECONDS = 3.0  # for so long an answer counts
RAISE_SECONDS = 6.0  # more than a stale answer is used: the sum of those above
LISTEN_SECONDS = 3600.0
HURRY_SECONDS = 0.25  # between two calls, however many pauses begin

T = TypeVar("T")
Apply = Callable[[SiteShares], Awaitable[SiteUse]]


class ShareHistory:
    """The latest answers of the installation, and what follows from them. Times are in seconds of a
    monotonic clock.
    """

    def __init__(self) -> None:
        # those of the last ``RAISE_SECONDS``, and the one that was valid at their beginning
        self._answers: deque[tuple[float, SiteShares]] = deque()
        self._counts: deque[tuple[float, int]] = deque()  # of machines

    def registered(self, machines: int, at: float) -> None:
        """The installation has so many machines."""
        self._counts.append((at, machines))

    def answered(self, shares: SiteShares, asked_at: float) -> None:
        """The answer to what was asked at this time."""
        if self._answers and asked_at - self._answers[-1][0] > STALE_SECONDS:
            self._answers.clear()
        self._answers.append((asked_at, shares))
        self._counts.append((asked_at, shares.machines))

    def machines(self, now: float) -> int:
        """The largest number of machines that was said lately."""
        _drop_earlier(self._counts, now - RAISE_SECONDS)
        return max((count for _, count in self._counts), default=1)

    def shares(self, now: float) -> SiteShares:
        """The parts of this machine now."""
        machines = self.machines(now)
        if not self._answers or now - self._answers[-1][0] > STALE_SECONDS:
            return SiteShares(machines)
        latest = self._answers[-1][1]
        _drop_earlier(self._answers, now - RAISE_SECONDS)
        if now - self._answers[0][0] < RAISE_SECONDS:
            return SiteShares(machines, {}, latest.pauses)
        sharers = {
            site: max(shares.of(site) for _, shares in self._answers) for site in latest.sharers
        }
        return SiteShares(machines, sharers, latest.pauses)


def _drop_earlier(entries: deque[tuple[float, T]], since: float) -> None:
    """Keep the entries since a time, and the last one before."""
    while len(entries) > 1 and entries[1][0] <= since:
        entries.popleft()


class SiteSharing:
    """``apply`` hands the shares to the egress and returns what is used there; it raises
    ``FykeError``.
    """

    def __init__(
        self, gateway: NodeGateway, apply: Apply, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gateway = gateway
        self._apply = apply
        self._clock = clock
        self._history = ShareHistory()
        self._handed_over = SiteShares()  # what the egress has
        self._use = SiteUse()  # what the installation knows
        self._changed = asyncio.Event()  # a site was paused here
        self._problem = RepeatedProblem("sites_not_shared", "sites_shared")

    def registered(self, machines: int) -> None:
        """There are so many machines, this one included."""
        self._history.registered(machines, self._clock())

    def hurry(self) -> None:
        """A site is paused here: the others have to know now."""
        self._changed.set()

    async def run(self, is_busy: Callable[[], bool]) -> None:
        """Share until cancelled, while there are other machines and this one has attempts, or has
        used sites a short time ago. Alone, it asks only when another one has come.
        """
        async with self._gateway.listen() as listener:
            signalled = asyncio.create_task(_next(listener))
            try:
                while True:
                    is_urgent = await self._wait(signalled)
                    is_called = signalled.done()
                    if is_called:
                        signalled = asyncio.create_task(_next(listener))
                    if self._is_needed(is_busy(), is_called=is_called):
                        await self.exchange(urgent=is_urgent)
            finally:
                signalled.cancel()
                await asyncio.gather(signalled, return_exceptions=True)

    async def exchange(self, *, urgent: bool = False) -> None:
        """Say once which sites are used here, and use the parts that follow."""
        asked_at = self._clock()
        try:
            use = await self._hand_over(self._history.shares(asked_at))
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._gateway.share_sites(use, urgent=urgent)
            self._use = use
            self._history.answered(answer, asked_at)
            await self._hand_over(self._history.shares(self._clock()))
        except (FykeError, TimeoutError) as error:
            self._problem.occurred(str(error) or "no answer in time")
        except Exception as error:  # the next call may succeed, and nothing else shares sites
            self._problem.occurred(repr(error), error)
        else:
            self._problem.ended()

    async def _hand_over(self, shares: SiteShares) -> SiteUse:
        self._handed_over = shares
        return await self._apply(shares)

    def _is_needed(self, is_busy: bool, *, is_called: bool) -> bool:
        """Whether to ask now. ``is_called``: another machine has come, or paused a site. One
        without attempts finds that out when it has some: all at once would keep the gateway busy.
        """
        machines = self._history.machines(self._clock())
        if self._handed_over.machines != machines:  # attempts that start would have another part
            return True
        if machines == 1:
            return is_called
        return is_busy or not self._use.is_empty

    async def _wait(self, signalled: asyncio.Task[str | None]) -> bool:
        """Wait for the next second, or for a pause; return whether there is one."""
        await asyncio.sleep(HURRY_SECONDS)
        changed = asyncio.create_task(self._changed.wait())
        left = EVERY_SECONDS - HURRY_SECONDS
        done, _ = await asyncio.wait(
            {changed, signalled}, timeout=left, return_when=asyncio.FIRST_COMPLETED
        )
        changed.cancel()
        await asyncio.gather(changed, return_exceptions=True)
        self._changed.clear()
        return bool(done)


async def _next(listener: Listener) -> str | None:
    return await listener.wait(frozenset({SITES}), LISTEN_SECONDS)
