"""The browser of one attempt: opened when a connection asks for it, measured, ended with it.

========== ==================== ==========================================================
state      event                becomes
========== ==================== ==========================================================
idle       wanted               opening: reserve, open a sandbox, give it to the gateway
opening    opened               attached
opening    refused, failed      idle; the gateway answers the waiting connections
attached   ended                idle: the next connection gets a new browser
any        close                closed
========== ==================== ==========================================================

A browser of an attempt is a generation, counted from 1. Its sandbox, its listener in the egress and
its time belong to it alone; the sums belong to the attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from enum import Enum, auto
from socket import socket
from typing import Any

import structlog

from fyke.contracts.browser import (
    BrowserEndCause,
    BrowserEnded,
    BrowserForm,
    BrowserLimits,
    BrowserNote,
    BrowserSpec,
    BrowserUsage,
    BrowserWanted,
    GatewayGrant,
    browser_budget,
)
from fyke.contracts.egress import Egress
from fyke.contracts.execution import SandboxFault
from fyke.contracts.node import NodeGateway
from fyke.errors import FykeError, StaleLease, Unavailable
from fyke.kit.start_budget import TooManyStarts
from fyke.model.browser import (
    ANY_CHOICE,
    MAX_LINES,
    BrowserActivity,
    BrowserBlock,
    BrowserChoice,
    BrowserReport,
    ConsoleLine,
    sum_activities,
)
from fyke.model.last_page import KeepPages, TakenPage
from fyke.model.log import LogType
from fyke.model.run import AttemptKey
from fyke.reasons import Reason, ReasonCode
from fyke.runner.browser_cache import AttemptCache
from fyke.runner.browser_dependencies import BrowserDependencies
from fyke.runner.browser_generation import (
    BrowserGeneration,
    BrowserTotals,
    discard,
    limits_of,
    unhurt,
)
from fyke.runner.browser_places import ROOM_SECONDS, BrowserPlaces
from fyke.runner.endings import in_time
from fyke.runner.metering import MemoryMeter, Stopwatch

log = structlog.get_logger()

POLL_SECONDS = 1.0
_MIB = 2**20
_UNAVAILABLE, _FORBIDDEN = 503, 403
_FAILED = "the start of the browser failed, the log of Fyke says why"
DECLINED = "fyke.json of this Worker declares that it uses no browser"


class BrowserDenied(Exception):
    """Ends a start; ``text`` and the HTTP ``status`` are the answer to the connections.
    ``retry_after`` seconds, 0 = not again in this attempt.
    """

    def __init__(
        self,
        text: str,
        retry_after: int,
        reason: Reason | None = None,
        status: int = _UNAVAILABLE,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.retry_after = retry_after
        self.status = status
        self.reason = reason or Reason.of(ReasonCode.BROWSER_FAILED, problem=text)


class BrowserState(Enum):
    IDLE = auto()
    OPENING = auto()
    ATTACHED = auto()
    CLOSED = auto()


class AttemptBrowser:
    """The browser of one attempt. ``open`` it once, and ``close`` it when its Worker has ended.
    ``note`` writes a line into the log of the run. ``declined``: its version declares that it uses
    no browser, so it gets none; ``expected``: that it uses one. ``choice`` is what the run asks of
    it.
    """

    def __init__(
        self,
        key: AttemptKey,
        deps: BrowserDependencies,
        egress: Egress,
        installation: NodeGateway,
        places: BrowserPlaces,
        note: Callable[[LogType, str], None],
        *,
        declined: bool = False,
        expected: bool = False,
        choice: BrowserChoice = ANY_CHOICE,
    ) -> None:
        self.failure: Reason | None = None  # why the Worker has no browser now, or a page crashed
        self.state = BrowserState.IDLE
        self._key = key
        self._deps = deps
        self._egress = egress
        self._installation = installation
        self._places = places
        self._note = note
        self._declined = declined
        self._expected = expected
        self._choice = choice
        self._budget = browser_budget()
        self._cache = AttemptCache(key, deps)
        # the last one, and those that are not measured
        self._generations: list[BrowserGeneration] = []
        self._last_number = 0
        self._past = BrowserTotals()  # of all others
        self._started = 0
        self._reporting = 0  # the generation of ``_activity``
        self._activity = BrowserActivity()  # without lines
        self._past_activity = BrowserActivity()
        self._lines: deque[ConsoleLine] = deque(maxlen=MAX_LINES)
        self._opening: asyncio.Task[None] | None = None
        self._removals: set[asyncio.Task[None]] = set()  # of sandboxes

    async def open(
        self, listeners: Sequence[socket], secret: str, block: Sequence[BrowserBlock] = ()
    ) -> None:
        """Let the gateway serve the browser ports. Raise ``Unavailable``."""
        keep = self._deps.keep is not KeepPages.NEVER
        grant = GatewayGrant(self._key.id, secret, tuple(block), keep=keep, expected=self._expected)
        await self._deps.gateway.open(listeners, grant)

    def keeps_page(self, *, succeeded: bool) -> bool:
        """Whether the last page is to be kept, and there may be one."""
        kept = KeepPages.ALWAYS if succeeded else KeepPages.FAILED
        return self._deps.keep in (kept, KeepPages.ALWAYS) and bool(self._generations)

    async def last_page(self) -> TakenPage | None:
        """The last page, after the end of the Worker and before ``close``; None without one."""
        return await self._deps.gateway.finish(self._key.id)

    @property
    def totals(self) -> BrowserTotals:
        """What the browsers have used so far."""
        totals = self._past
        for generation in self._generations:
            totals = generation.added_to(totals)
        return totals

    @property
    def report(self) -> BrowserReport | None:
        """What the browsers have done so far; None before the first one."""
        if not self._generations:
            return None
        total = sum_activities((self._past_activity, self._activity))
        return BrowserReport(
            replace(total, lines=tuple(self._lines)),
            starts=self._started,
            is_open=self.state is BrowserState.ATTACHED,
            own_sandbox=self._generations[-1].info.own_sandbox,
        )

    # --- from the gateway -------------------------------------------------------------------

    def wanted(self, wanted: BrowserWanted) -> None:
        """A connection waits for a browser."""
        if self.state is BrowserState.IDLE:
            self.state = BrowserState.OPENING
            self._opening = asyncio.create_task(self._provide(wanted))

    def started(self, number: int) -> None:
        """Chromium accepts connections."""
        current = self._attached(number)
        if current is None:
            return
        self._started += 1
        if self.failure is not None and self.failure.code is not ReasonCode.BROWSER_OUT_OF_MEMORY:
            self.failure = None
        info, limits = current.info, current.limits
        cached = current.browser.cached
        self._note(
            LogType.INFO,
            f"The browser has started: {info.program} {info.version}"
            f"{', with windows' if self._choice.headful else ''}, with up to {limits.cpus:g} "
            f"CPU and {limits.memory // _MIB} MB"
            + (f", and {cached // 1024} KB from the cache of this run." if cached else "."),
        )
        if not info.own_sandbox and self._started == 1:
            self._note(
                LogType.WARN,
                "Chromium runs without a sandbox of its own, inside that of Fyke; fyke doctor "
                "says why.",
            )
        current.tasks.append(asyncio.create_task(current.limit_cpu()))

    def ended(self, ended: BrowserEnded) -> None:
        """The browser has ended; the next connection gets a new one."""
        if not ended.generation:
            self._wait_lost(ended)
            return
        current = self._attached(ended.generation)
        if current is None:
            return
        self.state = BrowserState.IDLE
        words = ended.detail or current.last_words
        if ended.cause is BrowserEndCause.CLOSED:
            self._budget.give_back()
            self._note(LogType.INFO, "The browser was closed.")
        else:
            current.fault = ended.cause, words
        if ended.cause is BrowserEndCause.NOT_STARTED:
            problem = "it did not start" + (f": {words}" if words else "")
            self.failure = Reason.of(ReasonCode.BROWSER_FAILED, problem=problem)
        self._retire(current)

    def _wait_lost(self, ended: BrowserEnded) -> None:
        """The connections that waited for a browser have ended; it is still opened, for others."""
        if self.state is not BrowserState.CLOSED:
            self.failure = Reason.of(ReasonCode.BROWSER_FAILED, problem=ended.detail)
            text = "The connections that waited for a browser were lost"
            self._note(LogType.WARN, f"{text}: {ended.detail}.")

    def acted(self, number: int, activity: BrowserActivity) -> None:
        """What a generation has done so far, with the console lines since the last call."""
        if number < self._reporting:
            return
        if number > self._reporting:
            self._past_activity = sum_activities((self._past_activity, self._activity))
            self._reporting = number
        self._activity = replace(activity, lines=())
        self._lines.extend(activity.lines)

    def noted(self, note: BrowserNote) -> None:
        """A line for the log of the run."""
        self._note(LogType.WARN if note.is_warning else LogType.INFO, note.text)

    # --- the start ------------------------------------------------------------------------

    async def _provide(self, wanted: BrowserWanted) -> None:
        """Open a browser and give it to the gateway, or let the gateway refuse the connections."""
        try:
            await self._attach_new(wanted)
            return
        except BrowserDenied as error:
            refused = error
        except (FykeError, SandboxFault, OSError, ValueError) as error:
            log.warning("browser_not_opened", attempt=self._key.id, error=repr(error))
            refused = BrowserDenied(str(error) or type(error).__name__, 5)
        except Exception:  # nothing awaits this task
            log.exception("browser_not_opened", attempt=self._key.id)
            refused = BrowserDenied(_FAILED, 5)
        if self._opening is not asyncio.current_task():
            return  # the attempt has ended, or another browser is wanted meanwhile
        self.state = BrowserState.IDLE
        self._places.release(self._key.id)
        self.failure = refused.reason
        self._note(LogType.WARN, f"The Worker gets no browser: {refused.text}.")
        with contextlib.suppress(Unavailable):  # the connections have ended with the gateway
            await self._deps.gateway.refuse(
                self._key.id, refused.status, refused.text, retry_after=refused.retry_after
            )

    async def _attach_new(self, wanted: BrowserWanted) -> None:
        if self._declined:
            reason = Reason(ReasonCode.BROWSER_NOT_DECLARED)
            raise BrowserDenied(DECLINED, 0, reason, _FORBIDDEN)
        try:
            self._budget.check(time.monotonic())
        except TooManyStarts as error:
            raise BrowserDenied(str(error), error.retry_after) from None
        self._deps.wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ROOM_SECONDS):
                await self._deps.checked.wait()
        info = self._deps.browsers.info()
        if self._deps.missing:
            raise BrowserDenied("this Fyke has no browser", 0, Reason(ReasonCode.NO_BROWSER))
        if info.reason:
            raise BrowserDenied(f"the browser of this machine cannot be used: {info.reason}", 5)
        if problem := info.offer.problem_with(self._choice):
            raise BrowserDenied(f"{_asked(self._choice)}, and on this machine {problem}", 0)
        info = info.of(self._choice.program)
        limits = await self._reserved()
        number = self._last_number = self._last_number + 1  # that of one that fails, too
        is_shared = wanted.form in (BrowserForm.CDP, BrowserForm.LIGHTPANDA)
        spec = BrowserSpec(
            self._cache.name_of(number),
            limits,
            self._choice.headful,
            program=info.program if is_shared else None,
            cache=self._cache.take(number) if is_shared else "",
        )
        self._budget.count(time.monotonic())
        opening = asyncio.create_task(self._deps.browsers.open(spec))
        try:
            browser = await in_time("starting the browser", unhurt(opening))
        except BaseException:
            self._remove_later(discard(opening))
            self._cache.left(number, None)
            raise
        if spec.cache:
            self._cache.started_with(number, browser.cached)
        now = time.monotonic()
        watch, memory = Stopwatch(now), MemoryMeter(now)
        current = BrowserGeneration(number, browser, limits, info, watch, memory, spec.cache)
        self._generations.append(current)
        self._forget_measured()
        try:
            current.listener = await self._egress.add_listener(
                self._key.id, browser.proxy, passwordless=True
            )
            current.tasks.append(asyncio.create_task(self._poll(current)))
            self.state = BrowserState.ATTACHED
            await self._deps.gateway.attach(
                self._key.id,
                current.number,
                browser.control,
                info.program,
                own_sandbox=info.own_sandbox,
                display=self._choice.headful,
            )
        except BaseException:
            self._retire(current)
            raise
        finally:
            browser.control.close()

    async def _reserved(self) -> BrowserLimits:
        """Wait for room, then for the money; return the limits of the browser."""
        missing = await self._places.reserve(self._key.id, self._note_wait)
        if missing is not None:
            reason = Reason.of(
                ReasonCode.BROWSER_BUSY,
                seconds=round(ROOM_SECONDS),
                free_mb=missing.free_mb,
                needed_mb=missing.needed_mb,
            )
            raise BrowserDenied(missing.text, 5, reason)
        own = self._deps.limits
        try:
            granted = await self._installation.reserve_browser(
                self._key, own.cpus, own.memory // _MIB
            )
        except StaleLease:
            raise BrowserDenied("the run is being stopped", 0) from None
        except Unavailable:
            raise
        except FykeError as error:  # it cannot be paid for
            raise BrowserDenied(str(error), 30) from error
        self._places.leased(self._key.id, granted)
        return limits_of(granted, own)

    def _note_wait(self, missing: str) -> None:
        self._note(
            LogType.INFO,
            f"A connection waits for a browser, at most {ROOM_SECONDS:g} s: {missing}.",
        )

    # --- while it runs --------------------------------------------------------------------

    async def _poll(self, current: BrowserGeneration) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            with contextlib.suppress(SandboxFault):  # a failed reading must not end the readings
                self._measured(current, await current.browser.usage())

    def _measured(self, generation: BrowserGeneration, usage: BrowserUsage) -> None:
        self._fail(generation.measured_as(usage, self._note))

    def _fail(self, failure: Reason | None) -> None:
        if failure is not None:
            self.failure = failure

    async def measure(self) -> None:
        """Take a reading now, so that ``failure`` is up to date."""
        for generation in list(self._generations):  # some may be forgotten meanwhile
            if generation.retired:
                await generation.measured.wait()
                continue
            with contextlib.suppress(SandboxFault):
                usage = await in_time("measuring the browser", generation.browser.usage())
                self._measured(generation, usage)

    # --- the end --------------------------------------------------------------------------

    async def close(self) -> None:
        """End the browser and its ports; afterwards ``totals`` are final. The sandboxes may be
        removed later, see ``closed``.
        """
        attached = self.state is BrowserState.ATTACHED
        self.state = BrowserState.CLOSED
        if attached:
            self._retire(self._generations[-1])
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        with contextlib.suppress(Unavailable):  # then the gateway has ended, and so has the browser
            await self._deps.gateway.close(self._key.id)
        for generation in self._generations:
            await generation.measured.wait()

    async def closed(self) -> None:
        """Return when the sandboxes are removed."""
        await asyncio.gather(*self._removals)

    def _attached(self, number: int) -> BrowserGeneration | None:
        """The attached generation if it is this one."""
        current = self._generations[-1] if self.state is BrowserState.ATTACHED else None
        return current if current is not None and current.number == number else None

    def _retire(self, generation: BrowserGeneration) -> None:
        """Stop the clock of a browser, and remove it."""
        if generation.retired:
            return
        generation.retired = True
        generation.watch.end(time.monotonic())
        for task in generation.tasks:
            task.cancel()
        self._remove_later(self._remove(generation))

    def _forget_measured(self) -> None:
        """Keep the totals of earlier generations, of which an attempt may have many."""
        while len(self._generations) > 1 and self._generations[0].measured.is_set():
            self._past = self._generations.pop(0).added_to(self._past)

    def _remove_later(self, removal: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(removal)
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)

    async def _remove(self, generation: BrowserGeneration) -> None:
        browser = generation.browser
        try:
            self._measured(generation, await in_time("measuring the browser", browser.usage()))
        except SandboxFault as error:  # the last reading counts
            log.warning("browser_not_measured", attempt=self._key.id, error=str(error))
        finally:
            generation.memory.end(time.monotonic(), generation.usage.memory_peak)
            self._fail(generation.explain_fault(self._note))
            generation.measured.set()
        try:
            if generation.listener is not None and self.state is not BrowserState.CLOSED:
                await self._egress.remove_listener(self._key.id, generation.listener)
            await in_time("ending the browser", browser.kill())
        except SandboxFault as error:
            log.warning("browser_not_killed", attempt=self._key.id, error=str(error))
        await self._cache.save(generation)
        try:
            await in_time("removing the browser", browser.close())
        except SandboxFault as error:  # its remains are removed at the next start
            log.error("browser_left_behind", attempt=self._key.id, error=str(error))


def _asked(choice: BrowserChoice) -> str:
    """What a run asks of its browser."""
    if choice.headful:
        return "the run asks for a browser with windows"
    return f"the run asks for {choice.program}"
