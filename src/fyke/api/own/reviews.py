"""Letting everybody have a version, and deciding about what waits for that."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.decode import PageIndex, PageSize20, Wire, WireBool, WireName, WireText
from fyke.api.envelope import NULL, encode
from fyke.api.operations import Operation
from fyke.api.own import review_answers as answers
from fyke.api.run_input import RunInput
from fyke.api.v1.errors import TABLE, UNKNOWN_PATH
from fyke.api.v1.vocabulary import seconds
from fyke.domain.review.service import Reviews, SubmissionView
from fyke.errors import Conflict, Forbidden, VersionUnavailable, WorkerNotFound
from fyke.model.submission import Submission

PATH = "/api/fyke/submissions"
WORKER = "/api/fyke/workers/{slug}"


class WorkerRef(Wire):
    slug: WireName


class ShareFields(WorkerRef):
    version: WireText = Field("", description="empty = the newest")
    note: WireText = Field("", description="for the reviewer")


class SubmissionRef(Wire):
    id: WireName


class SubmissionList(Wire):
    waiting: WireBool = True
    page_index: PageIndex = 1
    page_size: PageSize20 = 20


class Decision(SubmissionRef):
    reply: WireText = Field("", description="for the account")


class Sample(SubmissionRef):
    input: RunInput


@dataclass(frozen=True, slots=True)
class ReviewOperations:
    reviews: Reviews

    def operations(self) -> list[Operation[Any]]:
        return [*self._sharing(), *self._looking(), *self._deciding()]

    def _sharing(self) -> list[Operation[Any]]:
        unknown, denied = TABLE[WorkerNotFound], TABLE[Forbidden]
        return [
            Operation(
                "POST",
                f"{WORKER}/share",
                id="shareWorker",
                tag="Workers",
                summary="Let everybody see and run a version, after a review where one is needed",
                fields=ShareFields,
                handler=self.share,
                answer=answers.Shared,
                errors=(unknown, denied, TABLE[VersionUnavailable], TABLE[Conflict]),
                path_fields=("slug",),
            ),
            Operation(
                "POST",
                f"{WORKER}/unshare",
                id="unshareWorker",
                tag="Workers",
                summary="Let only your own account see and run a worker",
                fields=WorkerRef,
                handler=self.unshare,
                errors=(unknown, denied),
                path_fields=("slug",),
            ),
            Operation(
                "GET",
                f"{WORKER}/submissions",
                id="listWorkerSubmissions",
                tag="Workers",
                summary="What became of the versions that were to be published for everybody",
                fields=WorkerRef,
                handler=self.of_worker,
                answer=answers.OwnSubmissionList,
                errors=(unknown, denied),
                path_fields=("slug",),
            ),
            Operation(
                "DELETE",
                f"{WORKER}/submissions/waiting",
                id="takeBackSubmission",
                tag="Workers",
                summary="Take back what waits for a review",
                fields=WorkerRef,
                handler=self.take_back,
                errors=(unknown, UNKNOWN_PATH, denied),
                path_fields=("slug",),
            ),
        ]

    def _looking(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                PATH,
                id="listSubmissions",
                tag="Review",
                summary="What waits for a review, oldest first, or what was decided",
                fields=SubmissionList,
                handler=self.list,
                answer=answers.SubmissionPage,
                errors=(TABLE[Forbidden],),
            ),
            Operation(
                "GET",
                f"{PATH}/{{id}}",
                id="getSubmission",
                tag="Review",
                summary="One submission, for the reviewer and the account it is of",
                fields=SubmissionRef,
                handler=self.get,
                answer=answers.SubmissionItem,
                errors=(UNKNOWN_PATH,),
                path_fields=("id",),
            ),
        ]

    def _deciding(self) -> list[Operation[Any]]:
        usual = (UNKNOWN_PATH, TABLE[Forbidden], TABLE[Conflict])
        return [
            Operation(
                "POST",
                f"{PATH}/{{id}}/approve",
                id="approveSubmission",
                tag="Review",
                summary="Let everybody see and run what was submitted",
                fields=Decision,
                handler=self.approve,
                answer=answers.SubmissionItem,
                errors=(*usual, TABLE[VersionUnavailable]),
                path_fields=("id",),
            ),
            Operation(
                "POST",
                f"{PATH}/{{id}}/return",
                id="returnSubmission",
                tag="Review",
                summary="Return what was submitted, with a note that says why",
                fields=Decision,
                handler=self.send_back,
                answer=answers.SubmissionItem,
                errors=usual,
                path_fields=("id",),
            ),
            Operation(
                "POST",
                f"{PATH}/{{id}}/sample",
                id="sampleSubmission",
                tag="Review",
                summary="Run what was submitted once, on the reviewer's account",
                fields=Sample,
                handler=self.sample,
                answer=answers.SampleStarted,
                errors=(*usual, TABLE[VersionUnavailable]),
                path_fields=("id",),
            ),
        ]

    async def share(self, call: Call, wanted: ShareFields) -> bytes:
        asked = await self.reviews.share(call.caller, wanted.slug, wanted.version, wanted.note)
        return encode({"public": asked is None, "submission_id": asked.id if asked else ""})

    async def unshare(self, call: Call, wanted: WorkerRef) -> bytes:
        await self.reviews.unshare(call.caller, wanted.slug)
        return NULL

    async def take_back(self, call: Call, wanted: WorkerRef) -> bytes:
        await self.reviews.take_back(call.caller, wanted.slug)
        return NULL

    async def of_worker(self, call: Call, wanted: WorkerRef) -> bytes:
        found = await self.reviews.of_worker(call.caller, wanted.slug)
        return encode({"list": [_own(submission) for submission in found]})

    async def list(self, call: Call, wanted: SubmissionList) -> bytes:
        offset = (wanted.page_index - 1) * wanted.page_size
        count, found = await self.reviews.page(
            call.caller, waiting=wanted.waiting, offset=offset, limit=wanted.page_size
        )
        return encode(
            {
                "count": count,
                "list": [_view(view) for view in found],
                "page_index": wanted.page_index,
                "page_size": wanted.page_size,
            }
        )

    async def get(self, call: Call, wanted: SubmissionRef) -> bytes:
        return encode(_view(await self.reviews.get(call.caller, wanted.id)))

    async def approve(self, call: Call, wanted: Decision) -> bytes:
        await self.reviews.approve(call.caller, wanted.id, wanted.reply)
        return encode(_view(await self.reviews.get(call.caller, wanted.id)))

    async def send_back(self, call: Call, wanted: Decision) -> bytes:
        await self.reviews.send_back(call.caller, wanted.id, wanted.reply)
        return encode(_view(await self.reviews.get(call.caller, wanted.id)))

    async def sample(self, call: Call, wanted: Sample) -> bytes:
        run = await self.reviews.sample(call.caller, wanted.id, wanted.input)
        return encode({"run_slug": run.id})


def _own(submission: Submission) -> dict[str, Any]:
    return {
        "id": submission.id,
        "version": submission.version,
        "state": submission.state.value,
        "note": submission.note,
        "reply": submission.reply,
        "decided_by": submission.decided_by,
        "created_at": seconds(submission.created_at),
        "decided_at": seconds(submission.decided_at),
    }


def _view(view: SubmissionView) -> dict[str, Any]:
    return {
        **_own(view.submission),
        "worker_slug": view.worker.id,
        "path": view.worker.path,
        "title": view.worker.title,
        "approved_version": view.worker.latest_approved,
        "sample_run_slug": view.submission.sample_run_id,
        "sample_state": view.sample_state.value if view.sample_state else "",
        "findings": [asdict(finding) for finding in view.findings],
    }
