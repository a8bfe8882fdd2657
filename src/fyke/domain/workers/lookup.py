"""Finding workers and versions inside a transaction, with the rules of who sees what.

Workers of others that are not public, and those that were deleted, are answered exactly like
workers that do not exist; so are versions of others that no reviewer has approved. The operator
sees what is waiting for a review.
"""

from __future__ import annotations

from dataclasses import replace

from fyke.contracts.state import Transaction
from fyke.domain.workers.naming import split_path
from fyke.errors import Forbidden, UnknownVersion, VersionUnavailable, WorkerNotFound
from fyke.kit.ids import is_ulid
from fyke.model.account import Caller
from fyke.model.worker import Version, VersionState, Worker
from fyke.reasons import Reason, ReasonCode

NEWEST = frozenset({"", "latest", "auto"})


def find_worker(tx: Transaction, caller: Caller | None, ref: str) -> Worker:
    """Return the worker of an id, ``owner/name`` or ``owner~name``. Raise ``WorkerNotFound``."""
    worker = find_worker_including_deleted(tx, caller, ref)
    if worker.deleted_at:
        raise WorkerNotFound
    return worker


def find_worker_including_deleted(tx: Transaction, caller: Caller | None, ref: str) -> Worker:
    """The same, but also a deleted worker when its id is given: its runs stay readable."""
    worker = resolve_worker(tx, ref.strip())
    if worker is None or not _visible(tx, worker, caller):
        raise WorkerNotFound
    return view_for(worker, caller)


def find_own_worker(tx: Transaction, caller: Caller, ref: str, action: str) -> Worker:
    """The same, and raise ``Forbidden`` when the caller sees it without owning it.

    ``action`` is what only an owner may do, as in "withdraw its versions".
    """
    worker = find_worker(tx, caller, ref)
    if worker.account_id != caller.account_id:
        raise Forbidden(f"only the owner of a worker may {action}")
    return worker


def find_any_worker(tx: Transaction, ref: str) -> Worker:
    """A worker of any account that is not deleted, for decisions of the operator about it."""
    worker = resolve_worker(tx, ref.strip())
    if worker is None or worker.deleted_at:
        raise WorkerNotFound
    return worker


def find_version(
    tx: Transaction, caller: Caller | None, worker_id: str, number: str | None
) -> Version:
    """Return a version that the caller may run; None, ``""``, ``latest`` and ``auto`` mean the
    newest one.

    Raise ``UnknownVersion`` for an unknown number, ``VersionUnavailable`` for a withdrawn one or
    when none is left.
    """
    worker = tx.workers.get(worker_id)
    if worker is None or worker.deleted_at:
        raise WorkerNotFound
    worker = view_for(worker, caller)
    wanted = (number or "").strip()
    if wanted in NEWEST:
        wanted = worker.latest
        if not wanted:
            raise VersionUnavailable(Reason(ReasonCode.NO_VERSION))
    version = tx.workers.version(worker.id, wanted)
    if version is None or not _open_to(tx, worker, version, caller):
        raise unknown_version(worker, wanted)
    if version.state is VersionState.WITHDRAWN:
        raise VersionUnavailable(
            Reason.of(
                ReasonCode.VERSION_WITHDRAWN,
                number=wanted,
                notice=version.notice,
                latest=worker.latest,
            )
        )
    return version


def refuse_deleted(tx: Transaction, worker_id: str) -> None:
    """Raise ``WorkerNotFound`` when the worker has been deleted since it was looked up."""
    worker = tx.workers.get(worker_id)
    if worker is None or worker.deleted_at:
        raise WorkerNotFound


def unknown_version(worker: Worker, number: str) -> UnknownVersion:
    """The error that names a version there is not, and the one to take instead."""
    return UnknownVersion(
        Reason.of(ReasonCode.VERSION_UNKNOWN, number=number[:40], latest=worker.latest)
    )


def resolve_worker(tx: Transaction, ref: str) -> Worker | None:
    """The worker of an id or path, even a deleted one by its id, without regard to the caller."""
    if is_ulid(ref):
        return tx.workers.get(ref)
    owner, name = split_path(ref)
    return tx.workers.by_path(owner, name) if owner and name else None


def owns(worker: Worker, caller: Caller | None) -> bool:
    """Whether it is a worker of the caller's own account."""
    return caller is not None and caller.account_id == worker.account_id


def view_for(worker: Worker, caller: Caller | None) -> Worker:
    """The worker as the caller sees it: for others its newest version is an approved one."""
    return worker if owns(worker, caller) else replace(worker, latest=worker.latest_approved)


def _visible(tx: Transaction, worker: Worker, caller: Caller | None) -> bool:
    if worker.public or owns(worker, caller):
        return True
    return _reviews(caller) and tx.submissions.waiting_of(worker.id) is not None


def _open_to(tx: Transaction, worker: Worker, version: Version, caller: Caller | None) -> bool:
    """Whether the caller may use it: approved, the caller's own, or to be reviewed."""
    if owns(worker, caller):
        return True
    if version.state is VersionState.DRAFT:
        return False
    if version.approved or not _reviews(caller):
        return version.approved
    waiting = tx.submissions.waiting_of(worker.id)
    return waiting is not None and waiting.version == version.number


def _reviews(caller: Caller | None) -> bool:
    return caller is not None and caller.operator
