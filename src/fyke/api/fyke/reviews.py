"""Submitting workers for publication to all accounts, and reviewing the submissions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, post
from fyke.domain.review.service import Reviews
from fyke.errors import Conflict, Forbidden, NotFound, VersionUnavailable, WorkerNotFound
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke import reviews as wire
from fyke.wire.v1 import RunStarted
from fyke.wire.v2.fields import WorkerId

PATH = "/api/fyke/submissions"
SUBMISSION = f"{PATH}/{{id}}"
WORKER = "/api/fyke/workers/{slug}"
_WORKER_ERRORS = (WorkerNotFound, Forbidden)
_DECISION_ERRORS = (NotFound, Forbidden, Conflict)


@dataclass(frozen=True, slots=True)
class ReviewRoutes:
    tag: ClassVar[str] = "Review"

    reviews: Reviews

    @post(
        f"{WORKER}/share",
        scope=Scope.WRITE,
        tag="Workers",
        errors=(*_WORKER_ERRORS, VersionUnavailable, Conflict),
    )
    async def share_worker(
        self, call: Call, slug: WorkerId, body: wire.ShareRequest
    ) -> wire.SharedWorker:
        """Publish a version for all accounts, after a review where one is needed.

        The setting `review` decides whether one is needed; the operator's own versions need none.
        """
        submission = await self.reviews.share(call.caller, slug, body.version, body.note)
        return wire.SharedWorker.of(submission)

    @post(f"{WORKER}/unshare", scope=Scope.WRITE, tag="Workers", errors=_WORKER_ERRORS)
    async def unshare_worker(self, call: Call, slug: WorkerId) -> None:
        """Make a worker private to its account.

        A submission that waits is taken back.
        """
        await self.reviews.unshare(call.caller, slug)

    @get(f"{WORKER}/submissions", scope=Scope.READ, tag="Workers", errors=_WORKER_ERRORS)
    async def list_worker_submissions(self, call: Call, slug: WorkerId) -> wire.OwnSubmissionList:
        """The submissions of a worker with their decisions, newest first."""
        submissions = await self.reviews.of_worker(call.caller, slug)
        return wire.OwnSubmissionList(
            [wire.OwnSubmission.of(submission) for submission in submissions]
        )

    @delete(
        f"{WORKER}/submissions/waiting",
        scope=Scope.WRITE,
        tag="Workers",
        errors=(*_WORKER_ERRORS, NotFound),
    )
    async def take_back_submission(self, call: Call, slug: WorkerId) -> None:
        """Take back the submission that waits for a review."""
        await self.reviews.take_back(call.caller, slug)

    @get(PATH, scope=Scope.ADMIN, errors=(Forbidden,))
    async def list_submissions(
        self, call: Call, query: wire.SubmissionQuery
    ) -> wire.SubmissionPage:
        """Submissions: the waiting ones, oldest first, or the decided ones."""
        count, submissions = await self.reviews.page(
            call.caller, waiting=query.waiting, offset=query.offset, limit=query.page_size
        )
        items = [wire.SubmissionItem.view(submission) for submission in submissions]
        return wire.SubmissionPage.of(count, items, query)

    @get(SUBMISSION, scope=Scope.READ, errors=(NotFound,))
    async def get_submission(self, call: Call, id: Name) -> wire.SubmissionItem:
        """One submission, for the reviewer and the account that submitted it."""
        return wire.SubmissionItem.view(await self.reviews.get(call.caller, id))

    @post(
        f"{SUBMISSION}/approve", scope=Scope.ADMIN, errors=(*_DECISION_ERRORS, VersionUnavailable)
    )
    async def approve_submission(
        self, call: Call, id: Name, body: wire.ReviewDecision
    ) -> wire.SubmissionItem:
        """Publish the submitted version for all accounts.

        When another reviewer has decided first, the error names them.
        """
        await self.reviews.approve(call.caller, id, body.reply)
        return wire.SubmissionItem.view(await self.reviews.get(call.caller, id))

    @post(f"{SUBMISSION}/return", scope=Scope.ADMIN, errors=_DECISION_ERRORS)
    async def return_submission(
        self, call: Call, id: Name, body: wire.ReviewDecision
    ) -> wire.SubmissionItem:
        """Return a submission with a reply about the necessary changes."""
        await self.reviews.send_back(call.caller, id, body.reply)
        return wire.SubmissionItem.view(await self.reviews.get(call.caller, id))

    @post(f"{SUBMISSION}/sample", scope=Scope.ADMIN, errors=(*_DECISION_ERRORS, VersionUnavailable))
    async def sample_submission(self, call: Call, id: Name, body: wire.SampleInput) -> RunStarted:
        """Run the submitted version once, on the reviewer's account."""
        run = await self.reviews.sample(call.caller, id, body.input)
        return RunStarted(run.id)
