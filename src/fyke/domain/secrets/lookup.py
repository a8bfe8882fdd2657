"""For which worker an account keeps secrets, asked inside one transaction."""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.domain.workers.lookup import find_worker
from fyke.domain.workers.naming import split_path
from fyke.errors import WorkerNotFound
from fyke.kit.ids import is_ulid
from fyke.model.account import Caller
from fyke.model.worker import Worker


def worker_with_secrets(tx: Transaction, caller: Caller, ref: str) -> Worker:
    """Return a worker that the caller sees, or keeps secrets for: they must be removable also
    when the worker is not public any more. Raise ``WorkerNotFound``.
    """
    try:
        return find_worker(tx, caller, ref)
    except WorkerNotFound:
        worker = _referred(tx, ref.strip())
        if worker is None or not tx.secrets.of(caller.account_id, worker.id):
            raise
        return worker


def _referred(tx: Transaction, ref: str) -> Worker | None:
    if is_ulid(ref):
        return tx.workers.get(ref)
    owner, name = split_path(ref)
    return tx.workers.by_path(owner, name) if owner and name else None
