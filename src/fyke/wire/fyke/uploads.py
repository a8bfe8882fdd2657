"""Uploads: projects that are checked, tested and published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import UNSET, Meta, UnsetType

from fyke.model.upload import CHECKS, FETCH, UNPACK, StepState, UploadSource, UploadState
from fyke.model.worker import Language
from fyke.wire.archives import Archive, Promote
from fyke.wire.common import Count, Page, TimeOrNever, Ulid, known_values
from fyke.wire.fields import Answer, Boolean, Name, Request, Text
from fyke.wire.findings import ProjectFinding
from fyke.wire.fyke.reviews import Note, SampleInput
from fyke.wire.fyke.workers import BrowserUse
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fyke.model.upload import Upload, UploadStep
    from fyke.model.worker import Finding, Version, Worker

WorkerName = Annotated[
    Text,
    Meta(
        description="name of the worker; empty: that of the upload's worker, unless there is none "
        "or it is deleted, then derived from its title"
    ),
]


# --- requests ------------------------------------------------------------------------------


class ZipUpload(Request):
    scraper_file: Archive
    name: Annotated[Text, Meta(description="label of the upload; empty = project.zip")] = ""


class GitUpload(Request):
    url: Annotated[
        Name,
        Meta(
            description="https address of a public repository",
            examples=["https://example.org/workers.git"],
        ),
    ]
    ref: Annotated[
        Text, Meta(description="branch, tag or full commit hash; empty = the default branch")
    ] = ""
    folder: Annotated[Text, Meta(description="folder of the project in the repository")] = ""


class UploadPublication(Request):
    name: WorkerName = ""
    title: Annotated[
        Text, Meta(description="empty: the heading of README.md, unless edited by hand")
    ] = ""
    public: Annotated[Boolean, Meta(description="absent: unchanged")] | UnsetType = UNSET
    note: Note = ""
    promote: Promote = True


class UploadTest(SampleInput):
    name: WorkerName = ""


# --- answers -------------------------------------------------------------------------------


class UploadStepItem(Answer):
    name: Annotated[str, known_values([FETCH, UNPACK, *CHECKS])]
    state: StepState
    note: Annotated[str, Meta(description="its result as a sentence, or empty")]

    @classmethod
    def of(cls, step: UploadStep) -> UploadStepItem:
        return cls(step.name, step.state, step.note)


class UploadItem(Answer):
    """An uploaded project. Members without a value yet are empty."""

    id: Ulid
    source: UploadSource
    state: UploadState
    label: Annotated[str, Meta(description="file name or address")]
    url: str
    ref: str
    folder: str
    commit: str
    size: Annotated[Count, Meta(description="bytes of the archive")]
    steps: list[UploadStepItem]
    findings: list[ProjectFinding]
    language: Annotated[str, known_values(["", *Language])]
    title: str
    description: str
    worker_slug: Annotated[str, Meta(description="the worker that it was published or tested as")]
    version: str
    test_run_slug: str
    egress: Annotated[
        list[str] | None,
        Meta(description="the domains that fyke.json declares, after the checks; null: none"),
    ]
    builds: Annotated[
        bool, Meta(description="whether its dependencies run code during installation")
    ]
    browser: BrowserUse
    browser_declared: Annotated[
        bool, Meta(description="whether fyke.json declares `browser`; else it was detected")
    ]
    created_at: TimeOrNever
    updated_at: TimeOrNever

    @classmethod
    def of(cls, upload: Upload) -> UploadItem:
        return cls(
            id=upload.id,
            source=upload.source,
            state=upload.state,
            label=upload.label,
            url=upload.git_url,
            ref=upload.git_ref,
            folder=upload.git_folder,
            commit=upload.git_commit,
            size=upload.size,
            steps=[UploadStepItem.of(step) for step in upload.steps],
            findings=ProjectFinding.all_of(upload.findings),
            language=upload.language,
            title=upload.title,
            description=upload.description,
            worker_slug=upload.worker_id,
            version=upload.version,
            test_run_slug=upload.test_run_id,
            egress=None if upload.egress is None else list(upload.egress),
            builds=upload.builds,
            browser=upload.browser,
            browser_declared=upload.browser_declared,
            created_at=seconds(upload.created_at),
            updated_at=seconds(upload.updated_at),
        )


class UploadPage(Page[UploadItem]):
    pass


class PublishedUpload(Answer):
    slug: Ulid
    path: Annotated[str, Meta(description="`owner/name` of the worker")]
    version: str
    findings: list[ProjectFinding]

    @classmethod
    def of(cls, worker: Worker, version: Version, findings: Iterable[Finding]) -> PublishedUpload:
        return cls(worker.id, worker.path, version.number, ProjectFinding.all_of(findings))
