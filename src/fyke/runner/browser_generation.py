"""One browser of an attempt: what it uses, and what its readings and its end mean."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from fyke.contracts.browser import (
    Browser,
    BrowserEndCause,
    BrowserInfo,
    BrowserLimits,
    BrowserUsage,
)
from fyke.contracts.execution import SandboxFault
from fyke.model.log import LogType
from fyke.model.run import RunLimits
from fyke.reasons import Reason, ReasonCode
from fyke.runner.endings import in_time
from fyke.runner.metering import MemoryMeter, Stopwatch

CPU_GRACE_SECONDS = 2.0  # for the first page
_LAST_WORDS = 500  # characters in a line of the log
_FULL = 0.9  # of the memory limit; a Chromium that gets no more ends by itself
_LITTLE_SPACE = 0.75  # of the space for files; Chromium removes at once what does not fit
_MIB = 2**20
_FAULTS = {
    BrowserEndCause.CRASHED: "The browser ended by itself",
    BrowserEndCause.NOT_STARTED: "The browser did not start",
    BrowserEndCause.SANDBOX_ENDED: "The sandbox of the browser ended",
    BrowserEndCause.GATEWAY_ENDED: "The connection to the browser was lost",
}
# ends that a Chromium without memory has: by itself, or with the process that started it
_OF_MEMORY = (BrowserEndCause.CRASHED, BrowserEndCause.SANDBOX_ENDED)

WriteNote = Callable[[LogType, str], None]  # to the log of the run

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BrowserTotals:
    """What the browsers of an attempt have used; ``version`` is that of the latest one, and
    ``memory`` the bytes that are in use now.
    """

    milliseconds: int = 0
    cpu_ms: int = 0
    memory_peak: int = 0
    memory_mb_ms: int = 0
    version: str = ""
    memory: int = 0


@dataclass(slots=True)
class BrowserGeneration:
    """One browser sandbox of the attempt, from the moment that it is given to the gateway."""

    number: int
    browser: Browser
    limits: BrowserLimits
    info: BrowserInfo
    watch: Stopwatch
    memory: MemoryMeter
    cache: str = ""  # the name of its HTTP cache, if that is saved at its end
    listener: int | None = None  # its key in the egress
    usage: BrowserUsage = field(default_factory=BrowserUsage)
    oom_reported: bool = False
    space_reported: bool = False
    fault: tuple[BrowserEndCause, str] | None = None  # an unexpected end, its details
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    retired: bool = False
    measured: asyncio.Event = field(default_factory=asyncio.Event)  # for the last time

    def added_to(self, before: BrowserTotals) -> BrowserTotals:
        """``before`` with this one added."""
        return BrowserTotals(
            before.milliseconds + round(self.watch.read(time.monotonic()) * 1000),
            before.cpu_ms + self.usage.cpu_ms,
            max(before.memory_peak, self.usage.memory_peak),
            before.memory_mb_ms + self.memory.mb_ms,
            f"{self.info.program} {self.info.version}",
            before.memory + (0 if self.retired else self.usage.memory),
        )

    @property
    def last_words(self) -> str:
        """The end of its output."""
        return self.browser.last_words.strip()[-_LAST_WORDS:]

    async def limit_cpu(self) -> None:
        """Apply the CPU limit once the first page had time to open."""
        await asyncio.sleep(CPU_GRACE_SECONDS)
        try:
            await self.browser.apply_cpu_limit()
        except SandboxFault as error:
            log.warning("browser_cpu_not_limited", browser=self.number, error=str(error))

    def measured_as(self, usage: BrowserUsage, note: WriteNote) -> Reason | None:
        """Take a reading. Return why a page has crashed, if one has since the last one."""
        self.usage = usage
        failure: Reason | None = None
        now = time.monotonic()
        self.watch.read(now)
        self.memory.sample(now, usage.memory)
        if usage.ooms and not self.oom_reported:
            self.oom_reported = True
            megabytes = self.limits.memory // _MIB
            failure = Reason.of(ReasonCode.BROWSER_OUT_OF_MEMORY, memory_mb=megabytes)
            note(
                LogType.WARN,
                f"The browser went over its {megabytes} MB, and a process of it was ended: a page "
                "has crashed. Close pages that are no longer needed.",
            )
        limit = self.limits.tmp_size
        if usage.tmp_bytes >= _LITTLE_SPACE * limit and not self.space_reported:
            self.space_reported = True
            note(
                LogType.WARN,
                f"The files of the browser take {usage.tmp_bytes // _MIB} MB, of at most "
                f"{limit // _MIB} MB: a download that does not fit ends as canceled.",
            )
        return failure

    def explain_fault(self, note: WriteNote) -> Reason | None:
        """Log an unexpected end, once the memory has been read for the last time. Return why it
        ended, if the memory was the reason.
        """
        if self.fault is None:
            return None
        cause, words = self.fault
        usage, limit = self.usage, self.limits.memory
        text = _FAULTS[cause]
        if cause in _OF_MEMORY and (usage.ooms or usage.memory_peak >= _FULL * limit):
            used = f"it has used {usage.memory_peak // _MIB} of its {limit // _MIB} MB"
            text += f" ({words})" if words else ""
            note(
                LogType.WARN,
                f"{text}, probably out of memory: {used}. Close pages that are no longer "
                "needed, or open fewer at a time.",
            )
            return Reason.of(ReasonCode.BROWSER_OUT_OF_MEMORY, memory_mb=limit // _MIB)
        note(LogType.WARN, f"{text}: {words}" if words else f"{text}.")
        return None


def limits_of(run: RunLimits, own: BrowserLimits) -> BrowserLimits:
    """The limits of a browser of a run: those that the run was granted, the others from ``own``."""
    return replace(own, cpus=run.browser_cpus, memory=run.browser_memory_mb * _MIB)


async def unhurt(opening: asyncio.Task[Browser]) -> Browser:
    """Wait for a sandbox; a cancelled wait leaves it to ``discard``."""
    return await asyncio.shield(opening)


async def discard(opening: asyncio.Task[Browser]) -> None:
    """Remove a sandbox that came too late, as soon as it is there."""
    try:
        browser = await in_time("starting the browser", unhurt(opening))
    except Exception:
        opening.cancel()  # it was not opened
        return
    browser.control.close()
    try:
        await in_time("removing the browser", browser.close())
    except SandboxFault as error:  # its remains are removed at the next start
        log.error("browser_left_behind", error=str(error))
