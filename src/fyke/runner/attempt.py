"""Carrying out one attempt: prepare, launch, watch, stop, collect.

The Worker knows three sockets and nothing of the platform. Whatever ends it, the order is the
same: the process is gone, its output is read to the end, what it pushed is on disk, the rows are
fenced off, and only then does the state say that it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog

from fyke.domain.contracts import (
    Box,
    BoxExit,
    BoxLimits,
    BoxSpec,
    BoxUsage,
    Egress,
    EnvironmentFailed,
    Environments,
    Isolation,
    IsolationReport,
    Lease,
    Pass,
    Sandbox,
    SandboxFault,
    SiteTraffic,
    Traffic,
    Usage,
)
from fyke.domain.logs import system
from fyke.domain.logs.model import LogType, NewLogEntry
from fyke.domain.results.commit import retry_while_unavailable
from fyke.domain.results.intake import AttemptIntake, Intake
from fyke.domain.runs.attempts import Attempts, Report
from fyke.domain.runs.model import Outcome, Run
from fyke.domain.runs.outcome import millionths, sentence
from fyke.domain.secrets.giving import NOT_SET, UNREADABLE, RunSecrets
from fyke.domain.secrets.masking import Masker
from fyke.domain.workers.model import Version, Worker
from fyke.errors import StaleLease
from fyke.runner.bundles import BundleCache
from fyke.runner.metering import MemoryMeter
from fyke.runner.output import OutputLines, last_words
from fyke.runner.site_reports import SiteReports
from fyke.runner.worker_env import worker_env
from fyke.sdk.http2 import serve
from fyke.sdk.service import SdkService

log = structlog.get_logger()

T = TypeVar("T")

BOOT_GRACE_SECONDS = 2.0
TERM_GRACE_SECONDS = 5.0
KILL_WAIT_SECONDS = 5.0
SANDBOX_SECONDS = 30.0
OUTPUT_DRAIN_SECONDS = 2.0
LOOK_SECONDS = 1.0  # between looks at what the box uses
QUICK_LOOK_SECONDS = 0.2  # where its disk may be full before the next one
NO_BROWSER = "The Worker asked for a browser (ChromeWs or ChromeHttp); this Fyke has no browser."
LAST_LINES = 60


@dataclass(frozen=True, slots=True)
class Tools:
    """What carrying out needs from the house; the same for every attempt."""

    sandbox: Sandbox
    environments: Environments
    egress: Egress
    intake: Intake
    attempts: Attempts
    bundles: BundleCache
    secrets: RunSecrets
    isolation: IsolationReport
    unsafe: bool
    work_bytes: int  # how much the Worker's own folder may hold
    regions: frozenset[str]  # regions that have an upstream


@dataclass(frozen=True, slots=True)
class End:
    """Why an attempt ended."""

    outcome: Outcome
    message: str = ""


class _Refused(Exception):
    """Ends the preparation with a stated reason."""

    def __init__(self, end: End) -> None:
        super().__init__(end.message)
        self.end = end


class Carrier:
    """Carries out one attempt, from the lease to the end of its subtask."""

    def __init__(
        self, lease: Lease, worker: Worker, version: Version, operator: bool, tools: Tools
    ) -> None:
        self.lease = lease
        self.attempt = lease.attempt
        self._worker = worker
        self._version = version
        self._operator = operator  # whether the worker is the operator's own
        self._tools = tools
        self._stop_reason: End | None = None
        self._stop = asyncio.Event()
        self._disk_full = asyncio.Event()
        self._box_usage = BoxUsage()
        self._memory: MemoryMeter | None = None  # from the launch on
        self._masker: Masker | None = None  # of the secrets that the Worker was given
        self._site_reports = SiteReports(self._sites)
        self._final_traffic: Traffic | None = None
        self._told_of_browser = False
        self._intake: AttemptIntake | None = None
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)  # of the Worker's stderr

    # --- seen by the runner -------------------------------------------------------------

    def report(self) -> Report:
        """The counters of this moment; those by site only when they have changed, and seldom."""
        return Report(self.attempt, self._usage(), self._site_reports.due(time.monotonic()))

    def reported(self, report: Report) -> None:
        """It was stored."""
        self._site_reports.told(report.sites)

    def stop(self, outcome: Outcome, message: str) -> None:
        """Ask for the end; the first reason is the one that counts."""
        if self._stop_reason is None:
            self._stop_reason = End(outcome, message)
            self._stop.set()

    def traffic_tripped(self) -> None:
        """The egress cut the attempt off at its limit."""
        megabytes = millionths(self.lease.run.limits.max_traffic_bytes)
        message = sentence(Outcome.TRAFFIC_CAP, megabytes=megabytes)
        self._limit_of_run(Outcome.TRAFFIC_CAP, message)

    def site_spared(self, why: str) -> None:
        """A connection was refused to spare a site: what the Worker sees may not say why."""
        if self._intake is not None:
            self._note(self._intake, f"A connection was refused: {why}.")

    async def carry_out(self) -> Run | None:
        """Do all of it; return the run as it is afterwards, None when the lease was lost.

        Never raises for what the Worker does; a fault of ours ends the attempt as such.
        """
        intake = await self._tools.intake.open(
            self.lease.run.id,
            self.attempt.id,
            self.attempt.number,
            on_row_cap=self._row_cap_reached,
        )
        self._intake = intake
        try:
            end = await self._prepare_and_run(intake)
        except _Refused as refused:
            end = refused.end
        except StaleLease:
            log.warning("attempt_lost", attempt=self.attempt.id)
            end = End(Outcome.RUNNER_LOST, sentence(Outcome.RUNNER_LOST))
        except Exception as error:
            # Whatever it was, it was ours: the attempt ends as such, and its room is free again.
            log.exception("attempt_fault", attempt=self.attempt.id)
            end = End(Outcome.INTERNAL, sentence(Outcome.INTERNAL, detail=str(error)))
        return await self._finish(intake, end)

    # --- the steps ----------------------------------------------------------------------

    async def _prepare_and_run(self, intake: AttemptIntake) -> End:
        _say(intake, system.preparing(self.attempt.number, 0))
        self._check_isolation(intake)
        bundle = await self._tools.bundles.ensure(self._version)
        try:
            environment = await self._unless_stopped(
                self._tools.environments.ensure(
                    self._version, bundle, self._worker.account_id, self._worker.builds_allowed
                )
            )
        except EnvironmentFailed as failed:
            if failed.log.strip():
                intake.log(LogType.ERROR, failed.log, system=True)
            begin = sentence(Outcome.INSTALL_FAILED, detail="")  # some say it themselves
            detail = str(failed).removeprefix(begin)
            message = sentence(Outcome.INSTALL_FAILED, detail=detail)
            raise _Refused(End(Outcome.INSTALL_FAILED, message)) from failed
        limits = self.lease.run.limits
        spec = BoxSpec(
            name=self.attempt.id,
            version=self._version,
            bundle=bundle,
            environment=environment,
            limits=BoxLimits(
                cpus=limits.cpus,
                memory=limits.memory_mb * 2**20,
                work_size=self._tools.work_bytes,
            ),
        )
        box = await _in_time("putting up the sandbox", self._tools.sandbox.open(spec))
        try:
            return await self._in_box(intake, box, spec.limits)
        finally:
            await self._take_down(box)

    async def _take_down(self, box: Box) -> None:
        """What cannot be taken down is swept at the next start; the run has ended all the same."""
        try:
            await _in_time("taking the sandbox down", box.close())
        except SandboxFault as error:
            log.error("box_left_behind", attempt=self.attempt.id, error=str(error))

    async def _in_box(self, intake: AttemptIntake, box: Box, limits: BoxLimits) -> End:
        secret = secrets.token_urlsafe(24)
        try:
            await self._open_egress(intake, box, secret)
            return await self._serve_and_run(intake, box, limits, secret)
        finally:
            self._final_traffic = await self._tools.egress.close(self.attempt.id)

    async def _serve_and_run(
        self, intake: AttemptIntake, box: Box, limits: BoxLimits, secret: str
    ) -> End:
        service = SdkService(intake, self.lease.subtask.input_json.encode())
        sdk = await serve(box.listeners["sdk"], service.handle)
        try:
            if self._stop_reason is not None:
                return self._stop_reason
            await self._tools.attempts.started(self.attempt)
            _say(intake, system.running(self.attempt.number, 0))
            self._memory = MemoryMeter(time.monotonic())
            await box.launch(await self._own_secrets(intake) | self._worker_env(secret))
            return await self._watch(intake, box, limits)
        finally:
            await sdk.close()

    async def _open_egress(self, intake: AttemptIntake, box: Box, secret: str) -> None:
        run = self.lease.run
        if run.region and run.region not in self._tools.regions and "*" not in self._tools.regions:
            self._note(intake, f"proxy_region {run.region} has no upstream; going out directly.")
        grant = Pass(
            attempt_id=self.attempt.id,
            secret=secret,
            region=run.region,
            allow=run.egress_allow,
            limit_bytes=run.limits.max_traffic_bytes or None,
            domains=self._version.egress,
            session=run.id,
        )
        listeners = box.listeners
        await self._tools.egress.open([listeners["proxy"], listeners["proxy6000"]], grant)
        for name in ("cdp", "cdp80"):
            if name in listeners:
                await self._tools.egress.refuse_browser(
                    self.attempt.id, listeners[name], lambda: self._browser_asked(intake)
                )

    def _browser_asked(self, intake: AttemptIntake) -> None:
        if not self._told_of_browser:
            self._told_of_browser = True
            self._note(intake, NO_BROWSER)

    async def _own_secrets(self, intake: AttemptIntake) -> dict[str, str]:
        """The values that this account keeps for this Worker; from now on they are masked in all
        that comes from it. Opened here and not before, and kept nowhere.
        """
        given = await self._tools.secrets.of(self.lease.run)
        self._masker = intake.masker = given.masker
        for name in given.lacking:
            self._note(intake, UNREADABLE.format(name=name))
        for name in self._version.secrets:
            if name not in given.environment and name not in given.lacking:
                self._note(intake, NOT_SET.format(name=name))
        return given.environment

    def _worker_env(self, secret: str) -> dict[str, str]:
        return worker_env(self._version.language, self.attempt.id, secret)

    def _check_isolation(self, intake: AttemptIntake) -> None:
        report = self._tools.isolation
        if report.level is Isolation.FULL:
            return
        if report.level is Isolation.NO_LIMITS and self._operator:
            self._note(intake, f"This machine cannot limit cpu and memory hard: {report.reason}")
            return
        if report.level is Isolation.NONE and self._tools.unsafe:
            self._note(intake, f"FYKE_UNSAFE is set and a wall is missing: {report.reason}")
            return
        detail = f'the sandbox here is at level "{report.level}": {report.reason}'
        raise _Refused(
            End(Outcome.ISOLATION_REFUSED, sentence(Outcome.ISOLATION_REFUSED, detail=detail))
        )

    # --- watching -----------------------------------------------------------------------

    async def _watch(self, intake: AttemptIntake, box: Box, limits: BoxLimits) -> End:
        exited = asyncio.create_task(box.wait())
        stopped = asyncio.create_task(self._stop.wait())
        output = asyncio.create_task(self._pump(intake, box))
        helpers = [
            asyncio.create_task(self._limit_cpu_after_boot(intake, box)),
            asyncio.create_task(self._poll_usage(box, limits)),
        ]
        try:
            timeout = self.lease.run.limits.timeout_s
            await asyncio.wait(
                {exited, stopped}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if not exited.done() and self._stop_reason is None:
                self.stop(Outcome.TIMEOUT, sentence(Outcome.TIMEOUT, seconds=timeout))
            if not exited.done():
                await self._stop_ladder(box, exited)
            ended_at = time.monotonic()
            await asyncio.wait({output}, timeout=OUTPUT_DRAIN_SECONDS)
            self._box_usage = await box.usage()
            if self._memory is not None:
                self._memory.end(ended_at, self._box_usage.memory_peak)
            return self._stop_reason or self._end_of(await exited)
        finally:
            for task in (stopped, output, exited, *helpers):
                task.cancel()
            await asyncio.gather(stopped, output, exited, *helpers, return_exceptions=True)

    async def _stop_ladder(self, box: Box, exited: asyncio.Task[BoxExit]) -> None:
        """SIGTERM, five seconds, then everything at once. The output is read all the while.

        Who has filled the disk gets no time to go on filling it.
        """
        await box.terminate()
        full = asyncio.create_task(self._disk_full.wait())
        await asyncio.wait(
            {exited, full}, timeout=TERM_GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        full.cancel()
        if exited.done():
            return
        await _in_time("killing the Worker", box.kill())
        await asyncio.wait({exited}, timeout=KILL_WAIT_SECONDS)
        if not exited.done():
            raise SandboxFault("the sandbox did not end after SIGKILL")

    def _end_of(self, exit: BoxExit) -> End:
        words = last_words(list(self._last_lines))
        if exit.out_of_memory and (exit.code or exit.signal):
            memory = self.lease.run.limits.memory_mb
            return End(Outcome.OUT_OF_MEMORY, sentence(Outcome.OUT_OF_MEMORY, memory_mb=memory))
        if exit.signal:
            text = sentence(Outcome.SIGNAL, signal=exit.signal, last_words=words)
            return End(Outcome.SIGNAL, text)
        if exit.code:
            text = sentence(Outcome.EXIT_CODE, code=exit.code, last_words=words)
            return End(Outcome.EXIT_CODE, text)
        return End(Outcome.SUCCEEDED)

    async def _pump(self, intake: AttemptIntake, box: Box) -> None:
        """Every line the Worker prints goes to the log: stdout as info, stderr as a warning."""
        longest = intake.masker.longest if intake.masker else 0
        lines = OutputLines(intake.masked, longest)
        async for stream, data in box.output():
            for text in lines.feed(stream, data):
                self._log_line(intake, stream, text)
            await intake.log_room()
        for stream, text in lines.rest():
            self._log_line(intake, stream, text)

    def _log_line(self, intake: AttemptIntake, stream: str, text: str) -> None:
        if stream == "stderr" and text.strip():
            self._last_lines.append(intake.masked(text)[:500])  # masked before it is shortened
        intake.log(LogType.INFO if stream == "stdout" else LogType.WARN, text)

    async def _limit_cpu_after_boot(self, intake: AttemptIntake, box: Box) -> None:
        """A quota from the first millisecond makes small Workers start seven times slower."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BOOT_GRACE_SECONDS):
                await intake.first_call.wait()
        await box.apply_cpu_limit()

    async def _poll_usage(self, box: Box, limits: BoxLimits) -> None:
        pause = QUICK_LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            before = self._box_usage.work_bytes
            try:
                self._box_usage = await box.usage()
            except SandboxFault as error:  # one bad look must not end the watch over the disk
                log.warning("box_not_measured", attempt=self.attempt.id, error=str(error))
                continue
            if self._memory is not None:
                self._memory.look(time.monotonic(), self._box_usage.memory)
            used = self._box_usage.work_bytes
            if used > limits.work_size:
                megabytes = f"{limits.work_size / 2**20:g}"
                self.stop(Outcome.DISK_CAP, sentence(Outcome.DISK_CAP, megabytes=megabytes))
                self._disk_full.set()
            by_next = used + max(0, used - before) / pause * LOOK_SECONDS
            pause = QUICK_LOOK_SECONDS if by_next > limits.work_size else LOOK_SECONDS

    # --- the end ------------------------------------------------------------------------

    def _note(self, intake: AttemptIntake, text: str) -> None:
        _say(intake, system.warning(self.attempt.number, text, 0))

    async def _finish(self, intake: AttemptIntake, end: End) -> Run | None:
        message = intake.masked(end.message)
        if end.outcome is Outcome.SUCCEEDED:
            _say(intake, system.completed(self.attempt.number, 0))
        else:
            _say(intake, system.failed(self.attempt.number, message, list(self._last_lines), 0))
        rows = await intake.close()
        sites = self._sites()
        # Waits as the rows did: a store that is away for a moment must not turn a run that has
        # succeeded into one whose runner was lost.
        run = await retry_while_unavailable(
            lambda: self._tools.attempts.ended(
                self.attempt,
                end.outcome,
                message,
                self._usage(),
                actor=f"runner {self.attempt.runner_id}",
                sites=sites,
            )
        )
        log.info(
            "attempt_ended",
            run=self.lease.run.id,
            attempt=self.attempt.id,
            outcome=end.outcome.value,
            rows=rows,
            run_state=run.state.value if run else "lost",
        )
        return run

    def _row_cap_reached(self, limit: str) -> None:
        self._limit_of_run(Outcome.ROW_CAP, sentence(Outcome.ROW_CAP, limit=limit))

    def _limit_of_run(self, outcome: Outcome, message: str) -> None:
        """A limit that is for the whole run: the other attempts have to end too."""
        self.stop(outcome, message)
        task = asyncio.create_task(
            self._tools.attempts.limit_reached(self.attempt, outcome, message)
        )
        task.add_done_callback(_log_failure)

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for ``work``, but give it up when the attempt is stopped meanwhile."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if self._stop_reason is not None and not task.done():
                raise _Refused(self._stop_reason)
            return await task
        finally:
            stopped.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _sites(self) -> tuple[SiteTraffic, ...]:
        """Site by site. A host name is a way to say a secret, too."""
        sites = self._tools.egress.sites(self.attempt.id)
        if self._masker is None:
            return sites
        return tuple(replace(site, domain=self._masker.host(site.domain)) for site in sites)

    def _usage(self) -> Usage:
        traffic = self._final_traffic or self._tools.egress.traffic(self.attempt.id)
        return Usage(
            traffic_bytes=traffic.total,
            cpu_ms=self._box_usage.cpu_ms,
            memory_peak_bytes=self._box_usage.memory_peak,
            memory_bytes=self._box_usage.memory,
            rows=self._intake.rows if self._intake else 0,
            memory_mb_ms=self._memory.mb_ms if self._memory else 0,
        )


async def _in_time(what: str, work: Coroutine[Any, Any, T]) -> T:
    """A launcher that hangs must not hold a run and its room for ever. Raise ``SandboxFault``."""
    try:
        async with asyncio.timeout(SANDBOX_SECONDS):
            return await work
    except TimeoutError:
        raise SandboxFault(f"{what} took longer than {SANDBOX_SECONDS:g} s") from None


def _say(intake: AttemptIntake, entry: NewLogEntry) -> None:
    """Write one of the platform's own lines; the intake dates it."""
    intake.log(entry.type, entry.content, system=True)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("limit_not_recorded", error=repr(task.exception()))
