"""``WarmBrowsers``: browsers that run before an attempt needs one. Each is used once.

A waiting browser is a whole sandbox with Chromium in it, and nothing of an attempt: no profile but
an empty one, and a proxy that is not served, so that nothing can leave. As a browser belongs to no
version, the number of recent starts alone determines how many wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable

import structlog

from fyke.contracts.browser import BrowserInfo, BrowserLimits, BrowserSpec, BrowserUsage
from fyke.contracts.execution import IdleSandboxes, SandboxFault
from fyke.kit.ids import new_ulid
from fyke.kit.memory import available_memory_mb
from fyke.sandbox.browser_sandbox import BrowserSandbox
from fyke.sandbox.browsers import BrowserSandboxes

log = structlog.get_logger()

QUIET_SECONDS = 2.0  # after a start for an attempt, whose first page needs the CPU
CHECK_SECONDS = 5.0  # between two looks for browsers that are no longer needed
START_SECONDS = 30.0
MEASURE_SECONDS = 1.0
FREE_MB = 1024  # of the machine's memory, without which no browser waits
STARTING_MB = 256  # more than that for a start: what it takes must not end it again


class WarmBrowsers:
    """Implements ``Browsers``. Nothing is started ahead outside of ``kept``."""

    def __init__(
        self,
        cold: BrowserSandboxes,
        limits: BrowserLimits,
        count: int,
        idle_seconds: float,
        available_mb: Callable[[], int] = available_memory_mb,
    ) -> None:
        """``count`` is the greatest number of waiting browsers, all with these ``limits``;
        ``idle_seconds`` is how long they wait after the last start.
        """
        self._cold = cold
        self._limits = limits
        self._idle_seconds = idle_seconds
        self._available_mb = available_mb
        self._starts: deque[float] = deque(maxlen=count)  # for attempts, by the loop's clock
        self._idle: list[BrowserSandbox] = []
        self._opening = 0
        self._changed = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()

    def info(self) -> BrowserInfo:
        return self._cold.info()

    async def open(self, spec: BrowserSpec) -> BrowserSandbox:
        self._opening += 1
        try:
            browser = await self._take(spec) or await self._open_cold(spec)
        finally:
            self._opening -= 1
            self._changed.set()
        if self._is_usual(spec):  # the next one could have used a waiting one
            self._starts.append(asyncio.get_running_loop().time())
        return browser

    async def drop_cache(self, name: str) -> None:
        await self._cold.drop_cache(name)

    async def idle_sandboxes(self) -> IdleSandboxes:
        idle = list(self._idle)
        measured = asyncio.gather(*(one.usage() for one in idle), return_exceptions=True)
        try:
            async with asyncio.timeout(MEASURE_SECONDS):
                usages = await measured
        except TimeoutError:  # the launcher does not answer
            return IdleSandboxes(len(idle))
        memory = sum(usage.memory for usage in usages if isinstance(usage, BrowserUsage))
        return IdleSandboxes(len(idle), memory)

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep waiting browsers until the end of the context; all are closed then."""
        task = asyncio.create_task(self._keep()) if self._starts.maxlen else None
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            self._starts.clear()
            await self._discard_all()

    async def _take(self, spec: BrowserSpec) -> BrowserSandbox | None:
        """The oldest waiting browser that fits and lives; None without one."""
        if spec.program is None or spec.cache or not self._is_usual(spec):
            return None
        if spec.limits != self._limits:
            return None
        while self._idle:
            browser = self._idle.pop(0)
            try:
                usage = await browser.usage()
            except SandboxFault as error:
                log.warning("idle_browser_unusable", error=str(error))
            except BaseException:
                self._discard(browser)
                raise
            else:
                if browser.is_alive and not usage.ooms:
                    return browser
            self._discard(browser)
        return None

    def _is_usual(self, spec: BrowserSpec) -> bool:
        """Whether the browser has no window, and is the program of those that wait."""
        return not spec.display and spec.program in (None, self._cold.info().program)

    async def _open_cold(self, spec: BrowserSpec) -> BrowserSandbox:
        """Waiting browsers may use what the machine lacks, so a failed start is repeated without
        them.
        """
        try:
            return await self._cold.open(spec)
        except SandboxFault:
            if not self._idle:
                raise
            await self._discard_all()
            return await self._cold.open(spec)

    async def _keep(self) -> None:
        while True:
            try:
                if self._review() and self._is_quiet():
                    await self._start()
                    continue
            except Exception:
                log.exception("idle_browsers_not_kept")
                self._starts.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._changed.wait()
            self._changed.clear()

    def _pause(self) -> float | None:
        """The time until the next look in seconds; None when there is nothing to look for."""
        if not self._starts and not self._idle:
            return None
        return CHECK_SECONDS if len(self._idle) >= len(self._starts) else QUIET_SECONDS

    def _is_quiet(self) -> bool:
        now = asyncio.get_running_loop().time()
        return not self._opening and now - self._starts[-1] >= QUIET_SECONDS

    def _review(self) -> bool:
        """Close the browsers that are no longer needed; return whether one more is."""
        before = asyncio.get_running_loop().time() - self._idle_seconds
        while self._starts and self._starts[0] < before:
            self._starts.popleft()
        free_mb = self._available_mb()
        while len(self._idle) > (len(self._starts) if free_mb >= FREE_MB else 0):
            self._discard(self._idle.pop())
        return free_mb >= FREE_MB + STARTING_MB and len(self._idle) < len(self._starts)

    async def _start(self) -> None:
        """Start a browser that waits. Where that fails, none is tried again before the next start
        for an attempt.
        """
        spec = BrowserSpec(new_ulid(), self._limits, program=self._cold.info().program)
        try:
            async with asyncio.timeout(START_SECONDS):
                self._idle.append(await self._cold.open(spec))
        except (SandboxFault, OSError) as error:  # also TimeoutError
            log.warning("idle_browser_not_started", error=str(error))
            self._starts.clear()

    def _discard(self, browser: BrowserSandbox) -> None:
        """Close the browser in the background."""
        task = asyncio.create_task(_close(browser))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _discard_all(self) -> None:
        idle, self._idle = self._idle, []
        for browser in idle:
            self._discard(browser)
        if self._closing:
            await asyncio.wait(set(self._closing))


async def _close(browser: BrowserSandbox) -> None:
    try:
        await browser.close()
    except (SandboxFault, OSError) as error:
        log.error("idle_browser_left_behind", error=str(error))
