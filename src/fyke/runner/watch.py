"""Watches a running Worker: its output, its usage, and everything that can end it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import Any

import structlog

from fyke.contracts.execution import Sandbox, SandboxExit, SandboxFault, SandboxLimits, SandboxUsage
from fyke.domain.results.intake import AttemptIntake
from fyke.domain.runs.outcome import end_of
from fyke.model.log import LogType
from fyke.model.run import SUCCESS, End, RunLimits
from fyke.reasons import Reason, ReasonCode
from fyke.runner.causes import cause
from fyke.runner.endings import EndRequest, in_time
from fyke.runner.entries import StreamEntries
from fyke.runner.metering import MAX_GAP_SECONDS, MemoryMeter, Stopwatch
from fyke.runner.output import OutputLines

log = structlog.get_logger()

BOOT_GRACE_SECONDS = 2.0
TERM_GRACE_SECONDS = 5.0
KILL_WAIT_SECONDS = 5.0
OUTPUT_DRAIN_SECONDS = 2.0
POLL_SECONDS = 1.0  # between two readings of the sandbox's usage
FAST_POLL_SECONDS = 0.2  # while the disk may be full before the next reading
READ_SECONDS = MAX_GAP_SECONDS / 2  # between two readings of the stopwatch
LAST_LINES = 60
ENTRY_SECONDS = 0.2  # until an entry is logged without the lines that may follow


class ProcessWatch:
    """Watches one launched sandbox. ``usage`` is the last reading."""

    def __init__(
        self,
        sandbox: Sandbox,
        intake: AttemptIntake,
        run_limits: RunLimits,
        sandbox_limits: SandboxLimits,
        stop: EndRequest,
    ) -> None:
        self._sandbox = sandbox
        self._intake = intake
        self._run_limits = run_limits
        self._sandbox_limits = sandbox_limits
        self._stop = stop
        self._disk_full = asyncio.Event()
        started = time.monotonic()
        self._memory = MemoryMeter(started)
        self._stopwatch = Stopwatch(started)
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._entries = {
            "stdout": StreamEntries(LogType.INFO),
            "stderr": StreamEntries(LogType.WARN),
        }
        self._log_waiting: asyncio.TimerHandle | None = None
        self.usage = SandboxUsage()

    @property
    def last_lines(self) -> list[str]:
        """The last lines of the Worker's stderr."""
        return list(self._lines)

    @property
    def memory_mb_ms(self) -> int:
        """Memory over time so far."""
        return self._memory.mb_ms

    @property
    def busy_ms(self) -> int:
        """How long the Worker has run so far."""
        return round(self._stopwatch.read(time.monotonic()) * 1000)

    async def until_end(self) -> End:
        """Wait for the end, read the rest of the output and take the last reading; return why the
        Worker ended."""
        exited = asyncio.create_task(self._sandbox.wait())
        stopped = asyncio.create_task(self._stop.wait())
        output = asyncio.create_task(self._forward_output())
        helpers = [
            asyncio.create_task(self._limit_cpu_after_boot()),
            asyncio.create_task(self._poll_usage()),
        ]
        try:
            await self._wait_for_time_limit({exited, stopped})
            if not exited.done():
                timeout = self._run_limits.timeout_s
                self._stop.request(end_of(Reason.of(ReasonCode.TIMEOUT, seconds=timeout)))
                await self._terminate_then_kill(exited)
            ended_at = time.monotonic()
            self._stopwatch.end(ended_at)
            await asyncio.wait({output}, timeout=OUTPUT_DRAIN_SECONDS)
            self.usage = await self._sandbox.usage()
            self._memory.end(ended_at, self.usage.memory_peak)
            return self._stop.end or self._end_of(await exited)
        finally:
            for task in (stopped, output, exited, *helpers):
                task.cancel()
            await asyncio.gather(stopped, output, exited, *helpers, return_exceptions=True)

    async def _wait_for_time_limit(self, tasks: set[asyncio.Task[Any]]) -> None:
        """Wait until one of the tasks is done or the Worker has run for as long as it may."""
        while True:
            left = self._run_limits.timeout_s - self._stopwatch.read(time.monotonic())
            if left <= 0:
                return
            pause = min(left, READ_SECONDS)
            done, _ = await asyncio.wait(tasks, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return

    async def _terminate_then_kill(self, exited: asyncio.Task[SandboxExit]) -> None:
        """Send SIGTERM, wait five seconds, then kill all processes. The output is still read.

        A Worker that has filled the disk is killed without the wait.
        """
        await self._sandbox.terminate()
        full = asyncio.create_task(self._disk_full.wait())
        await asyncio.wait(
            {exited, full}, timeout=TERM_GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        full.cancel()
        if exited.done():
            return
        await in_time("killing the Worker", self._sandbox.kill())
        await asyncio.wait({exited}, timeout=KILL_WAIT_SECONDS)
        if not exited.done():
            raise SandboxFault("the sandbox did not end after SIGKILL")

    def _end_of(self, exit: SandboxExit) -> End:
        line = cause(self.last_lines)
        if exit.out_of_memory and (exit.code or exit.signal):
            memory = self._run_limits.memory_mb
            return end_of(Reason.of(ReasonCode.OUT_OF_MEMORY, memory_mb=memory))
        if exit.signal:
            return end_of(Reason.of(ReasonCode.SIGNAL, signal=exit.signal, last_words=line))
        if exit.code:
            return end_of(Reason.of(ReasonCode.EXIT_CODE, exit_code=exit.code, last_words=line))
        return SUCCESS

    async def _forward_output(self) -> None:
        """Log what the Worker prints."""
        intake = self._intake
        longest = intake.masker.longest if intake.masker else 0
        lines = OutputLines(intake.mask, longest)
        try:
            async for stream, data in self._sandbox.output():
                for text in lines.feed(stream, data):
                    self._log_line(stream, text)
                self._log_waiting_soon()
                await intake.wait_for_log_space()
            for stream, text in lines.rest():
                self._log_line(stream, text)
        finally:
            self._log_rest()

    def _log_line(self, stream: str, text: str) -> None:
        if stream == "stderr" and text.strip():
            self._lines.append(self._intake.mask(text)[:500])  # masked before it is shortened
        for severity, content in self._entries[stream].add(text):
            self._intake.log(severity, content)

    def _log_waiting_soon(self) -> None:
        if self._log_waiting is None and any(entry.waiting for entry in self._entries.values()):
            loop = asyncio.get_running_loop()
            self._log_waiting = loop.call_later(ENTRY_SECONDS, self._log_rest)

    def _log_rest(self) -> None:
        """Log the lines that wait for others of their entry."""
        if self._log_waiting is not None:
            self._log_waiting.cancel()
            self._log_waiting = None
        for entries in self._entries.values():
            for severity, content in entries.rest():
                self._intake.log(severity, content)

    async def _limit_cpu_after_boot(self) -> None:
        """Set the CPU quota late: from the start it would make small Workers start seven times
        slower."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BOOT_GRACE_SECONDS):
                await self._intake.first_call.wait()
        await self._sandbox.apply_cpu_limit()

    async def _poll_usage(self) -> None:
        limit = self._sandbox_limits.work_size
        pause = FAST_POLL_SECONDS
        while True:
            await asyncio.sleep(pause)
            before = self.usage.work_bytes
            try:
                self.usage = await self._sandbox.usage()
            except SandboxFault as error:  # a failed reading must not end the disk limit
                log.warning(
                    "sandbox_not_measured", attempt=self._intake.attempt_id, error=str(error)
                )
                continue
            self._memory.sample(time.monotonic(), self.usage.memory)
            used = self.usage.work_bytes
            if used > limit:
                self._stop.request(end_of(Reason.of(ReasonCode.DISK_CAP, limit_mb=limit // 2**20)))
                self._disk_full.set()
            expected = used + max(0, used - before) / pause * POLL_SECONDS
            pause = FAST_POLL_SECONDS if expected > limit else POLL_SECONDS
