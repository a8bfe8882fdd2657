"""The permission for a worker's dependencies to run code during installation.

A version requests it in its ``fyke.json``. The operator grants it to a worker, public or private;
until then its dependencies are not built.
"""

from __future__ import annotations

from dataclasses import replace

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record_for
from fyke.domain.accounts.rights import require_editor, require_operator
from fyke.domain.workers.environments import request_environment
from fyke.domain.workers.lookup import find_any_worker, find_own_worker
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.worker import Version, Worker
from fyke.reasons import ReasonCode

_ALLOWING = "Allowing builds"


class Builds:
    """Reads and sets the permission."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def get(self, caller: Caller, ref: str) -> tuple[Worker, list[Version]]:
        """Return the worker and its versions that request builds, newest first.

        Raise ``Forbidden`` for all but its own account and the operator, ``WorkerNotFound``.
        """

        def work(tx: Transaction) -> tuple[Worker, list[Version]]:
            worker = _find(tx, caller, ref)
            return worker, [v for v in tx.workers.versions(worker.id) if v.builds]

        return await self._storage.read(work)

    async def allow(self, caller: Caller, ref: str, *, allowed: bool) -> Worker:
        """Allow or forbid the worker's dependencies to run code during installation.

        Existing environments stay in use. Raise ``Forbidden`` for all but the operator,
        ``WorkerNotFound``.
        """
        require_operator(caller, _ALLOWING)
        require_editor(caller, _ALLOWING)

        def work(tx: Transaction) -> Worker:
            worker = find_any_worker(tx, ref)
            tx.workers.allow_builds(worker.id, allowed=allowed)
            if allowed:
                _prepare_refused(tx, worker.id)
            action = AuditAction.BUILDS_ALLOWED if allowed else AuditAction.BUILDS_FORBIDDEN
            record_for(tx, worker.account_id, caller, action, worker.path)
            return replace(worker, builds_allowed=allowed)

        return await self._storage.write(work)


def _prepare_refused(tx: Transaction, worker_id: str) -> None:
    """Prepare the environments that were refused because builds were not allowed."""
    for environment in tx.environments.of_worker(worker_id).values():
        reason = environment.reason
        if reason is not None and reason.code is ReasonCode.BUILDS_NOT_ALLOWED:
            request_environment(tx, environment.version_id)


def _find(tx: Transaction, caller: Caller, ref: str) -> Worker:
    if caller.operator:
        return find_any_worker(tx, ref)
    return find_own_worker(tx, caller, ref, "see whether it may be built")
