"""The runner: takes attempts that fit its free capacity, runs them, reports every second.

Signals wake it. The slow poll (``POLL_SECONDS``) replaces lost signals.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from fyke.contracts.signals import STOP, WORK, Listener
from fyke.domain.results.commit import retry_while_unavailable
from fyke.domain.runs.outcome import end_of
from fyke.errors import FykeError, Unavailable
from fyke.model.attempt import AfterAttempt
from fyke.model.node import AttemptOrder, NodeState, Registered
from fyke.model.runner import Capacity, RunnerInfo
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, detail_sentence
from fyke.runner.attempt import AttemptRunner
from fyke.runner.browser import AttemptBrowser
from fyke.runner.browser_places import BrowserPlaces
from fyke.runner.dependencies import AttemptDependencies
from fyke.runner.disk import DiskFacts
from fyke.runner.faults import find_trouble
from fyke.runner.lease_monitor import CHECK_INTERVAL, NOT_RENEWED, LeaseMonitor
from fyke.runner.preparer import Preparer
from fyke.runner.run_caches import RunCaches
from fyke.telemetry.repeated import RepeatedProblem

log = structlog.get_logger()

REPORT_SECONDS = 1.0
MIN_REPORT_SECONDS = 0.02
POLL_SECONDS = 5.0
TROUBLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RunnerSize:
    """The capacity of a runner."""

    cpus: float
    memory_mb: int
    slots: int


class Runner:
    """One runner process."""

    def __init__(
        self,
        size: RunnerSize,
        deps: AttemptDependencies,
        *,
        monitor: LeaseMonitor | None = None,
    ) -> None:
        self._size = size
        self._gateway = deps.gateway
        self._deps = deps
        self._monitor = monitor or LeaseMonitor(deps.gateway.contact)
        self._attempt_runners: dict[str, AttemptRunner] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle_since = time.monotonic()  # while there is no task
        self._draining = asyncio.Event()
        self._capacity_freed = asyncio.Event()
        self._next_report_seconds = REPORT_SECONDS
        self._trouble: Detail | None = None  # why no Worker can be started now
        self._state = NodeState.READY
        self._drained_at: asyncio.TimerHandle | None = None  # the end of a draining node's time
        self._applying: asyncio.Task[None] | None = None
        self._fault_seen = asyncio.Event()  # an attempt was returned: check for trouble at once
        self._taking = RepeatedProblem("cannot_take_work", "takes_work_again")
        self._reporting = RepeatedProblem("cannot_report", "reports_again")
        self._take_in_doubt = False  # a lease may have been written although the call failed
        self._places = BrowserPlaces(deps.browser)
        self._preparer = Preparer(deps, self._may_start)

    # --- life of the process ------------------------------------------------------------

    async def run(self) -> None:
        """Serve until ``drain``; then wait for the running attempts."""
        if not await retry_while_unavailable(self._begin):
            return
        committing = asyncio.create_task(self._deps.intake.run())
        helpers = [
            asyncio.create_task(self._report_regularly()),
            asyncio.create_task(self._monitor_leases()),
            asyncio.create_task(self._watch_for_trouble()),
            asyncio.create_task(self._preparer.run()),
            asyncio.create_task(self._report_browser_checks()),
        ]
        if self._deps.disk is not None:
            helpers.append(asyncio.create_task(self._deps.disk.watch()))
        if (sharing := self._deps.site_sharing) is not None:
            helpers.append(asyncio.create_task(sharing.run(lambda: bool(self._attempt_runners))))
        try:
            async with self._gateway.listen() as listener:
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
            if self._drained_at is not None:
                self._drained_at.cancel()
            ending = [*helpers, committing, *([self._applying] if self._applying else [])]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            with contextlib.suppress(FykeError):
                await self._gateway.leave()

    def drain(self) -> None:
        """Take no new attempts; ``run`` returns when the last one has ended."""
        self._draining.set()
        self._capacity_freed.set()

    async def draining(self) -> None:
        """Wait until ``drain`` is called."""
        await self._draining.wait()

    def stop_all(self, code: ReasonCode = ReasonCode.PLATFORM_STOPPED) -> None:
        """End all running attempts for this reason; their rows are kept."""
        for attempt_runner in list(self._attempt_runners.values()):
            attempt_runner.stop(end_of(Reason(code)))

    @property
    def running(self) -> int:
        """How many attempts are running."""
        return len(self._tasks)

    @property
    def idle_seconds(self) -> float:
        """For how long no attempt has run; 0 while one does."""
        return 0.0 if self._tasks else time.monotonic() - self._idle_since

    async def _begin(self) -> bool:
        """Return whether the installation knows this runner; False if it cannot be reached, and the
        runner is to stop. Raise ``Unavailable``.
        """
        try:
            await self._replace_earlier_runner()
        except Unavailable:
            if self._draining.is_set():
                return False
            raise
        return True

    async def _replace_earlier_runner(self) -> None:
        """Remove the remains of an earlier runner of this place, then register this one."""
        await self._deps.sandbox.sweep(frozenset())
        await self._register()
        if ended := await self._gateway.replace_earlier():
            log.warning("attempts_of_lost_runner_ended", count=ended)

    async def _register(self) -> None:
        isolation, browser = self._deps.isolation, self._deps.browser
        idle = await self._deps.sandbox.idle_sandboxes()
        if browser is not None:
            idle += await browser.browsers.idle_sandboxes()
        disk = self._deps.disk.facts() if self._deps.disk is not None else DiskFacts()
        info = RunnerInfo(
            id="",
            node="",
            isolation=isolation.level.value,
            reason=isolation.reason,
            cpus=self._size.cpus,
            memory_mb=self._size.memory_mb,
            heartbeat_at=0,
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
            settings_version=self._deps.egress_rules.version,
            environments=await self._deps.environments.held(),
            disk_free=disk.free,
            disk_total=disk.total,
            disk_floor=disk.floor,
            cache_bytes=disk.caches,
            clock_ms=time.time_ns() // 1_000_000,
        )
        registered = await self._gateway.register(info)
        self._follow(registered)
        if registered.egress is None:
            self._deps.egress_rules.keep()
        elif self._applying is None or self._applying.done():
            # apart from the reports, because the egress may not answer
            self._applying = asyncio.create_task(self._apply_settings(registered))

    def _follow(self, registered: Registered) -> None:
        """Do what the operator has decided about this machine."""
        self._monitor.lease_seconds = registered.lease_seconds
        if self._deps.site_sharing is not None:
            self._deps.site_sharing.registered(registered.machines)
        before, self._state = self._state, registered.state
        if before is not registered.state:
            log.info("node_state", state=registered.state.value)
            self._capacity_freed.set()
        if self._drained_at is not None:
            self._drained_at.cancel()
            self._drained_at = None
        if registered.drain_ms is not None:
            loop = asyncio.get_running_loop()
            seconds, code = registered.drain_ms / 1000, ReasonCode.NODE_DRAINED
            self._drained_at = loop.call_later(seconds, self.stop_all, code)

    async def _apply_settings(self, registered: Registered) -> None:
        if await self._deps.egress_rules.follow(registered):
            self._capacity_freed.set()
            await self._report_safely(register=True)

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
        used = [runner.order.limits for runner in self._attempt_runners.values()]
        return self._places.left_of(
            Capacity(
                cpus=self._size.cpus - sum(limits.cpus for limits in used),
                memory_mb=self._size.memory_mb - sum(limits.memory_mb for limits in used),
                slots=self._size.slots - len(used),
                total=(self._size.cpus, self._size.memory_mb),
            )
        )

    def _may_start(self) -> bool:
        is_ready = self._state is NodeState.READY and not self._draining.is_set()
        return is_ready and self._trouble is None and self._deps.egress_rules.is_known

    async def _take_attempts(self) -> None:
        if not self._may_start():
            return
        try:
            started = self._monitor.now()
            if self._take_in_doubt:
                await self._return_unknown()
                self._take_in_doubt = False
            capacity = self._free_capacity()
            if capacity.slots <= 0:
                return
            self._take_in_doubt = True
            orders = await self._gateway.lease(capacity, idle=not self._attempt_runners)
        except FykeError as error:
            self._taking.occurred(str(error))
            return
        self._taking.ended()
        self._monitor.renewed([order.key.id for order in orders], started)
        self._take_in_doubt = False
        for order in orders:
            self._start_attempt(order)
        if orders and not orders[-1].is_last:  # there may be more, as one answer has not all
            self._capacity_freed.set()

    async def _return_unknown(self) -> None:
        """Return the attempts that were leased by a call that seemed to fail."""
        for key in await self._gateway.active():
            if key.id not in self._attempt_runners:
                fault = Detail(DetailCode.STORE_AWAY)
                await self._gateway.give_back(key, fault, unstarted_only=True)

    def _run_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work``; a draining runner waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._idle_since = time.monotonic()

    def _start_attempt(self, order: AttemptOrder) -> None:
        self._places.leased(order.key.id, order.limits)
        if (caches := self._browser_caches) is not None:
            caches.begin(order.key.run_id, order.run_subtasks)
        attempt_runner = AttemptRunner(order, self._deps, self._places)
        self._attempt_runners[order.key.id] = attempt_runner
        self._run_task(self._run_attempt(attempt_runner))

    @property
    def _browser_caches(self) -> RunCaches | None:
        return self._deps.browser.caches if self._deps.browser is not None else None

    async def _run_attempt(self, attempt_runner: AttemptRunner) -> None:
        after: AfterAttempt | None = None
        key = attempt_runner.key
        try:
            after = await attempt_runner.execute()
            if after is not None and after.pause_ms:
                self._fault_seen.set()
                pause = after.pause_ms / 1000
                asyncio.get_running_loop().call_later(pause, self._capacity_freed.set)
        except Exception:
            # The lease timer ends the attempt when its lease expires.
            log.exception("attempt_runner_failed", attempt=key.id)
        try:
            await attempt_runner.closed()
        except Exception:
            log.exception("sandbox_not_closed", attempt=key.id)
        finally:
            if (caches := self._browser_caches) is not None:
                caches.end(key.run_id, is_over=after is not None and after.is_run_over)
            self._attempt_runners.pop(key.id, None)
            self._places.release(key.id)
            self._monitor.forget(key.id)
            self._capacity_freed.set()

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
            self._trouble = await find_trouble(
                self._deps.sandbox, self._deps.egress, self._deps.disk
            )
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
        """Report. A failure is only logged, because without further reports every lease expires."""
        try:
            has_asked = await self._report()
            if register:
                await self._register()
        except FykeError as error:
            self._reporting.occurred(str(error))
        except Exception as error:
            self._reporting.occurred(repr(error), error)
        else:
            if register or has_asked:
                self._reporting.ended()

    async def _report(self) -> bool:
        """Report the attempts; False when there is none."""
        self._next_report_seconds = REPORT_SECONDS
        attempt_runners = dict(self._attempt_runners)
        if not attempt_runners:
            return False
        reports = {
            attempt_id: attempt_runner.report()
            for attempt_id, attempt_runner in attempt_runners.items()
        }
        started = self._monitor.now()
        orders = await self._gateway.report([*reports.values()])
        self._monitor.renewed(reports.keys() & self._attempt_runners.keys(), started)
        for attempt_id, report in reports.items():
            attempt_runners[attempt_id].confirm_report(report)
        if orders.next_check_ms is not None:
            self._next_report_seconds = orders.next_check_ms / 1000
        for attempt_id, end in orders.stop.items():
            attempt_runners[attempt_id].stop(end)
        for attempt_id in orders.lost:
            attempt_runners[attempt_id].stop(end_of(Reason(ReasonCode.RUNNER_LOST)))
        return True

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
                    log.error(
                        "cut_off_so_the_worker_is_stopped",
                        attempt=attempt_id,
                        why=NOT_RENEWED,
                        problem=self._reporting.text,
                    )
                    attempt_runner.stop(end_of(Reason(ReasonCode.RUNNER_LOST)))


def _check_committing(committing: asyncio.Task[None]) -> None:
    """Raise ``RuntimeError`` when the group commit has ended: every push would wait forever. The
    runner is then started again, and its attempts end as lost.
    """
    if committing.done():
        error = None if committing.cancelled() else committing.exception()
        raise RuntimeError("the group commit has ended") from error
