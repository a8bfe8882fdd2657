"""The shape of what the routes of reviews and uploads answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fyke.api.documents import Answer
from fyke.api.own.callback_answers import Moment
from fyke.api.v1.answers import Whole


class FindingItem(Answer):
    severity: Annotated[str, Field(description="error or warning")]
    code: str
    file: str
    line: Whole
    message: str
    remedy: str


FindingItems = list[FindingItem]


class SubmissionItem(Answer):
    id: str
    worker_slug: str
    path: str
    title: str
    version: str
    approved_version: Annotated[str, Field(description="what others have now, empty = nothing")]
    state: Annotated[str, Field(description="waiting, approved, returned, replaced or taken_back")]
    note: Annotated[str, Field(description="of the account, for the reviewer")]
    reply: Annotated[str, Field(description="of the reviewer, for the account")]
    decided_by: str
    created_at: Moment
    decided_at: Moment
    sample_run_slug: str
    sample_state: Annotated[str, Field(description="state of the reviewer's last run of it")]
    findings: FindingItems


SubmissionItems = list[SubmissionItem]


class SubmissionPage(Answer):
    count: Whole
    list: SubmissionItems
    page_index: Whole
    page_size: Whole


class OwnSubmission(Answer):
    id: str
    version: str
    state: str
    note: str
    reply: str
    decided_by: str
    created_at: Moment
    decided_at: Moment


OwnSubmissions = list[OwnSubmission]


class OwnSubmissionList(Answer):
    list: OwnSubmissions


class Shared(Answer):
    public: Annotated[bool, Field(description="false: it waits for a review")]
    submission_id: Annotated[str, Field(description="what waits, empty when nothing does")]


class SampleStarted(Answer):
    run_slug: str


class StepItem(Answer):
    name: Annotated[
        str,
        Field(description="fetch, archive, entry, schemas, readme, dependencies, sdk or code"),
    ]
    state: Annotated[str, Field(description="waiting, running, passed, warned, failed or skipped")]
    note: str


StepItems = list[StepItem]


Domains = list[str]


class UploadItem(Answer):
    id: str
    source: Annotated[str, Field(description="zip or git")]
    state: Annotated[str, Field(description="queued, working, ready, faulty, failed or published")]
    label: str
    url: str
    ref: str
    folder: str
    commit: str
    size: Annotated[Whole, Field(description="bytes of the archive")]
    steps: StepItems
    findings: FindingItems
    language: str
    title: str
    description: str
    worker_slug: str
    version: str
    test_run_slug: str
    egress: Annotated[
        Domains | None, Field(description="what fyke.json declares, once it is ready; null: none")
    ]
    builds: Annotated[bool, Field(description="its dependencies run code when installed")]
    created_at: Moment
    updated_at: Moment


UploadItems = list[UploadItem]


class UploadPage(Answer):
    count: Whole
    list: UploadItems
    page_index: Whole
    page_size: Whole


class PublishedUpload(Answer):
    slug: str
    path: str
    version: str
    findings: FindingItems
