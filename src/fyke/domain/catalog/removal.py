"""Deletes workers.

A deleted worker cannot be started, and its name is free for another worker. Its bundles, past runs,
rows and logs stay; the secrets that accounts have for it are deleted, and no environment is
prepared for it any more. Running runs continue; runs that have not started end with a reason.
"""

from __future__ import annotations

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor
from fyke.domain.runs.lifecycle import LimitReached
from fyke.domain.runs.outcome import end_of
from fyke.domain.runs.transitions import Rules, apply
from fyke.domain.workers.lookup import find_own_worker
from fyke.errors import WorkerNotFound
from fyke.kit.ids import is_ulid
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.run import RunState
from fyke.model.worker import Worker
from fyke.reasons import Reason, ReasonCode

# Runs ended in one transaction; more would block other writers for too long.
_BATCH = 100


class WorkerRemoval:
    """Deletes the workers of an account."""

    def __init__(self, storage: Storage, rules: Rules) -> None:
        self._storage = storage
        self._rules = rules

    async def delete(self, caller: Caller, ref: str) -> int:
        """Delete the caller's worker; return how many of its runs ended before they started.

        A repeated call with the worker's id finishes a deletion that a crash interrupted.
        Raise ``Forbidden`` for a worker of another account, ``WorkerNotFound``.
        """
        require_editor(caller, "Deleting workers")
        worker = await self._storage.write(lambda tx: _mark_deleted(tx, caller, ref.strip()))
        await self._storage.write(lambda tx: tx.workers.free_name(worker.id))
        await self._storage.write(lambda tx: tx.secrets.remove_of_worker(worker.id))
        await self._storage.write(lambda tx: tx.environments.remove_of_worker(worker.id))
        await self._storage.write(lambda tx: tx.environment_archives.remove_of_worker(worker.id))
        ended, has_more = 0, True
        while has_more:
            has_more, count = await self._storage.write(lambda tx: self._end_some(tx, worker.id))
            ended += count
        return ended

    def _end_some(self, tx: Transaction, worker_id: str) -> tuple[bool, int]:
        """End runs that have not started; return whether there may be more, and how many ended."""
        run_ids = tx.runs.not_started(worker_id, _BATCH)
        return bool(run_ids), sum(self._end(tx, run_id) for run_id in run_ids)

    def _end(self, tx: Transaction, run_id: str) -> bool:
        """End the run; return False when a runner or an abort was faster."""
        run = tx.runs.lock(run_id)
        if run is None or run.state is not RunState.READY:
            return False
        if any(attempt.outcome is None for attempt in tx.runs.attempts(run_id)):
            return False
        end = end_of(Reason(ReasonCode.WORKER_DELETED))
        return apply(tx, self._rules, run, LimitReached(0, end), "deletion") is not None


def _mark_deleted(tx: Transaction, caller: Caller, ref: str) -> Worker:
    deleted = tx.workers.get(ref) if is_ulid(ref) else None
    if deleted is not None and deleted.deleted_at and deleted.account_id == caller.account_id:
        return deleted
    worker = find_own_worker(tx, caller, ref, "delete it")
    if not tx.workers.mark_deleted(worker.id, tx.now):
        raise WorkerNotFound
    record(tx, caller, AuditAction.WORKER_DELETED, worker.path, worker.id)
    return worker
