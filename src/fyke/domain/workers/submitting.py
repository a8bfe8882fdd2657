"""Publishes a version to all accounts, inside a transaction: at once, or after a review.

A worker becomes public with its first approved version, never before, so every public worker has a
version that other accounts can run.
"""

from __future__ import annotations

from dataclasses import replace

from fyke.contracts.state import Transaction
from fyke.kit.ids import new_ulid
from fyke.model.submission import Submission, SubmissionState
from fyke.model.worker import Finding, Version, VersionState, Worker


def share(
    tx: Transaction,
    worker: Worker,
    version: Version,
    *,
    required: bool,
    note: str = "",
    replace_waiting: bool = True,
) -> Submission | None:
    """Let other accounts run ``version``; return its submission when it needs a review, else None.

    ``required``: a version needs a review unless an approved version has the same content. If not
    required, all published versions of the worker are approved. Without ``replace_waiting`` the
    submission of another version goes on, and this one is not submitted.
    """
    if not required:
        for earlier in tx.workers.versions(worker.id):
            if not earlier.approved and earlier.state is not VersionState.DRAFT:
                tx.workers.approve(worker.id, earlier.number)
        version = replace(version, approved=True)
    elif not version.approved and _has_approved_content(tx, worker, version):
        tx.workers.approve(worker.id, version.number)
        version = replace(version, approved=True)
    if version.approved:
        if replace_waiting or not required:
            take_back(tx, worker.id, SubmissionState.REPLACED)
        if not worker.public:
            tx.workers.update(worker.id, worker.page, public=True)
        return None
    waiting = tx.submissions.waiting_of(worker.id)
    if waiting is not None and waiting.version != version.number and not replace_waiting:
        return None
    return _submit(tx, worker, version, note)


def _has_approved_content(tx: Transaction, worker: Worker, version: Version) -> bool:
    versions = tx.workers.versions(worker.id)
    return any(earlier.approved and earlier.digest == version.digest for earlier in versions)


def _submit(tx: Transaction, worker: Worker, version: Version, note: str) -> Submission:
    submission = tx.submissions.waiting_of(worker.id)
    if submission is not None and submission.version == version.number:
        return submission
    take_back(tx, worker.id, SubmissionState.REPLACED)
    submission = Submission(
        id=new_ulid(),
        account_id=worker.account_id,
        worker_id=worker.id,
        version=version.number,
        state=SubmissionState.WAITING,
        note=note,
        created_at=tx.now,
    )
    tx.submissions.add(submission)
    return submission


def waiting_finding(submission: Submission) -> Finding:
    """The finding for the publisher of a version that waits for review."""
    return Finding(
        severity="warning",
        code="review_waiting",
        file="",
        line=0,
        message=f"version {submission.version} waits for a review; until it is approved only "
        "your account can see and run it",
        remedy="no action needed: the operator approves it or returns it with a note",
    )


def take_back(tx: Transaction, worker_id: str, state: SubmissionState) -> bool:
    """End the worker's waiting submission without a decision; False when there is none."""
    submission = tx.submissions.waiting_of(worker_id)
    if submission is None:
        return False
    return tx.submissions.end(replace(submission, state=state, decided_at=tx.now))
