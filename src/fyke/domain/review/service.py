"""Reviews: the operator approves a version before other accounts may run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record, record_for
from fyke.domain.accounts.rights import require_editor, require_operator
from fyke.domain.runs.service import StartRequest
from fyke.domain.workers.lookup import find_own_worker, find_version
from fyke.domain.workers.publication import make_private
from fyke.domain.workers.submitting import share, take_back
from fyke.errors import Conflict, InvalidFields, NotFound, VersionUnavailable
from fyke.kit.ids import is_ulid
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.run import Origin, Run, RunState
from fyke.model.submission import MAX_NOTE, Submission, SubmissionState
from fyke.model.worker import Finding, Version, VersionState, Worker
from fyke.reasons import Reason, ReasonCode

_PUBLISHING = "Publishing for all accounts"
_REVIEWING = "Reviewing"


class ReviewStarter(Protocol):
    """The part of the runs service that a review needs."""

    async def start(self, caller: Caller, request: StartRequest) -> Run: ...


@dataclass(frozen=True, slots=True)
class SubmissionView:
    """A submission with its worker and version. ``base``: the version that others use now."""

    submission: Submission
    worker: Worker
    version: Version
    base: Version | None
    findings: tuple[Finding, ...]
    sample_state: RunState | None  # of the reviewer's last run of the version


class DecidedAlready(Conflict):
    """The submission is no longer waiting; ``submission`` has who decided and when."""

    key = "decided_already"

    def __init__(self, submission: Submission) -> None:
        super().__init__(
            f"version {submission.version} is no longer waiting: it was "
            f"{submission.state.value.replace('_', ' ')}"
            + (f" by {submission.decided_by}" if submission.decided_by else "")
        )
        self.submission = submission


class Reviews:
    """Submits versions and decides about them. ``required``: versions need a review."""

    def __init__(self, storage: Storage, runs: ReviewStarter, *, required: bool = True) -> None:
        self._storage = storage
        self._runs = runs
        self._required = required

    def needed_by(self, caller: Caller) -> bool:
        """Whether a version of this caller needs a review before other accounts can use it."""
        return self._required and not caller.operator

    # --- the account's side ----------------------------------------------------------------

    async def share(
        self, caller: Caller, ref: str, number: str = "", note: str = ""
    ) -> Submission | None:
        """Publish a version of the caller's worker to all accounts; ``""`` is the newest.

        Return the submission when it needs a review, else None. Raise ``Forbidden``,
        ``WorkerNotFound``, ``VersionUnavailable``, ``InvalidFields``.
        """
        require_editor(caller, _PUBLISHING)
        _check_note("note", note)

        def work(tx: Transaction) -> Submission | None:
            worker = find_own_worker(tx, caller, ref, "publish it for all accounts")
            version = find_version(tx, caller, worker.id, number)
            if version.state is VersionState.DRAFT:
                reason = Reason.of(ReasonCode.VERSION_DRAFT, number=version.number)
                raise VersionUnavailable(reason)
            submission = share(
                tx, worker, version, required=self.needed_by(caller), note=note.strip()
            )
            record(
                tx, caller, AuditAction.PUBLISHED, worker.path, f"{version.number} for all accounts"
            )
            return submission

        return await self._storage.write(work)

    async def unshare(self, caller: Caller, ref: str) -> None:
        """Make the worker private; its waiting submission is withdrawn."""
        require_editor(caller, _PUBLISHING)

        def work(tx: Transaction) -> None:
            worker = find_own_worker(tx, caller, ref, "make it private")
            make_private(tx, worker)
            record(tx, caller, AuditAction.WORKER_CHANGED, worker.path, "private")

        await self._storage.write(work)

    async def take_back(self, caller: Caller, ref: str) -> None:
        """Withdraw the worker's waiting submission. Raise ``NotFound`` when there is none."""
        require_editor(caller, _PUBLISHING)

        def work(tx: Transaction) -> None:
            worker = find_own_worker(tx, caller, ref, "take its submission back")
            if not take_back(tx, worker.id, SubmissionState.TAKEN_BACK):
                raise NotFound("No version of this worker is waiting for a review")

        await self._storage.write(work)

    async def of_worker(self, caller: Caller, ref: str, limit: int = 50) -> list[Submission]:
        """The submissions of the caller's worker, newest first."""

        def work(tx: Transaction) -> list[Submission]:
            worker = find_own_worker(tx, caller, ref, "see its reviews")
            return tx.submissions.of_worker(worker.id, limit)

        return await self._storage.read(work)

    # --- the reviewer's side ---------------------------------------------------------------

    async def page(
        self, caller: Caller, *, waiting: bool, offset: int, limit: int
    ) -> tuple[int, list[SubmissionView]]:
        """Return the total count and one page: waiting submissions, oldest first, or decided."""
        require_operator(caller, _REVIEWING)
        states = [s for s in SubmissionState if (s is SubmissionState.WAITING) == waiting]

        def work(tx: Transaction) -> tuple[int, list[SubmissionView]]:
            count, submissions = tx.submissions.page(states, offset=offset, limit=limit)
            views = [_view(tx, submission) for submission in submissions]
            return count, [view for view in views if view is not None]

        return await self._storage.read(work)

    async def waiting(self, caller: Caller) -> int:
        """Return the number of waiting submissions; 0 for callers who do not review them."""
        if not caller.operator:
            return 0
        count, _ = await self._storage.read(
            lambda tx: tx.submissions.page([SubmissionState.WAITING], offset=0, limit=1)
        )
        return count

    async def get(self, caller: Caller, submission_id: str) -> SubmissionView:
        """Return a submission to a reviewer or its account. Raise ``NotFound``."""
        return await self._storage.read(lambda tx: _find(tx, caller, submission_id))

    async def approve(self, caller: Caller, submission_id: str, reply: str = "") -> Submission:
        """Allow all accounts to see and run the version.

        Raise ``DecidedAlready``, ``NotFound``, ``Forbidden``, and ``VersionUnavailable`` when the
        version has been withdrawn.
        """

        def publish(tx: Transaction, view: SubmissionView) -> None:
            if view.version.state is VersionState.WITHDRAWN or view.worker.deleted_at:
                reason = Reason.of(ReasonCode.VERSION_WITHDRAWN, number=view.version.number)
                raise VersionUnavailable(reason)
            tx.workers.approve(view.worker.id, view.version.number)
            tx.workers.update(view.worker.id, view.worker.page, public=True)

        return await self._decide(caller, submission_id, SubmissionState.APPROVED, reply, publish)

    async def send_back(self, caller: Caller, submission_id: str, reply: str) -> Submission:
        """Return the submission to its account with a note, which must not be blank. Raise the
        errors of ``approve``.
        """
        if not reply.strip():
            raise InvalidFields("is required: describe what to change", field="reply")
        return await self._decide(
            caller, submission_id, SubmissionState.RETURNED, reply, lambda tx, view: None
        )

    async def _decide(
        self,
        caller: Caller,
        submission_id: str,
        state: SubmissionState,
        reply: str,
        effect: Callable[[Transaction, SubmissionView], None],
    ) -> Submission:
        require_operator(caller, _REVIEWING)
        require_editor(caller, _REVIEWING)
        _check_note("reply", reply)

        def work(tx: Transaction) -> Submission:
            view = _find(tx, caller, submission_id)
            ended = replace(
                view.submission,
                state=state,
                reply=reply.strip(),
                decided_at=tx.now,
                decided_by=caller.user_name or caller.account_name,
            )
            if not tx.submissions.end(ended):
                raise DecidedAlready(_find(tx, caller, submission_id).submission)
            effect(tx, view)
            note = f"{view.version.number} {state.value}"
            record_for(
                tx, view.worker.account_id, caller, AuditAction.REVIEWED, view.worker.path, note
            )
            return ended

        return await self._storage.write(work)

    async def sample(self, caller: Caller, submission_id: str, input: object) -> Run:
        """Run the waiting version on the reviewer's own account. Raise the errors of a start."""
        require_operator(caller, _REVIEWING)
        view = await self.get(caller, submission_id)
        if view.submission.state is not SubmissionState.WAITING:
            raise DecidedAlready(view.submission)
        return await self._runs.start(
            caller,
            StartRequest(
                worker_ref=view.worker.id,
                version=view.version.number,
                input=input,
                callback_url="",
                origin=Origin.TEST,
                in_transaction=lambda tx, run: tx.submissions.note_sample(submission_id, run.id),
            ),
        )


def _find(tx: Transaction, caller: Caller, submission_id: str) -> SubmissionView:
    submission = tx.submissions.get(submission_id) if is_ulid(submission_id) else None
    view = None if submission is None else _view(tx, submission)
    if view is None or not (caller.operator or view.submission.account_id == caller.account_id):
        raise NotFound("Submission does not exist")
    return view


def _view(tx: Transaction, submission: Submission) -> SubmissionView | None:
    """The submission with its worker and version, None when they no longer exist."""
    worker = tx.workers.get(submission.worker_id)
    version = tx.workers.version(submission.worker_id, submission.version)
    if worker is None or version is None:
        return None
    current = worker.latest_approved
    base = tx.workers.version(worker.id, current) if current != version.number else None
    facts = tx.worker_facts.of_versions(worker.id).get(version.number)
    sample = tx.runs.get(submission.sample_run_id) if submission.sample_run_id else None
    return SubmissionView(
        submission=submission,
        worker=worker,
        version=version,
        base=base,
        findings=facts.findings if facts else (),
        sample_state=sample.state if sample else None,
    )


def _check_note(field: str, text: str) -> None:
    if len(text) > MAX_NOTE:
        raise InvalidFields(f"must be at most {MAX_NOTE:,} characters; shorten it", field=field)
    if "\0" in text:
        raise InvalidFields("must not contain the character NUL", field=field)
