"""Finds the workers and versions that a caller may see, inside a transaction.

Private workers of other accounts and deleted workers get the same error as workers that do not
exist; so do versions of other accounts that no reviewer has approved. The operator also sees
workers and versions that wait for a review.
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
    """Return the worker with an id, ``owner/name`` or ``owner~name``. Raise ``WorkerNotFound``."""
    worker = find_worker_including_deleted(tx, caller, ref)
    if worker.deleted_at:
        raise WorkerNotFound
    return worker


def find_worker_including_deleted(tx: Transaction, caller: Caller | None, ref: str) -> Worker:
    """Like ``find_worker``, but an id also finds a deleted worker: its runs stay readable."""
    worker = resolve_worker(tx, ref.strip())
    if worker is None or not _may_see(tx, worker, caller):
        raise WorkerNotFound
    return view_for(worker, caller)


def visible_worker(tx: Transaction, caller: Caller | None, worker: Worker | None) -> Worker:
    """A worker that is known, as the caller sees it. Raise ``WorkerNotFound`` as ``find_worker``
    does.
    """
    if worker is None or worker.deleted_at or not _may_see(tx, worker, caller):
        raise WorkerNotFound
    return view_for(worker, caller)


def find_own_worker(tx: Transaction, caller: Caller, ref: str, action: str) -> Worker:
    """Like ``find_worker``; raise ``Forbidden`` when the caller sees the worker but does not own
    it.

    ``action`` completes the message, as in "withdraw its versions".
    """
    worker = find_worker(tx, caller, ref)
    if worker.account_id != caller.account_id:
        raise Forbidden(f"only the owner of a worker may {action}")
    return worker


def find_any_worker(tx: Transaction, ref: str) -> Worker:
    """Return a worker of any account, for the operator. Raise ``WorkerNotFound``."""
    worker = resolve_worker(tx, ref.strip())
    if worker is None or worker.deleted_at:
        raise WorkerNotFound
    return worker


def find_version(
    tx: Transaction, caller: Caller | None, worker_id: str, number: str | None
) -> Version:
    """Return the version of a number or tag that the caller may run; None, ``""``, ``latest`` and
    ``auto`` mean the current one.

    Raise ``UnknownVersion`` for an unknown number, ``VersionUnavailable`` for a withdrawn one or
    when none is left.
    """
    worker = tx.workers.get(worker_id)
    if worker is None or worker.deleted_at:
        raise WorkerNotFound
    return find_version_of(tx, caller, worker, number)


def find_version_of(
    tx: Transaction, caller: Caller | None, worker: Worker, number: str | None
) -> Version:
    """``find_version`` of a worker that is known."""
    worker = view_for(worker, caller)
    number = (number or "").strip()
    if number in NEWEST:
        number = worker.latest
        if not number:
            raise VersionUnavailable(Reason(ReasonCode.NO_VERSION))
    version = tx.workers.version(worker.id, number)
    if version is None and number:
        tagged = tx.workers.tags(worker.id).get(number.lower())
        version = tx.workers.version(worker.id, tagged) if tagged else None
    if version is None or not _may_use(tx, worker, version, caller):
        raise unknown_version(worker, number)
    if version.state is VersionState.WITHDRAWN:
        raise VersionUnavailable(
            Reason.of(
                ReasonCode.VERSION_WITHDRAWN,
                number=version.number,
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
    """The error for an unknown version number, which names the latest version as the remedy."""
    return UnknownVersion(
        Reason.of(ReasonCode.VERSION_UNKNOWN, number=number[:40], latest=worker.latest)
    )


def resolve_worker(tx: Transaction, ref: str) -> Worker | None:
    """The worker with an id or path, even if the caller cannot see it. An id also finds a deleted
    one.
    """
    if is_ulid(ref):
        return tx.workers.get(ref)
    owner, name = split_path(ref)
    return tx.workers.by_path(owner, name) if owner and name else None


def owns(worker: Worker, caller: Caller | None) -> bool:
    """Whether the worker belongs to the caller's account."""
    return caller is not None and caller.account_id == worker.account_id


def view_for(worker: Worker, caller: Caller | None) -> Worker:
    """The worker as the caller sees it: other accounts get the latest approved version."""
    return worker if owns(worker, caller) else replace(worker, latest=worker.latest_approved)


def _may_see(tx: Transaction, worker: Worker, caller: Caller | None) -> bool:
    if worker.public or owns(worker, caller):
        return True
    return _is_reviewer(caller) and tx.submissions.waiting_of(worker.id) is not None


def _may_use(tx: Transaction, worker: Worker, version: Version, caller: Caller | None) -> bool:
    """Whether the version is approved, the caller's own, or waits for the caller's review."""
    if owns(worker, caller):
        return True
    if version.state is VersionState.DRAFT:
        return False
    if version.approved or not _is_reviewer(caller):
        return version.approved
    submission = tx.submissions.waiting_of(worker.id)
    return submission is not None and submission.version == version.number


def _is_reviewer(caller: Caller | None) -> bool:
    return caller is not None and caller.operator
