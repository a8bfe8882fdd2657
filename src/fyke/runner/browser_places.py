"""Which attempts of a runner may have a browser: they keep a place and a part of its capacity."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from fyke.contracts.browser import WAIT_SECONDS
from fyke.kit.memory import available_memory_mb
from fyke.model.browser import NO_BROWSER, BrowserOffer
from fyke.model.run import RunLimits
from fyke.model.runner import Capacity
from fyke.runner.browser_dependencies import BrowserDependencies

ROOM_SECONDS = WAIT_SECONDS - 5  # the rest of the wait is for the start
CHECK_SECONDS = 1.0  # between two readings of the free memory, while a browser waits for it
NONE_SERVED = "none is installed, or the setting browser is off"
FREE_MB = 400  # of the machine's memory, without which no browser is started
STARTING_MB, STARTING_SECONDS = 300, 5.0  # what a browser takes in its first seconds
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Missing:
    """What a browser waits for. Without memory of the machine in MB, a place is missing."""

    text: str
    free_mb: int | None = None
    needed_mb: int | None = None


class BrowserPlaces:
    """The places of one runner; None as ``browser`` stands for a runner without browsers."""

    def __init__(self, browser: BrowserDependencies | None) -> None:
        self._browser = browser
        self._reserved: dict[str, tuple[float, int]] = {}  # limits of the browser, by attempt
        self._starts: deque[float] = deque()  # of the last ``STARTING_SECONDS``
        self._freed = asyncio.Event()

    @property
    def _usable(self) -> BrowserDependencies | None:
        """None also when the machine turned out to have no browser."""
        return None if self._browser is None or self._browser.missing else self._browser

    @property
    def count(self) -> int:
        """How many attempts may have a browser; 0 when there is none."""
        browser = self._usable
        return browser.places if browser else 0

    @property
    def share(self) -> float:
        """The part of a browser's limits that an attempt reserves."""
        return self._browser.share if self._browser else 0.0

    @property
    def problem(self) -> str:
        """Why no attempt gets a browser; "" when they do, and until that is known."""
        return self._browser.problem if self._browser else NONE_SERVED

    @property
    def offer(self) -> BrowserOffer:
        """What runs can ask of the browsers, as far as is known."""
        return self._browser.offer if self._browser else NO_BROWSER

    def left_of(self, capacity: Capacity) -> Capacity:
        """``capacity`` with the places, and without what is reserved. It may be below 0: attempts
        that run already get their browser when a place is free, and new ones have to wait.
        """
        browser = self._usable
        if browser is None:
            return capacity
        capacity = replace(
            capacity,
            browsers=browser.places,
            browser_share=browser.share,
            browser_ready=not browser.problem,
            offer=browser.offer,
        )
        for cpus, memory_mb in self._reserved.values():
            capacity = capacity.without_browser(cpus, memory_mb)
        return capacity

    def leased(self, attempt_id: str, limits: RunLimits) -> None:
        """An attempt was leased with these limits of its run."""
        if self._usable is not None and limits.browser_memory_mb:
            self._reserved[attempt_id] = limits.browser_cpus, limits.browser_memory_mb

    async def reserve(self, attempt_id: str, on_wait: Callable[[str], None]) -> Missing | None:
        """Wait for a place for the browser of a running attempt, and for free memory of the
        machine, at most ``ROOM_SECONDS``; return what was missing then, None if it has both. The
        attempt keeps its place until ``release``. ``on_wait`` is called when it has to wait, with
        what is missing.
        """
        waits, missing = False, None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ROOM_SECONDS):
                while missing := self._take(attempt_id):
                    if not waits:
                        waits = True
                        on_wait(missing.text)
                    self._freed.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(CHECK_SECONDS):
                            await self._freed.wait()
        return missing

    def release(self, attempt_id: str) -> None:
        """The attempt needs no place any more, if it has one."""
        if self._reserved.pop(attempt_id, None) is not None:
            self._freed.set()

    def _take(self, attempt_id: str) -> Missing | None:
        """Take a place; return what is missing, None when it was taken."""
        browser = self._usable
        if browser is None:
            return None  # the attempt learns that there is no browser
        if attempt_id not in self._reserved and len(self._reserved) >= browser.places:
            return Missing(f"all places for browsers of this runner are taken ({browser.places})")
        now = time.monotonic()
        while self._starts and now - self._starts[0] > STARTING_SECONDS:
            self._starts.popleft()
        free, needed = available_memory_mb(), FREE_MB + STARTING_MB * len(self._starts)
        if free < needed:
            text = f"the machine has {free} MB of memory free, and {needed} MB are needed"
            return Missing(text, free, needed)
        self._starts.append(now)
        limits = browser.limits
        self._reserved.setdefault(attempt_id, (limits.cpus, limits.memory // _MIB))
        return None
