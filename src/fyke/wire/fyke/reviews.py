"""Publishing workers for all accounts, and reviewing the submissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from fyke.model.run import RunState
from fyke.model.submission import MAX_NOTE, SubmissionState
from fyke.wire.common import Items, Page, PageQuery, TimeOrNever, Ulid, known_values
from fyke.wire.fields import Answer, Boolean, ParsedBy, Request, Text, to_text
from fyke.wire.findings import ProjectFinding
from fyke.wire.inputs import StartInput
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.domain.review.service import SubmissionView
    from fyke.model.submission import Submission


# --- requests ------------------------------------------------------------------------------

Note = Annotated[str, ParsedBy(to_text), Meta(max_length=MAX_NOTE, description="for the reviewer")]


class ShareRequest(Request):
    version: Annotated[Text, Meta(description="empty = the newest")] = ""
    note: Note = ""


class SubmissionQuery(PageQuery):
    waiting: Annotated[Boolean, Meta(description="false: the decided ones")] = True


class ReviewDecision(Request):
    reply: Annotated[
        str, ParsedBy(to_text), Meta(max_length=MAX_NOTE, description="for the account")
    ] = ""


class SampleInput(Request):
    input: StartInput


# --- answers -------------------------------------------------------------------------------


class SharedWorker(Answer):
    public: Annotated[bool, Meta(description="false: it is waiting for a review")]
    submission_id: Annotated[str, Meta(description="the waiting submission, or empty")]

    @classmethod
    def of(cls, submission: Submission | None) -> SharedWorker:
        return cls(submission is None, submission.id if submission else "")


class OwnSubmission(Answer):
    id: Ulid
    version: str
    state: SubmissionState
    note: Annotated[str, Meta(description="of the account, for the reviewer")]
    reply: Annotated[str, Meta(description="of the reviewer, for the account")]
    decided_by: Annotated[str, Meta(description="account and user, or empty")]
    created_at: TimeOrNever
    decided_at: TimeOrNever

    @classmethod
    def of(cls, submission: Submission) -> OwnSubmission:
        return cls(**_members(submission))


class OwnSubmissionList(Items[OwnSubmission]):
    pass


class SubmissionItem(OwnSubmission):
    worker_slug: Ulid
    path: Annotated[str, Meta(description="`owner/name` of the worker")]
    title: str
    approved_version: Annotated[
        str, Meta(description="the version that other accounts use now, or empty")
    ]
    sample_run_slug: Annotated[str, Meta(description="the reviewer's last run of it, or empty")]
    sample_state: Annotated[str, known_values(["", *RunState], "state of that run, or empty")]
    findings: list[ProjectFinding]

    @classmethod
    def view(cls, view: SubmissionView) -> SubmissionItem:
        return cls(
            **_members(view.submission),
            worker_slug=view.worker.id,
            path=view.worker.path,
            title=view.worker.title,
            approved_version=view.worker.latest_approved,
            sample_run_slug=view.submission.sample_run_id,
            sample_state=view.sample_state.value if view.sample_state else "",
            findings=ProjectFinding.all_of(view.findings),
        )


class SubmissionPage(Page[SubmissionItem]):
    pass


def _members(submission: Submission) -> dict[str, Any]:
    return {
        "id": submission.id,
        "version": submission.version,
        "state": submission.state,
        "note": submission.note,
        "reply": submission.reply,
        "decided_by": submission.decided_by,
        "created_at": seconds(submission.created_at),
        "decided_at": seconds(submission.decided_at),
    }
