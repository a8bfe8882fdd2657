"""Records what runners report about attempts: start, counters and end. Each call has a fencing
token.

A write with a token that is no longer valid changes nothing, and the caller is notified. So a
runner that was suspended learns that its attempts have ended. A token stays valid for the answer to
a call that is repeated, because only a take-over changes it, and only while the attempt is active.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from fyke.contracts.results import Results
from fyke.contracts.state import Storage, Transaction
from fyke.domain.billing.service import extend_hold
from fyke.domain.logs import system
from fyke.domain.runs.charge_caps import (
    ChargeCaps,
    cap_reached,
    exceeds_traffic,
    limit_event,
    traffic_limit_event,
)
from fyke.domain.runs.final_rows import KeptRows, write_end
from fyke.domain.runs.lifecycle import (
    LIVE,
    AttemptLost,
    AttemptReturned,
    AttemptStarted,
    SubtaskEnded,
)
from fyke.domain.runs.next_try import next_try
from fyke.domain.runs.offers import offer_work
from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.retries import choose_rows, lost_before, retry_or_end
from fyke.domain.runs.returns import fault_of, pause_ms, returned_in_a_row
from fyke.domain.runs.sampling import (
    SampleTimes,
    add_last_sample,
    add_samples,
    traffic_so_far,
)
from fyke.domain.runs.sites import fold
from fyke.domain.runs.transitions import Rules, apply
from fyke.errors import FykeError, StaleLease
from fyke.kit.decimals import millionths
from fyke.model.attempt import AttemptEnd, AttemptReport, RunnerOrders
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.model.run import (
    SUCCESS,
    Attempt,
    AttemptKey,
    End,
    Outcome,
    Run,
    RunEvent,
    RunLimits,
    RunState,
    Subtask,
    UsageSample,
)
from fyke.model.runner import AttemptUsage, Renewal
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode, sentence

log = structlog.get_logger()

STOPPING = frozenset({RunState.ABORTING, RunState.ENDING})
LEASES_CHECKED = "leases_checked"  # fact of the installation: when a server last checked the leases


@dataclass(frozen=True, slots=True)
class GivenBack:
    """An attempt was returned: the current run, and how long its subtask is not leased."""

    run: Run | None
    pause_ms: int = 0


class Attempts:
    """Starts and ends attempts. Used by the runner, and by the timers for lost runners."""

    def __init__(
        self,
        storage: Storage,
        results: Results,
        rules: Rules,
        sample_times: SampleTimes | None = None,
    ) -> None:
        """``sample_times`` are those of all runners that this process serves."""
        self._storage = storage
        self._results = results
        self._rules = rules
        self._sample_times = sample_times or SampleTimes()

    async def started(self, key: AttemptKey, runner_id: str, node: str = "") -> None:
        """As ``start``, in a transaction of its own. Raises ``StaleLease``."""
        await self.release(
            await self._storage.write(lambda tx: self.start(tx, key, runner_id, node))
        )

    def start(self, tx: Transaction, key: AttemptKey, runner_id: str, node: str) -> list[str]:
        """Record that the Worker's process is about to start, on ``node``. Repeated: the time of
        the first call stays. Returns the lost attempts to ``release`` after the commit. Raises
        ``StaleLease``.
        """
        if not tx.runs.start_attempt(key, tx.now):
            raise StaleLease
        run = tx.runs.lock(key.run_id)
        if run is None:
            return []
        is_retry = choose_rows(tx, self._rules, run, key.ordinal)
        event = AttemptStarted(key.number, node, is_retry=is_retry)
        apply(tx, self._rules, run, event, f"runner {runner_id}")
        return lost_before(tx, run, key)

    async def release(self, lost: Sequence[str]) -> None:
        """Let nothing be merged into rows of these attempts, which are not shown any more."""
        for attempt_id in lost:
            await self._results.release_upserts(attempt_id)

    async def reserve_browser(
        self, key: AttemptKey, runner_id: str, cpus: float, memory_mb: int
    ) -> RunLimits:
        """Let the attempts of a run have a browser with these limits, and reserve its possible
        cost. Return the run's limits: those of an earlier call if there was one.

        Raises ``StaleLease`` when the attempt is lost or its run being stopped, and
        ``InvalidRequest``, ``CapReached``, ``InsufficientBalance`` or ``InsufficientTraffic`` when
        it cannot be paid for.
        """

        def work(tx: Transaction) -> RunLimits:
            run = tx.runs.lock(key.run_id)
            current = tx.runs.attempt(key.id)
            is_ours = current and current.outcome is None and current.key == key
            if run is None or run.state not in LIVE or not is_ours:
                raise StaleLease
            if run.limits.browser_memory_mb:
                return run.limits
            limits = replace(run.limits, browser_cpus=cpus, browser_memory_mb=memory_mb)
            granted = replace(run, limits=limits)
            held = extend_hold(tx, self._rules.prices, granted)
            granted = replace(granted, hold_micros=held.micros, bound=held.bound)
            tx.runs.reserve_browser(granted)
            tx.runs.add_event(_browser_event(tx, run, granted, f"runner {runner_id}"))
            return limits

        return await self._storage.write(work)

    async def report(self, reports: Sequence[AttemptReport], lease_ms: int) -> RunnerOrders:
        """See ``report_all``; of one runner."""
        [orders] = await self.report_all([reports], lease_ms)
        return orders

    async def report_all(
        self, asked: Sequence[Sequence[AttemptReport]], lease_ms: int
    ) -> list[RunnerOrders]:
        """Renew the leases of the attempts of some runners, store the counters, and check the caps
        of whole runs. The number of statements does not depend on the number of runners, attempts
        and runs: it is one, and others when sites, browsers or what Workers say of their progress
        have changed, a sample is due, a run has a cap or is being stopped.
        """
        reports = [report for each in asked for report in each]

        def work(tx: Transaction) -> tuple[list[RunnerOrders], dict[str, int], int]:
            renewals = [Renewal(r.key.id, r.key.token, r.usage) for r in reports]
            found = tx.runs.renew(renewals, lease_ms)
            tokens = found.tokens
            # two runners may report one attempt: the token says which of them has it
            held = (r for r in reports if tokens.get(r.key.id) == r.key.token)
            valid = {r.key.id: r for r in held}.values()  # the last one of each attempt
            tx.sites.report(
                [(r.key.id, r.key.run_id, r.sites) for r in valid if r.sites is not None]
            )
            tx.browsers.report([(r.key.id, r.key.run_id, r.browser) for r in valid if r.browser])
            tx.marks.report([(r.key.id, r.key.run_id, r.marks) for r in valid if r.marks])
            tx.progress.report([(r.key.id, r.progress) for r in valid if r.progress])
            run_ids = {r.key.run_id for r in valid}
            # locked before their usage is read: two runners that report at the same time would
            # each miss what the other one reports
            runs = tx.runs.lock_all(found.capped | found.ending)
            sampled = self._sample_times.due(run_ids, found.at)
            measured = sampled | found.capped
            usage = tx.samples.measure(measured, found.at) if measured else {}
            samples = [usage[run_id] for run_id in sampled]
            next_samples = add_samples(tx, samples, found.at)
            runs, next_checks = self._check_caps(tx, runs, usage)
            ends = {
                run.id: End(run.outcome or Outcome.ABORTED, run.err_msg, run.reason)
                for run in runs
                if run.state in STOPPING or run.state.terminal
            }
            orders = [_orders([r.key for r in each], tokens, ends, next_checks) for each in asked]
            return orders, next_samples, found.at

        # behind many starts and ends it could come after the leases have expired
        orders, next_samples, at = await self._storage.write(work, urgent=True)
        self._sample_times.note(next_samples, at)
        return orders

    def _check_caps(
        self, tx: Transaction, runs: Sequence[Run], usage: Mapping[str, UsageSample]
    ) -> tuple[list[Run], dict[str, int]]:
        """End the runs that have reached a cap; the caller has locked them. Return the runs
        afterwards, and the milliseconds until the others have used up what they may cost.
        """
        live = [run for run in runs if run.state in LIVE and run.id in usage]
        charges = ChargeCaps(tx, self._rules, live)
        current = {run.id: run for run in runs}
        next_checks: dict[str, int] = {}
        for run in live:
            event = cap_reached(tx, charges, run, usage[run.id].traffic_bytes)
            if event is not None:
                current[run.id] = apply(tx, self._rules, run, event, "limits") or run
            elif (left := charges.until_used_up(run)) is not None:
                next_checks[run.id] = left
        return [*current.values()], next_checks

    async def limit_reached(self, key: AttemptKey, end: End) -> None:
        """End the run, because the runner of an attempt reports that the run has reached a limit
        (traffic, rows); the attempt may have ended meanwhile. Repeated: no effect. Raises
        ``StaleLease`` when the attempt was taken over.
        """

        def work(tx: Transaction, kept: KeptRows) -> None:
            run = tx.runs.lock(key.run_id)
            if run is None:
                return
            attempts = tx.runs.attempts(run.id)
            if not any(attempt.key == key for attempt in attempts):
                raise StaleLease
            apply(tx, self._rules, run, limit_event(attempts, end), "limits", kept)

        await write_end(self._storage, self._results, work)

    async def ended(
        self,
        key: AttemptKey,
        ended: AttemptEnd,
        *,
        actor: str,
        admit: Callable[[Transaction], object] | None = None,
    ) -> Run | None:
        """End the attempt and its subtask, and the run when it was the last subtask. After a lost
        attempt the subtask waits again while it has retries, see ``retries.py``.

        The attempt is closed for rows first, so that none are stored after the end: only its runner
        may call this, or a process that has taken it over. Returns the present run; None when the
        token is no longer valid or the attempt was given back, and then the state is not changed.
        Repeated after an end with this token: the present run, and no other effect. What ``admit``
        raises, at the beginning of the transaction, is raised, and the state is not changed either;
        the attempt stays closed for rows.
        """
        rows = ended.closed_rows
        if rows is None:
            rows = await self._results.close_attempt(key.id)
        lines: list[NewLogEntry] = []

        def work(tx: Transaction, kept: KeptRows) -> Run | None:
            lines.clear()
            if admit is not None:
                admit(tx)
            if not tx.runs.end_attempt(key, ended, rows, tx.now):
                return _run_after_end(tx, key)
            run = tx.runs.lock(key.run_id)
            if run is None:
                return None
            retry = retry_or_end(tx, self._rules, run, key, ended.end)
            _keep_records(tx, key, ended)
            if retry is None:
                return self._after_subtask(tx, run, actor, kept)
            lines.append(system.retried(key.number, retry.end.message, tx.now))
            event = AttemptLost(retry.end, key.number, retry.node)
            return apply(tx, self._rules, run, event, actor)

        run = await write_end(self._storage, self._results, work)
        if lines:
            await self._write_lines(key.run_id, lines)
        return run

    async def _write_lines(self, run_id: str, lines: list[NewLogEntry]) -> None:
        """Write lines of the platform about a run, whose attempt may not write any more."""
        try:
            await self._results.open_attempt(run_id, run_id)
            await self._results.commit([AttemptBatch(run_id, run_id, log=lines)])
        except FykeError as error:  # the events of the run say the same
            log.warning("lines_not_written", run=run_id, error=str(error))

    async def give_back(
        self,
        key: AttemptKey,
        fault: Detail,
        *,
        actor: str,
        unstarted_only: bool = False,
        is_closed: bool = False,
    ) -> GivenBack | None:
        """Return the attempt to the queue, because of a fault before its Worker's first
        instruction. The subtask ends when the same fault has occurred too often in a row, or when
        the run is being stopped. ``unstarted_only``: change nothing when the attempt was recorded
        as started; only its runner can know that the Worker has not executed anything.
        ``is_closed``: its rows are closed already.

        Returns None when the token is no longer valid or the attempt has ended, and then nothing is
        changed. Repeated after a return with this token: the present run with the pause of the
        first call, and no other effect.
        """
        if not is_closed:
            await self._results.close_attempt(key.id)
        reason = fault_of(fault)
        message = sentence(reason)

        def work(tx: Transaction, kept: KeptRows) -> GivenBack | None:
            if not tx.runs.return_attempt(
                key, message, reason, tx.now, unstarted_only=unstarted_only
            ):
                return _given_back_before(tx, key)
            run = tx.runs.lock(key.run_id)
            if run is None:
                return None
            choose_rows(tx, self._rules, run, key.ordinal)
            following = next_try(tx, run, key, reason)
            if following.end is not None:
                tx.runs.end_subtask(run.id, key.ordinal, following.end)
                return GivenBack(self._after_subtask(tx, run, actor, kept))
            tx.runs.return_subtask(run.id, key.ordinal, tx.now + following.pause_ms)
            offer_work(tx, run, following.pause_ms)
            end = End(Outcome.RETURNED, message, reason)
            event = _returned_event(tx, run, end, key.number, following.node)
            return GivenBack(apply(tx, self._rules, run, event, actor), following.pause_ms)

        return await write_end(self._storage, self._results, work)

    async def returned_line(self, key: AttemptKey, fault: Detail) -> NewLogEntry:
        """The line for the log of an attempt that is about to be given back: whether its subtask is
        tried again.
        """
        reason, number = fault_of(fault), key.number

        def work(tx: Transaction) -> NewLogEntry:
            run = tx.runs.get(key.run_id)
            if run is None:
                return system.failed(number, sentence(reason), [], 0)
            following = next_try(tx, run, key, reason)
            if following.end is not None:
                return system.failed(number, following.end.message, [], 0)
            times, pause = following.times, following.pause_ms
            return system.returned(number, sentence(reason), times, pause, 0)

        return await self._storage.read(work)

    def _after_subtask(self, tx: Transaction, run: Run, actor: str, kept: KeptRows) -> Run | None:
        has_limit = run.state in LIVE and run.limits.max_traffic_bytes > 0
        if has_limit and exceeds_traffic(run, traffic_so_far(tx, run.id)):
            # short subtasks may end before a report with their total traffic
            event = traffic_limit_event(tx, run)
            run = apply(tx, self._rules, run, event, "limits", kept) or run
        if run.state.terminal:
            return run
        if tx.runs.subtasks_left(run.id):
            return run  # the end of a subtask changes a run only when it is the last one
        after = apply(tx, self._rules, run, _last_subtask_ended(tx, run), actor, kept)
        if after is not None and after.state.terminal:
            add_last_sample(tx, run.id)
        return after

    async def check_leases(self) -> dict[str, int]:
        """The ends of the leases of all active attempts, by attempt id. Raises ``Unavailable`` when
        the state can be read but not written.
        """

        def work(tx: Transaction) -> dict[str, int]:
            leases = tx.runs.leases()
            if leases:
                tx.installation.replace(LEASES_CHECKED, str(tx.now))
            return leases

        return await self._storage.write(work)

    async def end_expired(self, attempt_id: str, lease_until: int) -> bool:
        """End the attempt unless its lease was renewed in the meantime; return whether it ended.

        Raises ``Unavailable``. The attempt continues then, unless it was taken over already; in
        that case the next call ends it.
        """
        return await self._end_lost(attempt_id, lease_until, "timers")

    async def end_of_earlier_runners(self, place: str, runner_id: str) -> int:
        """End the attempts of the earlier runners of this place, which ``runner_id`` has replaced;
        return how many. A failure leaves only that attempt to the lease timer.
        """
        return await self._end_of_runners(place, frozenset({runner_id}))

    async def end_of_place(self, place: str) -> int:
        """The same for all runners of a place, which is not used any more."""
        return await self._end_of_runners(place, frozenset())

    async def _end_of_runners(self, place: str, kept: frozenset[str]) -> int:
        def find(tx: Transaction) -> list[Attempt]:
            ended = [ref for ref in tx.runs.runners_of_place(place) if ref not in kept]
            return [attempt for ref in ended for attempt in tx.runs.active_attempts(ref)]

        ended = 0
        for attempt in await self._storage.read(find):
            try:
                ended += await self._end_lost(attempt.id, attempt.lease_until, "reconcile")
            except Exception:
                log.exception("lost_attempt_not_ended", attempt=attempt.id)
        return ended

    async def _end_lost(self, attempt_id: str, lease_until: int, actor: str) -> bool:
        """Take the attempt over, then end it as lost.

        The state is written before the rows are closed: as long as it cannot be written, the
        attempt continues. Afterwards its runner can report no other end.
        """

        def take_over(tx: Transaction) -> tuple[Attempt | None, int]:
            is_ours = tx.runs.take_over(attempt_id, lease_until)
            return (tx.runs.attempt(attempt_id) if is_ours else None), tx.now

        attempt, now = await self._storage.write(take_over)
        if attempt is None:
            return False
        if not attempt.started_at:
            lost = Detail(DetailCode.RUNNER_LOST_EARLY)
            return await self.give_back(attempt.key, lost, actor=actor) is not None
        usage = AttemptUsage(
            attempt.traffic_bytes,
            attempt.cpu_ms,
            attempt.memory_peak_bytes,
            memory_mb_ms=attempt.memory_mb_ms,
            busy_ms=attempt.busy_ms,
            browser_ms=attempt.browser_ms,
            browser_cpu_ms=attempt.browser_cpu_ms,
            browser_memory_peak_bytes=attempt.browser_memory_peak_bytes,
            browser_memory_mb_ms=attempt.browser_memory_mb_ms,
            browser_version=attempt.browser_version,
        )
        end = end_of(Reason(ReasonCode.RUNNER_LOST))
        line = system.failed(attempt.number, end.message, [], now)
        await self._results.commit([AttemptBatch(attempt.run_id, attempt.id, log=[line])])
        return await self.ended(attempt.key, AttemptEnd(end, usage), actor=actor) is not None


def _last_subtask_ended(tx: Transaction, run: Run) -> SubtaskEnded:
    subtasks = tx.runs.subtasks(run.id)
    first_failure = next((s for s in subtasks if s.outcome is not Outcome.SUCCEEDED), None)
    return SubtaskEnded(
        left=0,
        succeeded=sum(1 for s in subtasks if s.outcome is Outcome.SUCCEEDED),
        end=_end_of_subtask(first_failure) if first_failure else SUCCESS,
    )


def _end_of_subtask(subtask: Subtask) -> End:
    return End(subtask.outcome or Outcome.INTERNAL, subtask.err_msg, subtask.reason)


def _run_after_end(tx: Transaction, key: AttemptKey) -> Run | None:
    """The answer to the end of an attempt that is not active; the present run if this token has
    ended it.
    """
    attempt = tx.runs.attempt(key.id)
    if attempt is None or attempt.key != key or attempt.outcome in (None, Outcome.RETURNED):
        return None
    return tx.runs.get(key.run_id)


def _given_back_before(tx: Transaction, key: AttemptKey) -> GivenBack | None:
    """The answer to the return of an attempt that is not active, or was started; that of the first
    return if this token has returned it.
    """
    attempts = tx.runs.attempts_between(key.run_id, key.ordinal, key.ordinal)
    until = [n for n, attempt in enumerate(attempts, start=1) if attempt.key == key]
    returned = attempts[until[0] - 1] if until else None
    if returned is None or returned.reason is None or returned.outcome is not Outcome.RETURNED:
        return None
    given = pause_ms(len(returned_in_a_row(attempts[: until[0]], returned.reason)))
    [subtask] = tx.runs.subtask_page(key.run_id, offset=key.ordinal, limit=1)
    # of the last attempt the subtask shows it: its end, if it has one, did not change its time
    was_paused = until[0] < len(attempts) or subtask.not_before == returned.finished_at + given
    return GivenBack(tx.runs.get(key.run_id), given if was_paused else 0)


def _returned_event(
    tx: Transaction, run: Run, fault: End, number: str, node: str
) -> AttemptReturned:
    others_started = run.state is RunState.RUNNING and tx.runs.has_started(run.id)
    return AttemptReturned(others_started, fault, number, node)


def _browser_event(tx: Transaction, run: Run, granted: Run, actor: str) -> RunEvent:
    limits = granted.limits
    detail = f"{limits.browser_cpus:g} CPU and {limits.browser_memory_mb} MB for each attempt"
    if extra := granted.hold_micros - run.hold_micros:
        detail += f"; {millionths(extra)} USD more are set aside"
    return RunEvent(run.id, tx.now, "BrowserReserved", run.state, run.state, actor, detail)


def _keep_records(tx: Transaction, key: AttemptKey, ended: AttemptEnd) -> None:
    """Store what an attempt leaves behind. The caller has locked the run."""
    fold(tx, key.run_id, key.id, ended.sites)
    if ended.browser is not None:
        tx.browsers.report([(key.id, key.run_id, ended.browser)])
    if ended.marks:
        tx.marks.report([(key.id, key.run_id, ended.marks)])
    if ended.page is not None:
        tx.last_pages.add(key.id, key.run_id, ended.page, tx.now)


def _orders(
    keys: Sequence[AttemptKey],
    tokens: Mapping[str, int],
    ends: Mapping[str, End],
    next_checks: Mapping[str, int],
) -> RunnerOrders:
    """Those for the runner that has reported these attempts."""
    checks = [next_checks[key.run_id] for key in keys if key.run_id in next_checks]
    return RunnerOrders(
        stop={key.id: ends[key.run_id] for key in keys if key.run_id in ends},
        lost=frozenset(key.id for key in keys if tokens.get(key.id) != key.token),
        next_check_ms=min(checks, default=None),
    )
