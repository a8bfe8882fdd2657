"""Environments of versions, prepared by runners before a run needs them.

A published version is due until a runner has installed its dependencies, in the background and
without charge. A runner does so for one version at a time, in rotation between accounts, and only
while no run waits that could start. A node leaves the first try to the machines of the
installation, because only their environments are packed for others. A run that starts earlier
installs them itself, and the result of that installation is recorded as well. Only faults of the
platform are retried, without end.
"""

from __future__ import annotations

from fyke.contracts.state import Storage, Transaction
from fyke.domain.runs.environment_archives import want_archive
from fyke.domain.runs.isolation import (
    RUNNER_SILENCE_MS,
    can_execute,
    is_operators,
    placement_of,
    refusal,
)
from fyke.domain.runs.returns import pause_ms
from fyke.model.browser import BrowserOffer
from fyke.model.node import OrderedWorker, PreparationOrder, RunnableVersion
from fyke.model.placement import DEFAULT_POOL, Placement
from fyke.model.runner import NODE_PLACE, RunnerInfo
from fyke.model.worker import MAX_PREPARATION_PAUSE_MS, EnvironmentState, VersionEnvironment
from fyke.reasons import Detail, Reason, ReasonCode, reason_with_detail


class VersionEnvironments:
    """Gives one runner the versions to prepare, and records the results."""

    def __init__(self, storage: Storage, *, joined: bool = False) -> None:
        """``joined``: the runner is on a node, which leaves the first try to the installation."""
        self._storage = storage
        self._joined = joined
        self._served = ""  # the account that was served last

    async def take(self, runner_id: str) -> PreparationOrder | None:
        """Claim the next version, for as long as the runner is active; None when none is due or a
        run waits.
        """
        if await self._storage.read(lambda tx: self._next(tx, runner_id)) is None:
            return None
        taken = await self._storage.write(lambda tx: self._claim(tx, runner_id))
        if taken is not None:
            self._served = taken.worker.account_id
        return taken

    async def ended(self, version_id: str, runner_id: str, reason: Reason | None) -> None:
        """Record that the environment is ready, or why its preparation failed."""
        after = _result(version_id, reason)

        def work(tx: Transaction) -> None:
            if tx.environments.end(after, runner_id) and reason is None:
                want_archive(tx, version_id)

        await self._storage.write(work)

    async def interrupted(self, version_id: str, runner_id: str, fault: Detail) -> None:
        """Record a fault of the platform: the preparation is retried later."""

        def work(tx: Transaction) -> None:
            before = tx.environments.get(version_id)
            tries = before.tries + 1 if before is not None else 1
            after = VersionEnvironment(
                version_id,
                EnvironmentState.PREPARING,
                reason_with_detail(ReasonCode.INTERNAL, fault),
                tries=tries,
                not_before=tx.now + pause_ms(tries, MAX_PREPARATION_PAUSE_MS),
            )
            tx.environments.end(after, runner_id)

        await self._storage.write(work)

    async def note(
        self, version_id: str, known: VersionEnvironment | None, reason: Reason | None
    ) -> None:
        """Record the result of an attempt that needed the environment, unless it is already
        ``known``. ``reason``: why the installation failed, None if the environment is ready.
        """
        result = _result(version_id, reason)

        def work(tx: Transaction) -> None:
            tx.environments.put(result)
            if reason is None:
                want_archive(tx, version_id)

        if result != known:
            await self._storage.write(work)

    def _claim(self, tx: Transaction, runner_id: str) -> PreparationOrder | None:
        turn = self._next(tx, runner_id)
        if turn is None:
            return None
        worker, version = tx.workers.get(turn[0]), tx.workers.version(*turn)
        before = tx.environments.get(version.id) if version else None
        if worker is None or version is None or before is None:
            return None
        own = is_operators(tx, worker)
        if self._joined and not before.tries and _installation_prepares(tx, own=own):
            return None
        if not tx.environments.claim(before, runner_id):
            return None
        this_runner = [runner for runner in _active_runners(tx) if runner.id == runner_id]
        return PreparationOrder(
            OrderedWorker.of(worker, is_operators=own),
            RunnableVersion.of(version),
            before,
            refusal(this_runner, own=own),
        )

    def _next(self, tx: Transaction, runner_id: str) -> tuple[str, str] | None:
        """Worker and number of the version whose turn it is."""
        active = _active_runners(tx)
        waiting = tx.environments.waiting({runner.id for runner in active} - {runner_id})
        if not waiting or _has_startable(tx, active, runner_id):
            return None
        accounts = sorted(waiting)
        after = (account for account in accounts if account > self._served)
        return waiting[next(after, accounts[0])]


def _has_startable(tx: Transaction, active: list[RunnerInfo], runner_id: str) -> bool:
    """Whether a run waits that could start in the pool of this runner. One that asks for a browser
    or for labels may wait for days until a machine has them.
    """
    pool = next((runner.pool for runner in active if runner.id == runner_id), DEFAULT_POOL)
    able = [r for r in active if r.pool == pool and not r.draining]
    with_browser = [r for r in able if r.has_browser]
    placements = {(placement_of(r), r.offer) for r in with_browser}
    plain = {placement_of(r) for r in able} or {Placement(pool)}
    plain -= {placement for placement, _ in placements}
    found: list[tuple[Placement | None, BrowserOffer | None]] = [*placements]
    found += [(placement, None) for placement in plain]
    return any(tx.runs.has_startable(offer, of) for of, offer in found if of is not None)


def _installation_prepares(tx: Transaction, *, own: bool) -> bool:
    """Whether a runner of the installation does so, whose environments other machines may fetch."""
    return any(
        not runner.place.startswith(NODE_PLACE)
        and not runner.draining
        and runner.trouble is None
        and can_execute(runner, own=own)
        for runner in _active_runners(tx)
    )


def _active_runners(tx: Transaction) -> list[RunnerInfo]:
    return tx.runs.runners(tx.now - RUNNER_SILENCE_MS)


def _result(version_id: str, reason: Reason | None) -> VersionEnvironment:
    state = EnvironmentState.READY if reason is None else EnvironmentState.FAILED
    return VersionEnvironment(version_id, state, reason)
