"""Finds why a run has not started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.runs.browsers import missing_for_run
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS, can_execute, is_placed, refusal
from fyke.domain.runs.placement import has_region, known_pools
from fyke.domain.runs.retries import first_retry
from fyke.domain.runs.returns import pause_ms, returned_in_a_row
from fyke.domain.runs.transitions import Rules
from fyke.model.account import Caller
from fyke.model.node_registry import Node
from fyke.model.placement import REGION_LABEL, labels_text
from fyke.model.run import MAX_PAUSE_MS, Attempt, Outcome, Run, RunState
from fyke.model.run_list import ListCursor, RunSearch
from fyke.model.runner import RunnerInfo, RunnerLoad, load_of
from fyke.model.worker import EnvironmentState, VersionEnvironment
from fyke.reasons import Reason, ReasonCode, reason_with_detail

MAX_AHEAD = 1000  # subtasks ahead that are counted
MAX_LISTED = 100  # runs of one response


@dataclass(frozen=True, slots=True)
class WaitReason:
    """``reason`` is None for a run that does not wait. ``pool`` is "" unless its start named it and
    the reason does not.
    """

    run_id: str
    reason: Reason | None = None
    pool: str = ""


class WaitReasons:
    """Finds why runs wait; each account can read only its own."""

    def __init__(self, storage: Storage, rules: Rules) -> None:
        self._storage = storage
        self._rules = rules

    async def reason(self, caller: Caller, run_id: str) -> WaitReason:
        """The reason why a run of the account waits. Raises ``RunNotFound``."""
        return await self._storage.read(
            lambda tx: _facts(tx, self._rules, caller).reason(own_run(tx, caller, run_id))
        )

    async def reasons(self, caller: Caller) -> list[WaitReason]:
        """The reasons of the account's waiting runs, newest first, at most ``MAX_LISTED``."""

        def work(tx: Transaction) -> list[WaitReason]:
            return _reasons(
                tx, self._rules, caller, tx.admission.ready(caller.account_id, MAX_LISTED)
            )

        return await self._storage.read(work)

    async def in_order(
        self, caller: Caller, start: ListCursor | None = None, limit: int = MAX_LISTED
    ) -> tuple[list[WaitReason], ListCursor | None]:
        """At most ``limit`` reasons in the order of the starts, after the cursor ``start``; and the
        next cursor, None at the end.
        """

        def work(tx: Transaction) -> tuple[list[WaitReason], ListCursor | None]:
            walked = tx.run_lists.walk(
                caller.account_id, _NOT_STARTED, start, limit=limit + 1, newer=True
            )
            cursors = walked.cursors[:limit]
            following = cursors[-1] if len(walked.cursors) > limit else None
            return _reasons(
                tx, self._rules, caller, [cursor.run_id for cursor in cursors]
            ), following

        return await self._storage.read(work)


_NOT_STARTED = RunSearch(states=(RunState.READY,))


def count_reasons(tx: Transaction, rules: Rules, run_ids: Iterable[str]) -> Counter[ReasonCode]:
    """How many of these runs wait, by the reason; of any account, for the metrics."""
    facts = _WaitFacts(tx, rules, shows_machines=False)
    runs = _existing(tx, list(run_ids))
    reasons = (facts.reason(run).reason for run in runs)
    return Counter(reason.code for reason in reasons if reason is not None)


def _reasons(tx: Transaction, rules: Rules, caller: Caller, run_ids: list[str]) -> list[WaitReason]:
    facts = _facts(tx, rules, caller)
    runs = _existing(tx, run_ids)
    facts.read_together(runs)
    return [facts.reason(run) for run in runs]


def _existing(tx: Transaction, run_ids: list[str]) -> list[Run]:
    """Those that exist, in this order."""
    found = tx.runs.get_all(run_ids)
    return [found[run_id] for run_id in run_ids if run_id in found]


def _facts(tx: Transaction, rules: Rules, caller: Caller) -> _WaitFacts:
    """Only the operator's account sees names of machines."""
    return _WaitFacts(tx, rules, shows_machines=caller.operator)


class _WaitFacts:
    """The facts that waiting depends on, in one transaction; facts for all runs are read once."""

    def __init__(self, tx: Transaction, rules: Rules, *, shows_machines: bool) -> None:
        """``shows_machines``: the reasons may name machines."""
        self._tx = tx
        self._rules = rules
        self._shows_machines = shows_machines
        self._plan_reasons: dict[str, Reason | None] = {}
        self._together: list[Run] = []
        self._attempts: dict[str, list[Attempt]] = {}
        self._environments: dict[str, dict[str, VersionEnvironment]] = {}  # by Worker and number
        self._ahead: dict[tuple[str, bool], dict[str, int]] = {}  # by pool and placeless

    def read_together(self, runs: list[Run]) -> None:
        """Read what differs between these runs in few queries, before their reasons are asked
        for.
        """
        self._together = runs
        run_ids = [run.id for run in runs]
        self._attempts = {run_id: [] for run_id in run_ids} | self._tx.runs.attempts_of(run_ids)

    def _count_ahead(self, run: Run, *, placeless: bool) -> int:
        """The number of subtasks before the run, counted up to ``MAX_AHEAD``."""
        if run.id not in self._attempts:
            return self._tx.admission.count_ahead(
                run.id, MAX_AHEAD, pool=run.pool, placeless=placeless
            )
        kind = run.pool, placeless
        if kind not in self._ahead:
            run_ids = [other.id for other in self._together if other.pool == run.pool]
            self._ahead[kind] = self._tx.admission.counts_ahead(
                run_ids, MAX_AHEAD, pool=run.pool, placeless=placeless
            )
        return self._ahead[kind][run.id]

    def _attempts_of(self, run_id: str) -> list[Attempt]:
        known = self._attempts.get(run_id)
        return self._tx.runs.attempts(run_id) if known is None else known

    @cached_property
    def _runners(self) -> list[RunnerInfo]:
        return self._tx.runs.runners(self._tx.now - RUNNER_SILENCE_MS)

    @cached_property
    def _loads(self) -> dict[str, RunnerLoad]:
        return {load.runner_id: load for load in self._tx.admission.loads()}

    def reason(self, run: Run) -> WaitReason:
        """Why ``run`` has not started."""
        if run.state is RunState.RUNNING and run.limits.max_retries:
            return self._retry(run)
        if run.state is RunState.RUNNING:
            return WaitReason(run.id, self._stranded(run))
        if run.state is not RunState.READY:
            return WaitReason(run.id)
        attempts = self._attempts_of(run.id)
        if any(attempt.outcome is None for attempt in attempts):
            return WaitReason(run.id, self._preparing(run))
        full = self._plan_reason(run.account_id)
        reason = full or self._runner_reason(run, attempts)
        pool = run.pool if run.pool_asked and "pool" not in reason.params else ""
        return WaitReason(run.id, reason, pool)

    def _preparing(self, run: Run) -> Reason:
        """The reason of a run that has an attempt; it has a version that was never installed."""
        if run.worker_id not in self._environments:
            environments = self._tx.environments.of_worker(run.worker_id)
            self._environments[run.worker_id] = environments
        environment = self._environments[run.worker_id].get(run.version)
        due = environment is not None and environment.state is EnvironmentState.PREPARING
        return Reason.of(ReasonCode.PREPARING, version=run.version if due else None)

    def _retry(self, run: Run) -> WaitReason:
        """Why a run waits that has started: none of its attempts is active, and one was lost."""
        attempts = self._attempts_of(run.id)
        outcomes = {attempt.outcome for attempt in attempts}
        if None in outcomes or Outcome.RUNNER_LOST not in outcomes:
            return WaitReason(run.id)
        return WaitReason(run.id, self._runner_reason(run, attempts))

    def _retry_reason(self, run: Run, attempts: list[Attempt]) -> Reason | None:
        return first_retry(run, attempts, sees_nodes=self._shows_machines)

    def _plan_reason(self, account_id: str) -> Reason | None:
        if account_id not in self._plan_reasons:
            self._plan_reasons[account_id] = _plan_reason(self._tx, account_id)
        return self._plan_reasons[account_id]

    def _no_runner(self, run: Run, stopping: list[RunnerInfo]) -> Reason:
        """The reason without a runner that takes attempts; ``stopping`` are those that do not."""
        nodes = [node.name for node in self._nodes if node.pool == run.pool]
        own = [runner.node for runner in stopping if runner.node not in nodes]
        if self._shows_machines and len(own) == len(stopping) == 1 and not nodes:
            return Reason.of(ReasonCode.NO_RUNNER, node=own[0])
        if not stopping and not nodes and not run.pool_asked and not self._runners:
            return Reason(ReasonCode.NO_RUNNER)
        names = [runner.node for runner in stopping] or nodes
        return Reason.of(
            ReasonCode.NO_NODE,
            pool=run.pool,
            stopping=len(stopping) or None,
            nodes=names if names and self._shows_machines else None,
        )

    @cached_property
    def _nodes(self) -> list[Node]:
        return self._tx.nodes.all()

    @cached_property
    def _pools(self) -> list[str]:
        return known_pools(self._tx, self._rules)

    def _gone(self, run: Run) -> Reason | None:
        """The reason if what the run was accepted for exists no more: settings have changed, or the
        operator has forgotten nodes.
        """
        if run.pool not in self._pools:
            return Reason.of(ReasonCode.NO_NODE, pool=run.pool, pools=self._pools)
        if run.region_of_node and not has_region(self._tx, run):
            return Reason.of(ReasonCode.NO_LABELS, pool=run.pool, region=run.region)
        return None

    def _stranded(self, run: Run) -> Reason | None:
        """The same for a run that has started, once none of its attempts is active."""
        gone = self._gone(run)
        if gone is None or any(a.outcome is None for a in self._attempts_of(run.id)):
            return None
        return gone

    def _takers(self, run: Run) -> list[RunnerInfo] | Reason:
        """The runners that may take the run, whatever room they have; without any, the reason."""
        if gone := self._gone(run):
            return gone
        of_pool = [runner for runner in self._runners if runner.pool == run.pool]
        placed = [runner for runner in of_pool if is_placed(runner, run)]
        if of_pool and not placed:
            labels = dict(run.labels)
            if run.region_of_node:
                labels[REGION_LABEL] = run.region
            text = labels_text(labels)
            return Reason.of(ReasonCode.NO_LABELS, pool=run.pool, labels=text)
        own = run.operators_worker
        if refused := refusal(placed, own=own):
            return refused
        fitting = [runner for runner in placed if can_execute(runner, own=own)]
        taking = [runner for runner in fitting if not runner.draining]
        return taking or self._no_runner(run, fitting)

    def _runner_reason(self, run: Run, attempts: list[Attempt]) -> Reason:
        runners = self._takers(run)
        if isinstance(runners, Reason):
            return runners
        able = [runner for runner in runners if runner.trouble is None]
        if not able and (trouble := runners[0].trouble):
            node = runners[0].node if self._shows_machines else None
            return reason_with_detail(ReasonCode.RUNNER_TROUBLE, trouble, node=node)
        if again := _next_try(attempts, self._tx.now) or self._retry_reason(run, attempts):
            return again
        if missing := missing_for_run(self._tx, run, able):
            return missing
        if run.browser_required:  # the others cannot execute it, whatever room they have
            able = [
                r for r in able if r.has_browser and not r.offer.problem_with(run.browser_choice)
            ]
        # while all places for browsers are taken, runs that need one are not waited for
        placeless = all(runner.lacks_places(_load(runner, self._loads)) for runner in able)
        if placeless and run.limits.browser_memory_mb:
            return Reason.of(ReasonCode.ROOM, browsers=sum(runner.browsers for runner in able))
        capacity, fits = _capacity(run, able, self._loads)
        if run.browser_required and "largest_cpus" in capacity:
            capacity["browser_runners"] = len(able)
        ahead = self._count_ahead(run, placeless=placeless)
        if ahead:
            return Reason.of(ReasonCode.QUEUE, ahead=ahead, **capacity)
        if fits:
            capacity = {name: capacity[name] for name in ("cpus", "memory_mb")}
        return Reason.of(ReasonCode.ROOM, **capacity)


def _next_try(attempts: list[Attempt], now: int) -> Reason | None:
    """The fault that returned the last attempt, and when its subtask is tried again."""
    last = max(attempts, key=lambda attempt: attempt.finished_at, default=None)
    if last is None or last.reason is None or last.outcome is not Outcome.RETURNED:
        return None
    of_subtask = [attempt for attempt in attempts if attempt.ordinal == last.ordinal]
    left = last.finished_at + pause_ms(len(returned_in_a_row(of_subtask, last.reason))) - now
    if left <= 0:
        return None
    params = {**last.reason.params, "retry_ms": min(left, MAX_PAUSE_MS)}
    return Reason(ReasonCode.NEXT_TRY, params)


def _plan_reason(tx: Transaction, account_id: str) -> Reason | None:
    """Why no other run of the account may start now."""
    account = tx.accounts.get(account_id)
    max_runs = account.plan.max_runs if account else None
    if account is None or max_runs is None or len(tx.admission.under_way(account_id)) < max_runs:
        return None
    return Reason.of(ReasonCode.PLAN, plan=account.plan.value, most=max_runs)


def _load(runner: RunnerInfo, loads: dict[str, RunnerLoad]) -> RunnerLoad:
    return loads.get(runner.id, RunnerLoad(runner.id))


def _capacity(
    run: Run, runners: list[RunnerInfo], loads: dict[str, RunnerLoad]
) -> tuple[dict[str, float], bool]:
    """The capacity that an attempt needs, with its part of a browser, and the largest free or total
    capacity of a runner that is large enough; and whether one has room, so that it takes the run at
    once.
    """
    own = load_of(run.limits)
    able = [runner for runner in runners if runner.is_large_enough(run.limits)]
    if not able:
        largest = max(runners, key=lambda runner: (runner.cpus, runner.memory_mb))
        cpus, memory = largest.reserved(own)
        total = {"largest_cpus": largest.cpus, "largest_memory_mb": largest.memory_mb}
        return {"cpus": round(cpus, 3), "memory_mb": memory, **total}, False
    found, fits = [], False
    for runner in able:
        load = _load(runner, loads)
        taken_cpus, taken_memory = runner.reserved(load)
        free = max(0.0, round(runner.cpus - taken_cpus, 3)), max(0, runner.memory_mb - taken_memory)
        cpus, memory = runner.reserved(own)
        needs = round(cpus, 3), memory
        has_place = not own.browsers or not runner.lacks_places(load)
        fits |= has_place and needs[0] <= free[0] and needs[1] <= free[1]
        found.append((free, needs))
    (free_cpus, free_memory), (cpus, memory) = max(found)
    free_room = {"free_cpus": free_cpus, "free_memory_mb": free_memory}
    return {"cpus": cpus, "memory_mb": memory, **free_room}, fits
