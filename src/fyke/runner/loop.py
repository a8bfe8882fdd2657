"""The runner: takes attempts that fit its free capacity, runs them, reports every second.

Signals wake it. The slow poll (``POLL_SECONDS``) replaces lost signals.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from fyke.contracts.signals import STOP, WORK, Listener, Signals
from fyke.contracts.state import Storage, Transaction
from fyke.domain.logs import system
from fyke.domain.results.commit import retry_while_unavailable
from fyke.domain.results.intake import Intake
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.leasing import Leasing
from fyke.domain.runs.outcome import end_of
from fyke.errors import FykeError
from fyke.kit.ids import run_number
from fyke.model.attempt import AttemptEnd
from fyke.model.run import Attempt, Run
from fyke.model.runner import AttemptUsage, Capacity, Lease, RunnerInfo
from fyke.model.worker import Version, VersionEnvironment, Worker
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, detail_sentence
from fyke.runner.attempt import AttemptDependencies, AttemptRunner
from fyke.runner.browser import AttemptBrowser
from fyke.runner.browser_places import BrowserPlaces
from fyke.runner.faults import detail_of, find_trouble
from fyke.runner.lease_monitor import CHECK_INTERVAL, SERVER_SILENCE_MS, LeaseMonitor, never_cut_off
from fyke.runner.preparer import Preparer
from fyke.runner.run_caches import RunCaches

log = structlog.get_logger()

REPORT_SECONDS = 1.0
MIN_REPORT_SECONDS = 0.02
POLL_SECONDS = 5.0
TROUBLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Names one start of a runner (``id``) on a machine (``node``), and its capacity. For ``place``
    see ``RunnerInfo``.
    """

    id: str
    node: str
    place: str
    cpus: float
    memory_mb: int
    slots: int


class Runner:
    """One runner process."""

    def __init__(
        self,
        identity: Identity,
        storage: Storage,
        leasing: Leasing,
        signals: Signals,
        attempts: Attempts,
        intake: Intake,
        deps: AttemptDependencies,
        monitor: LeaseMonitor | None = None,
    ) -> None:
        """Without a ``monitor`` the runner is never cut off: its database is a file."""
        self._identity = identity
        self._storage = storage
        self._leasing = leasing
        self._signals = signals
        self._attempts = attempts
        self._intake = intake
        self._deps = deps
        self._monitor = monitor or LeaseMonitor(never_cut_off)
        self._attempt_runners: dict[str, AttemptRunner] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = asyncio.Event()
        self._capacity_freed = asyncio.Event()
        self._next_report_seconds = REPORT_SECONDS
        self._trouble: Detail | None = None  # why no Worker can be started now
        self._fault_seen = asyncio.Event()  # an attempt was returned: check for trouble at once
        self._take_in_doubt = False  # a lease may have been written although the call failed
        self._places = BrowserPlaces(deps.browser)
        self._preparer = Preparer(identity.id, deps, signals, self._may_prepare)

    # --- life of the process ------------------------------------------------------------

    async def run(self) -> None:
        """Serve until ``drain``; then wait for the running attempts."""
        await self._replace_earlier_runner()
        committing = asyncio.create_task(self._intake.run())
        helpers = [
            asyncio.create_task(self._report_regularly()),
            asyncio.create_task(self._monitor_leases()),
            asyncio.create_task(self._watch_for_trouble()),
            asyncio.create_task(self._preparer.run()),
            asyncio.create_task(self._report_browser_checks()),
        ]
        try:
            async with self._signals.listen() as listener:
                notified = asyncio.create_task(listener.wait(frozenset({WORK, STOP}), POLL_SECONDS))
                while not self._draining.is_set():
                    await self._take_attempts()
                    notified = await self._wait_for_change(listener, notified, committing)
                notified.cancel()
            if self._tasks:
                await self._report_safely(register=True)  # waiting runs name it as the reason
            while self._tasks:
                await asyncio.wait({*self._tasks, committing}, return_when=asyncio.FIRST_COMPLETED)
                _check_committing(committing)
        finally:
            for task in (*helpers, committing):
                task.cancel()
            await asyncio.gather(*helpers, committing, return_exceptions=True)
            with contextlib.suppress(FykeError):
                await self._storage.write(lambda tx: tx.runs.drop_runner(self._identity.id))

    def drain(self) -> None:
        """Take no new attempts; ``run`` returns when the last one has ended."""
        self._draining.set()
        self._capacity_freed.set()

    def stop_all(self) -> None:
        """End all running attempts with ``PLATFORM_STOPPED``; their rows are kept."""
        for attempt_runner in list(self._attempt_runners.values()):
            attempt_runner.stop(end_of(Reason(ReasonCode.PLATFORM_STOPPED)))

    @property
    def running(self) -> int:
        """How many attempts are running."""
        return len(self._tasks)

    async def _replace_earlier_runner(self) -> None:
        """Remove the remains of an earlier runner of this place, then register this one."""
        await self._deps.sandbox.sweep(frozenset())
        await self._register()
        ended = await self._attempts.end_of_earlier_runners(self._identity.place, self._identity.id)
        if ended:
            log.warning("attempts_of_lost_runner_ended", count=ended)

        def remove_earlier(tx: Transaction) -> None:
            active = {runner.id for runner in tx.runs.runners(tx.now - RUNNER_SILENCE_MS)}
            for runner in tx.runs.runners(0):
                replaced = runner.place == self._identity.place
                silent = runner.node == self._identity.node and runner.id not in active
                if runner.id != self._identity.id and (replaced or silent):
                    tx.runs.drop_runner(runner.id)

        await self._storage.write(remove_earlier)

    async def _register(self) -> None:
        isolation, browser = self._deps.isolation, self._deps.browser
        idle = await self._deps.sandbox.idle_sandboxes()
        if browser is not None:
            idle += await browser.browsers.idle_sandboxes()

        def work(tx: Transaction) -> int:
            tx.runs.put_runner(
                RunnerInfo(
                    id=self._identity.id,
                    node=self._identity.node,
                    place=self._identity.place,
                    isolation=isolation.level.value,
                    reason=isolation.reason,
                    cpus=self._identity.cpus,
                    memory_mb=self._identity.memory_mb,
                    heartbeat_at=tx.now,
                    checks=(*isolation.checks, *(browser.checks() if browser else ())),
                    unsafe=self._deps.unsafe,
                    draining=self._draining.is_set(),
                    trouble=self._trouble,
                    idle_sandboxes=idle.count,
                    idle_memory=idle.memory,
                    browsers=self._places.count,
                    browser_share=self._places.share,
                    browser_problem=self._places.problem,
                    browser_programs=self._places.offer.programs,
                    browser_display=self._places.offer.display,
                )
            )
            return tx.servers.count_active(tx.now - SERVER_SILENCE_MS)

        self._monitor.servers = await self._storage.write(work)

    async def _report_browser_checks(self) -> None:
        if self._deps.browser is not None:
            await self._deps.browser.checked.wait()
            await self._report_safely(register=True)

    # --- taking attempts ------------------------------------------------------------------

    async def _wait_for_change(
        self,
        listener: Listener,
        notified: asyncio.Task[str | None],
        committing: asyncio.Task[None],
    ) -> asyncio.Task[str | None]:
        """Wait for a signal or free capacity; return the task to wait for next."""
        freed = asyncio.create_task(self._capacity_freed.wait())
        await asyncio.wait({notified, freed, committing}, return_when=asyncio.FIRST_COMPLETED)
        freed.cancel()
        _check_committing(committing)
        self._capacity_freed.clear()
        if not notified.done():
            return notified
        if notified.result() == STOP:
            await self._report_safely()
        return asyncio.create_task(listener.wait(frozenset({WORK, STOP}), POLL_SECONDS))

    def _free_capacity(self) -> Capacity:
        used = [runner.lease.run.limits for runner in self._attempt_runners.values()]
        return self._places.left_of(
            Capacity(
                cpus=self._identity.cpus - sum(limits.cpus for limits in used),
                memory_mb=self._identity.memory_mb - sum(limits.memory_mb for limits in used),
                slots=self._identity.slots - len(used),
                total=(self._identity.cpus, self._identity.memory_mb),
            )
        )

    def _may_prepare(self) -> bool:
        return self._trouble is None and not self._draining.is_set()

    async def _take_attempts(self) -> None:
        if self._trouble is not None:
            return
        try:
            started = self._monitor.now()
            if self._take_in_doubt:
                await self._return_unknown()
            self._take_in_doubt = True
            leases = await self._leasing.take(
                self._identity.id, self._free_capacity(), idle=not self._attempt_runners
            )
        except FykeError as error:
            log.error("cannot_take_work", error=str(error))
            return
        self._monitor.renewed([lease.attempt.id for lease in leases], started)
        self._take_in_doubt = False
        for lease in leases:
            try:
                await self._start_attempt(lease)
            except FykeError as error:  # the others are still started
                log.error("cannot_start_attempt", attempt=lease.attempt.id, error=str(error))
                self._monitor.forget(lease.attempt.id)
                self._run_task(self._give_back_later(lease.attempt, detail_of(error)))

    async def _return_unknown(self) -> None:
        """Return the attempts that were leased by a call that seemed to fail."""
        own_attempts = await self._storage.read(
            lambda tx: tx.runs.active_attempts(self._identity.id)
        )
        for attempt in own_attempts:
            if attempt.id not in self._attempt_runners:
                await self._give_back(attempt, Detail(DetailCode.STORE_AWAY))

    async def _give_back(self, attempt: Attempt, fault: Detail) -> None:
        """Return an attempt that this runner has not started to prepare."""
        actor = f"runner {self._identity.id}"
        await self._attempts.give_back(attempt.key, fault, actor=actor, unstarted_only=True)

    async def _give_back_later(self, attempt: Attempt, fault: Detail) -> None:
        await retry_while_unavailable(lambda: self._give_back(attempt, fault))

    def _run_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work``; a draining runner waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start_attempt(self, lease: Lease) -> None:
        def work(
            tx: Transaction,
        ) -> tuple[Worker | None, Version | None, bool, VersionEnvironment | None]:
            worker = tx.workers.get(lease.run.worker_id)
            version = tx.workers.version(lease.run.worker_id, lease.run.version)
            operator = tx.accounts.operator()
            is_operators = bool(worker and operator and worker.account_id == operator.id)
            environment = tx.environments.get(version.id) if version else None
            return worker, version, is_operators, environment

        worker, version, is_operators, environment = await self._storage.read(work)
        if worker is None or version is None:
            await self._attempts.ended(
                lease.attempt.key,
                AttemptEnd(end_of(Reason(ReasonCode.VERSION_MISSING)), AttemptUsage()),
                actor=f"runner {self._identity.id}",
            )
            return
        self._places.leased(lease.attempt.id, lease.run.limits)
        if (caches := self._browser_caches) is not None:
            caches.begin(lease.run)
        attempt_runner = AttemptRunner(
            lease, worker, version, is_operators, self._deps, environment, self._places
        )
        self._attempt_runners[lease.attempt.id] = attempt_runner
        self._run_task(self._run_attempt(attempt_runner))

    @property
    def _browser_caches(self) -> RunCaches | None:
        return self._deps.browser.caches if self._deps.browser is not None else None

    async def _run_attempt(self, attempt_runner: AttemptRunner) -> None:
        run: Run | None = None
        try:
            run = await attempt_runner.execute()
            if run is not None and run.state.terminal:
                await self._log_completed(run)
            elif attempt_runner.pause_ms:
                self._fault_seen.set()
                pause = attempt_runner.pause_ms / 1000
                asyncio.get_running_loop().call_later(pause, self._capacity_freed.set)
        except Exception:
            # The lease timer ends the attempt when its lease expires.
            log.exception("attempt_runner_failed", attempt=attempt_runner.attempt.id)
        try:
            await attempt_runner.closed()
        except Exception:
            log.exception("sandbox_not_closed", attempt=attempt_runner.attempt.id)
        finally:
            if (caches := self._browser_caches) is not None:
                is_over = run is not None and run.state.terminal
                caches.end(attempt_runner.attempt.run_id, is_over=is_over)
            self._attempt_runners.pop(attempt_runner.attempt.id, None)
            self._places.release(attempt_runner.attempt.id)
            self._monitor.forget(attempt_runner.attempt.id)
            self._capacity_freed.set()

    async def _log_completed(self, run: Run) -> None:
        group = run_number(run.created_at)
        succeeded = run.subtasks_succeeded
        entry = system.all_completed(group, run.subtasks, succeeded, run.subtasks - succeeded, 0)
        await self._intake.write_system_line(run.id, group, entry.content)

    def traffic_tripped(self, attempt_id: str) -> None:
        """Called by the egress when an attempt has reached its traffic limit."""
        attempt_runner = self._attempt_runners.get(attempt_id)
        if attempt_runner is not None:
            attempt_runner.traffic_tripped()

    def connection_refused(self, attempt_id: str, reason: str) -> None:
        """Called by the egress when it refused a connection of which the user must know."""
        attempt_runner = self._attempt_runners.get(attempt_id)
        if attempt_runner is not None:
            attempt_runner.connection_refused(reason)

    def browser_of(self, attempt_id: str) -> AttemptBrowser | None:
        """The browser of a running attempt, for reports of the gateway."""
        attempt_runner = self._attempt_runners.get(attempt_id)
        return attempt_runner.browser if attempt_runner is not None else None

    # --- trouble --------------------------------------------------------------------------

    async def _watch_for_trouble(self) -> None:
        """Check every second whether a Worker could be started; if not, no attempt is taken."""
        while True:
            await self._look_for_trouble()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TROUBLE_SECONDS):
                    await self._fault_seen.wait()
            self._fault_seen.clear()

    async def _look_for_trouble(self) -> None:
        before = self._trouble
        try:
            self._trouble = await find_trouble(self._deps.sandbox, self._deps.egress)
        except Exception:
            log.exception("cannot_look_for_trouble")
            return
        if (before and before.code) == (self._trouble and self._trouble.code):
            return
        trouble = self._trouble and detail_sentence(self._trouble)
        log.warning("runner_trouble", trouble=trouble or "over")
        self._capacity_freed.set()
        await self._report_safely(register=True)  # waiting runs name it as the reason

    # --- reporting ----------------------------------------------------------------------

    async def _report_regularly(self) -> None:
        """Report every second, however long a report takes; earlier when the charge of a run is
        expected to reach its cap before.
        """
        loop = asyncio.get_running_loop()
        beats, last = 0, loop.time()
        while True:
            last += max(MIN_REPORT_SECONDS, min(REPORT_SECONDS, self._next_report_seconds))
            last = max(last, loop.time())
            await asyncio.sleep(last - loop.time())
            beats += 1
            await self._report_safely(register=beats % 5 == 0)

    async def _report_safely(self, *, register: bool = False) -> None:
        """Report; a failure is only logged, because without further reports every lease expires."""
        try:
            await self._report()
            if register:
                await self._register()
        except FykeError as error:
            log.error("cannot_report", error=str(error))
        except Exception:
            log.exception("cannot_report")

    async def _report(self) -> None:
        self._next_report_seconds = REPORT_SECONDS
        attempt_runners = dict(self._attempt_runners)
        if not attempt_runners:
            return
        reports = {
            attempt_id: attempt_runner.report()
            for attempt_id, attempt_runner in attempt_runners.items()
        }
        started = self._monitor.now()
        orders = await self._attempts.report(
            [*reports.values()], int(self._leasing.lease_seconds * 1000)
        )
        self._monitor.renewed(reports.keys() & self._attempt_runners.keys(), started)
        for attempt_id, report in reports.items():
            attempt_runners[attempt_id].confirm_report(report)
        if orders.next_check_ms is not None:
            self._next_report_seconds = orders.next_check_ms / 1000
        for attempt_id, end in orders.stop.items():
            attempt_runners[attempt_id].stop(end)
        for attempt_id in orders.lost:
            attempt_runners[attempt_id].stop(end_of(Reason(ReasonCode.RUNNER_LOST)))

    async def _monitor_leases(self) -> None:
        """Stop the attempts whose leases could not be renewed because only this runner is cut off
        from the database.
        """
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            for attempt_id in await self._monitor.overdue():
                self._monitor.forget(attempt_id)
                attempt_runner = self._attempt_runners.get(attempt_id)
                if attempt_runner is not None:
                    log.error("cut_off_from_the_database", attempt=attempt_id)
                    attempt_runner.stop(end_of(Reason(ReasonCode.RUNNER_LOST)))


def _check_committing(committing: asyncio.Task[None]) -> None:
    """Raise ``RuntimeError`` when the group commit has ended: every push would wait forever. The
    runner is then started again, and its attempts end as lost.
    """
    if committing.done():
        error = None if committing.cancelled() else committing.exception()
        raise RuntimeError("the group commit has ended") from error
