"""Running one attempt: prepare, launch, watch, stop, collect.

The Worker has three sockets and no other access to the platform. Every end has the same order: the
process exits, its output is read to the end, no process of the sandbox runs, the pushed rows are on
disk, no more rows are accepted, and only then is the end recorded in the state. Meanwhile the
remains of the sandbox are removed.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import structlog

from fyke.contracts.egress import Traffic
from fyke.contracts.execution import (
    Isolation,
    Sandbox,
    SandboxFault,
    SandboxLimits,
    SandboxSpec,
    SandboxUsage,
)
from fyke.domain.logs import system
from fyke.domain.results.commit import retry_while_unavailable
from fyke.domain.results.intake import AttemptIntake
from fyke.domain.runs.isolation import missing_isolation
from fyke.domain.runs.outcome import end_of, traffic_cap
from fyke.domain.secrets.masking import Masker
from fyke.errors import StaleLease
from fyke.kit.file_lock import lock_folder
from fyke.model.attempt import AfterAttempt, AttemptEnd, AttemptReport, SiteTraffic
from fyke.model.browser import BrowserReport
from fyke.model.log import LogType, NewLogEntry
from fyke.model.node import AttemptOrder
from fyke.model.progress import WorkerProgress
from fyke.model.run import End, Outcome
from fyke.model.runner import AttemptUsage
from fyke.model.usage_marks import UsageMark
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode
from fyke.runner.attempt_environment import AttemptEnvironment
from fyke.runner.browser import AttemptBrowser
from fyke.runner.browser_generation import BrowserTotals
from fyke.runner.browser_places import BrowserPlaces
from fyke.runner.browser_report import masked_report, sites_with_answers
from fyke.runner.connections import AttemptConnections
from fyke.runner.dependencies import AttemptDependencies
from fyke.runner.endings import EndRequest, StartRefused, in_time, together
from fyke.runner.faults import detail_of, log_fault
from fyke.runner.kept_page import KeptPage
from fyke.runner.reports import Reports
from fyke.runner.usage_marks import UsageMarks
from fyke.runner.watch import ProcessWatch
from fyke.runner.worker_env import worker_env
from fyke.sdk.http2 import serve
from fyke.sdk.service import SdkService

PROGRESS_SECONDS = 0.8  # so that each report of the runner, one a second, has a new one
UNREADABLE = (
    "The secret {name} was sealed with a key that this installation does not have (its secret.key "
    "was replaced, or not restored), so the Worker starts without it. Set it again."
)
NOT_SET = (
    "This version needs the secret {name}, which your account has not set for it. "
    "Set it on the Worker's page, or with fyke secret set."
)

log = structlog.get_logger()


class AttemptRunner:
    """Runs one attempt, from the lease to the end of its subtask."""

    def __init__(
        self,
        order: AttemptOrder,
        deps: AttemptDependencies,
        places: BrowserPlaces | None = None,
    ) -> None:
        """``places`` are those of the runner for browsers."""
        self.order = order
        self.key = order.key
        self._version = order.version
        self._deps = deps
        self._stop = EndRequest()
        self._watch: ProcessWatch | None = None  # set at the launch
        self._masker: Masker | None = None  # masks secrets and the proxy password
        self._unmasked_report: BrowserReport | None = None  # of ``_masked_report``
        self._masked_report: BrowserReport | None = None
        self._site_reports = Reports[tuple[SiteTraffic, ...]](self._sites, ())
        self._browser_reports = Reports(self._browser_report, None)
        self._marks = UsageMarks(order.limits.memory_mb * 2**20)
        self._mark_reports = Reports[tuple[UsageMark, ...]](self._marks.read, ())
        self._progress_reports = Reports(self._progress, None, PROGRESS_SECONDS)
        self._final_traffic: Traffic | None = None
        self._environment = AttemptEnvironment(order, deps, self._lock)
        self.page = KeptPage(self.key, lambda: self._deps.gateway.files, self._note_if_open)
        self.connections = AttemptConnections(order, deps, places, self._note_masked)
        self._intake: AttemptIntake | None = None
        self._launched = False  # a launched Worker is not started again
        self._closing: asyncio.Task[None] | None = None  # kills and removes the sandbox
        self._locked = ExitStack()  # bundle and environment, until the sandbox is removed
        self._killed = asyncio.Event()  # no process of the sandbox runs, as far as is known

    # --- used by the runner -------------------------------------------------------------

    @property
    def browser(self) -> AttemptBrowser | None:
        """The browser; None where there is none."""
        return self.connections.browser

    def report(self) -> AttemptReport:
        """The current counters; those by site, of the browser and the progress only when they are
        due and have changed.
        """
        now = time.monotonic()
        self._mark_usage()
        return AttemptReport(
            self.key,
            self._usage(),
            self._site_reports.due(now),
            self._browser_reports.due(now),
            self._mark_reports.due(now),
            self._progress_reports.due(now),
        )

    def confirm_report(self, report: AttemptReport) -> None:
        """Note that ``report`` was stored."""
        self._site_reports.confirm(report.sites)
        self._browser_reports.confirm(report.browser)
        self._mark_reports.confirm(report.marks)
        self._progress_reports.confirm(report.progress)

    def stop(self, end: End) -> None:
        """Request the end; the first reason counts."""
        self._stop.request(end)

    def traffic_tripped(self) -> None:
        """The egress cut the attempt off at its limit."""
        self._end_run_at_limit(end_of(traffic_cap(self.order.limits)))

    def connection_refused(self, reason: str) -> None:
        """Log that a connection was refused: the error that the Worker gets may not state the
        reason."""
        self._note_masked(f"A connection was refused: {reason}.")

    def _note_if_open(self, text: str, kind: LogType = LogType.WARN) -> None:
        if self._intake is not None:
            self._note(self._intake, text, kind)

    def _note_masked(self, text: str, kind: LogType = LogType.WARN) -> None:
        if self._intake is not None:
            self._note(self._intake, self._intake.mask(text), kind)

    async def execute(self) -> AfterAttempt | None:
        """Run the attempt; return what its end has led to, or None when the lease was lost.

        Nothing that the Worker does raises here. An error of the platform ends the attempt with
        ``INTERNAL``; before the Worker's first instruction it returns the attempt to the queue.
        """
        intake = await self._deps.intake.open(
            self.key.run_id,
            self.key.id,
            self.key.number,
            on_row_cap=self._row_cap_reached,
            is_empty=self.order.is_empty,
        )
        self._intake = intake
        return await self._execute(intake)

    async def closed(self) -> None:
        """Return when the sandboxes are removed, which may take longer than the end of the run."""
        with self._locked:
            if self._closing is not None:
                await self._closing
            if self.browser is not None:
                await self.browser.closed()

    async def _execute(self, intake: AttemptIntake) -> AfterAttempt | None:
        try:
            end = await self._prepare_and_run(intake)
        except StartRefused as refused:
            end = refused.end
        except StaleLease:
            log.warning("attempt_lost", attempt=self.key.id)
            end = end_of(Reason(ReasonCode.RUNNER_LOST))
        except Exception as error:
            # An error of the platform: the attempt ends and frees its capacity.
            fault = detail_of(error, intake.mask)
            log_fault("attempt_fault", error, fault, attempt=self.key.id)
            if not self._launched and self._stop.end is None:
                return await self._give_back(intake, fault)
            requested = None if self._launched else self._stop.end
            end = requested or end_of(Reason.of(ReasonCode.INTERNAL, detail=str(error)))
        if not self._launched and end.outcome is Outcome.RUNNER_LOST:
            return await self._give_back(intake, Detail(DetailCode.RUNNER_LOST_EARLY))
        return await self._finish(intake, end)

    # --- the steps ----------------------------------------------------------------------

    async def _prepare_and_run(self, intake: AttemptIntake) -> End:
        _log_system(intake, system.preparing(self.key.number, 0))
        self._check_isolation(intake)
        bundle = await self._deps.bundles.ensure(self.key, self._version)
        self._lock(bundle)
        environment = await self._environment.ensure(
            bundle,
            self._stop,
            output=partial(intake.log, LogType.ERROR, system=True),
            note=partial(self._note, intake),
        )
        limits = self.order.limits
        spec = SandboxSpec(
            name=self.key.id,
            owner=self.order.worker.account_id,
            version=self._version,
            bundle=bundle,
            environment=environment,
            limits=SandboxLimits(
                cpus=limits.cpus,
                memory=limits.memory_mb * 2**20,
                work_size=self._deps.work_bytes,
            ),
        )
        sandbox = await in_time("starting the sandbox", self._deps.sandbox.open(spec))
        return await self._run_in_sandbox(intake, sandbox, spec.limits)

    def _lock(self, folder: Path | None) -> None:
        """Keep ``fyke prune`` on a node from removing a folder, however long the attempt runs."""
        if folder is not None:
            with suppress(OSError):  # no descriptor is free, but its use was noted just now
                self._locked.callback(os.close, lock_folder(folder))

    async def _close_sandbox(self, sandbox: Sandbox) -> None:
        """Kill what still runs in the sandbox, then remove it. After a failure its remains are
        removed at the next start.
        """
        try:
            await in_time("ending the sandbox", sandbox.kill())
        except SandboxFault as error:
            log.warning("sandbox_not_killed", attempt=self.key.id, error=str(error))
        finally:
            self._killed.set()
        try:
            await in_time("removing the sandbox", sandbox.close())
        except SandboxFault as error:
            log.error("sandbox_left_behind", attempt=self.key.id, error=str(error))

    async def _close_intake(self, intake: AttemptIntake) -> None:
        """Accept no more rows, once no process of the sandbox runs."""
        await self._no_process_runs()
        with suppress(StaleLease):
            await intake.close()

    async def _no_process_runs(self) -> None:
        """Wait until no process of the sandbox runs."""
        if self._closing is not None:
            await self._killed.wait()

    async def _run_in_sandbox(
        self, intake: AttemptIntake, sandbox: Sandbox, limits: SandboxLimits
    ) -> End:
        password = secrets.token_urlsafe(24)
        try:
            # The start is recorded before the Worker's first instruction, and not after the rest.
            _, injected = await self._stop.run_until_stopped(
                together(
                    self.connections.open(sandbox.listeners, password),
                    self._start(intake, password),
                )
            )
            addresses = worker_env(
                self._version.language,
                self.key.id,
                password,
                has_port_80="cdp80" in sandbox.listeners,
                traceparent=self.order.traceparent,
            )
            environment = injected | addresses
            end = await self._serve_and_run(intake, sandbox, limits, environment)
            if end.outcome is Outcome.SUCCEEDED and not intake.rows:
                await self._report_rows_not_pushed(intake, sandbox)
            return end
        finally:
            self._closing = asyncio.create_task(self._close_sandbox(sandbox))
            if self.browser is not None:
                await self.browser.close()
            self._final_traffic = await self._deps.egress.close(self.key.id)

    async def _report_rows_not_pushed(self, intake: AttemptIntake, sandbox: Sandbox) -> None:
        try:
            places = await in_time("looking for rows in files", sandbox.result_files())
        except SandboxFault as error:  # the Worker has succeeded nevertheless
            log.warning("result_files_not_read", attempt=self.key.id, error=str(error))
            return
        if places:
            _log_system(intake, system.rows_not_pushed(self.key.number, places, 0))

    async def _serve_and_run(
        self,
        intake: AttemptIntake,
        sandbox: Sandbox,
        limits: SandboxLimits,
        environment: dict[str, str],
    ) -> End:
        service = SdkService(intake, self.order.input_json.encode())
        sdk = await serve(sandbox.listeners["sdk"], service.handle)
        try:
            if self._stop.end is not None:
                return self._stop.end
            _log_system(intake, system.running(self.key.number, 0))
            self._watch = ProcessWatch(sandbox, intake, self.order.limits, limits, self._stop)
            await sandbox.launch(environment)
            self._launched = True
            end = await self._watch.until_end()
            if self.browser is not None:
                await self.browser.measure()
                await self.page.take(self.browser, end)
            return self.connections.explained(end)
        finally:
            await sdk.close()

    async def _start(self, intake: AttemptIntake, password: str) -> dict[str, str]:
        """Record the start, and return the account's secrets for this Worker. From here on they and
        the password of the proxy are masked in all its output.
        """
        injected = await self._deps.gateway.start(self.key)
        self._masker = intake.masker = Masker(injected.environment, {"PROXY_AUTH": password})
        for name in injected.unreadable:
            self._note(intake, UNREADABLE.format(name=name))
        for name in self._version.secrets:
            if name not in injected.environment and name not in injected.unreadable:
                self._note(intake, NOT_SET.format(name=name))
        return injected.environment

    def _check_isolation(self, intake: AttemptIntake) -> None:
        report = self._deps.isolation
        if report.level is Isolation.FULL:
            return
        if report.level is Isolation.NO_LIMITS and self.order.worker.is_operators:
            warning = f"{system.NO_HARD_LIMITS}: {report.reason}"
        elif report.level is Isolation.NONE and self._deps.unsafe:
            warning = f"FYKE_UNSAFE is set and the isolation is incomplete: {report.reason}"
        else:
            raise StartRefused(
                end_of(missing_isolation(report.level, report.checks, report.reason))
            )
        if self._deps.isolation_notes.is_first(self.key.run_id):
            self._note(intake, warning)

    # --- the end ------------------------------------------------------------------------

    def _note(self, intake: AttemptIntake, text: str, kind: LogType = LogType.WARN) -> None:
        _log_system(intake, system.subtask_line(self.key.number, text, 0, kind))

    async def _finish(self, intake: AttemptIntake, end: End) -> AfterAttempt | None:
        end = end.masked(intake.mask)
        # while there is a log that can say that it failed
        page = await self.page.store(self._masker)
        if end.outcome is Outcome.SUCCEEDED:
            _log_system(intake, system.completed(self.key.number, 0))
        else:
            last_lines = self._watch.last_lines if self._watch else []
            _log_system(intake, system.failed(self.key.number, end.message, last_lines, 0))
        try:
            await self._no_process_runs()
            await intake.finish()  # the end closes the rows
        except BaseException:  # the end is not recorded, so nothing will name the files
            if page is not None:
                await self.page.discard()
            raise
        sites, browser = self._sites(), self._browser_report()
        self._mark_usage(last=True)
        marks = self._marks.read() or None
        ended = AttemptEnd(end, self._usage(), sites, browser, page, marks=marks)
        # Retried, so that a short outage of the store does not fail a run that has succeeded.
        after = await retry_while_unavailable(lambda: self._deps.gateway.end(self.key, ended))
        if after is None:  # the lease was lost, so only this closes the rows here
            await self._close_intake(intake)
            if page is not None:
                await self.page.discard()
        log.info(
            "attempt_ended",
            run=self.key.run_id,
            attempt=self.key.id,
            outcome=end.outcome.value,
            rows=intake.rows,
            lost=after is None,
            run_over=after is not None and after.is_run_over,
        )
        return after

    async def _give_back(self, intake: AttemptIntake, fault: Detail) -> AfterAttempt | None:
        """Return the attempt to the queue; None when the lease was lost."""
        await self._no_process_runs()
        await intake.finish()
        gateway = self._deps.gateway
        after = await retry_while_unavailable(lambda: gateway.give_back(self.key, fault))
        if after is None:  # the lease was lost, so only this closes the rows here
            await self._close_intake(intake)
        log.info(
            "attempt_returned",
            run=self.key.run_id,
            attempt=self.key.id,
            fault=fault.code.value,
            pause_ms=after.pause_ms if after else None,
        )
        return after

    def _row_cap_reached(self, reason: Reason) -> None:
        self._end_run_at_limit(end_of(reason))

    def _end_run_at_limit(self, end: End) -> None:
        """Stop this attempt and the others of the run, which has reached a limit."""
        self.stop(end)
        task = asyncio.create_task(self._deps.gateway.limit_reached(self.key, end))
        task.add_done_callback(_log_failure)

    def _sites(self) -> tuple[SiteTraffic, ...]:
        """Traffic by site, with the answers to the browser; secrets in host names are masked."""
        sites = self._deps.egress.sites(self.key.id)
        if self._masker is None:
            return sites
        report = self.browser.report if self.browser is not None else None
        return sites_with_answers(sites, report, self._masker)

    def _mark_usage(self, *, last: bool = False) -> None:
        """Mark what has happened since the last look, every five seconds and at the end."""
        if self._watch is None:
            return
        at = self._watch.busy_ms
        if last or self._marks.is_due(at):
            self._marks.look(self._sites(), self._watch.usage, at)
        else:
            self._marks.measured(self._watch.usage)

    def _progress(self) -> WorkerProgress | None:
        """What the Worker has reported; None as long as it has not."""
        return self._intake.progress if self._intake else None

    def _browser_report(self) -> BrowserReport | None:
        """What the browser did, with secrets masked; None without a browser."""
        report = self.browser.report if self.browser is not None else None
        if report is None or self._masker is None:
            return None
        if report != self._unmasked_report:  # masking takes long, and most reports repeat one
            self._unmasked_report = report
            self._masked_report = masked_report(report, self._masker)
        return self._masked_report

    def _usage(self) -> AttemptUsage:
        traffic = self._final_traffic or self._deps.egress.traffic(self.key.id)
        usage = self._watch.usage if self._watch else SandboxUsage()
        browser = self.browser.totals if self.browser else BrowserTotals()
        busy_ms = self._watch.busy_ms if self._watch else 0
        return AttemptUsage(
            traffic_bytes=traffic.total,
            cpu_ms=usage.cpu_ms,
            memory_peak_bytes=usage.memory_peak,
            memory_bytes=usage.memory,
            rows=self._intake.rows if self._intake else 0,
            memory_mb_ms=self._watch.memory_mb_ms if self._watch else 0,
            busy_ms=busy_ms,
            # a Worker's end is noticed before that of its browser, which is not charged longer
            browser_ms=min(browser.milliseconds, busy_ms),
            browser_cpu_ms=browser.cpu_ms,
            browser_memory_peak_bytes=browser.memory_peak,
            browser_memory_mb_ms=browser.memory_mb_ms,
            browser_version=browser.version,
            browser_memory_bytes=browser.memory,
        )


def _log_system(intake: AttemptIntake, entry: NewLogEntry) -> None:
    """Log a line of the platform; the intake sets its time."""
    intake.log(entry.type, entry.content, system=True)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("limit_not_recorded", error=repr(task.exception()))
