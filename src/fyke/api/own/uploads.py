"""Uploads: keeping a project while it is checked, trying it out, publishing it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import Field

from fyke.api.call import Call
from fyke.api.decode import PageIndex, PageSize20, Wire, WireBool, WireName, WireText
from fyke.api.documents import Media
from fyke.api.envelope import NULL, encode
from fyke.api.operations import Nothing, Operation
from fyke.api.own import review_answers as answers
from fyke.api.run_input import RunInput
from fyke.api.uploads import FORM_TYPE, UploadedArchive, read_form
from fyke.api.v1.errors import TABLE, UNKNOWN_PATH
from fyke.api.v1.vocabulary import seconds
from fyke.domain.uploads.service import Uploads
from fyke.errors import Forbidden, Refused
from fyke.model.upload import GitSource, Upload

PATH = "/api/fyke/uploads"
ONE = f"{PATH}/{{id}}"


class UploadForm(Wire):
    scraper_file: UploadedArchive = Field(description="the ZIP of the project")
    name: WireText = Field("", description="what to call it in lists, empty = project.zip")


class GitFields(Wire):
    url: WireName = Field(description="https address of a repository that everybody may read")
    ref: WireText = Field("", description="branch, tag or whole commit; empty = its own branch")
    folder: WireText = Field("", description="of the project inside the repository")


class UploadRef(Wire):
    id: WireName


class UploadList(Wire):
    page_index: PageIndex = 1
    page_size: PageSize20 = 20


class PublishFields(UploadRef):
    name: WireText = Field("", description="of the worker; empty: from its title")
    title: WireText = Field("", description="empty: the heading of README.md, else as it is")
    public: WireBool | None = Field(None, description="absent: as it is")
    note: WireText = Field("", description="for the reviewer")


class TestFields(UploadRef):
    input: RunInput
    name: WireText = Field("", description="of the worker; empty: from its title")


@dataclass(frozen=True, slots=True)
class UploadOperations:
    uploads: Uploads

    def operations(self) -> list[Operation[Any]]:
        return [*self._coming(), *self._looking(), *self._using()]

    def _coming(self) -> list[Operation[Any]]:
        refused = (TABLE[Forbidden], TABLE[Refused])
        return [
            Operation(
                "POST",
                PATH,
                id="uploadZip",
                tag="Uploads",
                summary="Upload the ZIP of a project and have it checked",
                fields=Nothing,
                handler=self.add_zip,
                answer=answers.UploadItem,
                errors=refused,
                raw_body=True,
                consumes=(Media(FORM_TYPE, UploadForm.model_json_schema()),),
            ),
            Operation(
                "POST",
                f"{PATH}/git",
                id="uploadGit",
                tag="Uploads",
                summary="Fetch a project from a git repository and have it checked",
                fields=GitFields,
                handler=self.add_git,
                answer=answers.UploadItem,
                errors=refused,
            ),
        ]

    def _looking(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                PATH,
                id="listUploads",
                tag="Uploads",
                summary="The account's uploads, newest first",
                fields=UploadList,
                handler=self.list,
                answer=answers.UploadPage,
            ),
            Operation(
                "GET",
                ONE,
                id="getUpload",
                tag="Uploads",
                summary="How far the checks of an upload are, and what they found",
                fields=UploadRef,
                handler=self.get,
                answer=answers.UploadItem,
                errors=(UNKNOWN_PATH,),
                path_fields=("id",),
            ),
        ]

    def _using(self) -> list[Operation[Any]]:
        refused = (UNKNOWN_PATH, TABLE[Forbidden], TABLE[Refused])
        return [
            Operation(
                "DELETE",
                ONE,
                id="deleteUpload",
                tag="Uploads",
                summary="Remove an upload; what was published of it stays",
                fields=UploadRef,
                handler=self.remove,
                errors=(UNKNOWN_PATH, TABLE[Forbidden]),
                path_fields=("id",),
            ),
            Operation(
                "POST",
                f"{ONE}/again",
                id="repeatUpload",
                tag="Uploads",
                summary="Check an upload again, a repository as it is now",
                fields=UploadRef,
                handler=self.again,
                answer=answers.UploadItem,
                errors=refused,
                path_fields=("id",),
            ),
            Operation(
                "POST",
                f"{ONE}/publish",
                id="publishUpload",
                tag="Uploads",
                summary="Publish an upload whose checks have passed",
                fields=PublishFields,
                handler=self.publish,
                answer=answers.PublishedUpload,
                errors=refused,
                path_fields=("id",),
            ),
            Operation(
                "POST",
                f"{ONE}/test",
                id="testUpload",
                tag="Uploads",
                summary="Run an upload once, as a draft that only your account sees",
                fields=TestFields,
                handler=self.test,
                answer=answers.SampleStarted,
                errors=refused,
                path_fields=("id",),
            ),
        ]

    async def add_zip(self, call: Call, _wanted: Nothing) -> bytes:
        form = await read_form(call.request, UploadForm)
        return encode(
            _upload(await self.uploads.add_zip(call.caller, form.scraper_file, form.name))
        )

    async def add_git(self, call: Call, wanted: GitFields) -> bytes:
        source = GitSource(wanted.url, wanted.ref, wanted.folder)
        return encode(_upload(await self.uploads.add_git(call.caller, source)))

    async def list(self, call: Call, wanted: UploadList) -> bytes:
        offset = (wanted.page_index - 1) * wanted.page_size
        count, found = await self.uploads.page(call.caller, offset=offset, limit=wanted.page_size)
        return encode(
            {
                "count": count,
                "list": [_upload(upload) for upload in found],
                "page_index": wanted.page_index,
                "page_size": wanted.page_size,
            }
        )

    async def get(self, call: Call, wanted: UploadRef) -> bytes:
        return encode(_upload(await self.uploads.get(call.caller, wanted.id)))

    async def remove(self, call: Call, wanted: UploadRef) -> bytes:
        await self.uploads.remove(call.caller, wanted.id)
        return NULL

    async def again(self, call: Call, wanted: UploadRef) -> bytes:
        return encode(_upload(await self.uploads.again(call.caller, wanted.id)))

    async def publish(self, call: Call, wanted: PublishFields) -> bytes:
        worker, version, findings = await self.uploads.publish(
            call.caller,
            wanted.id,
            name=wanted.name.strip(),
            title=wanted.title.strip(),
            public=wanted.public,
            note=wanted.note,
        )
        return encode(
            {
                "slug": worker.id,
                "path": worker.path,
                "version": version.number,
                "findings": [asdict(finding) for finding in findings],
            }
        )

    async def test(self, call: Call, wanted: TestFields) -> bytes:
        run = await self.uploads.try_out(call.caller, wanted.id, wanted.input, wanted.name.strip())
        return encode({"run_slug": run.id})


def _upload(upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "source": upload.source.value,
        "state": upload.state.value,
        "label": upload.label,
        "url": upload.git_url,
        "ref": upload.git_ref,
        "folder": upload.git_folder,
        "commit": upload.git_commit,
        "size": upload.size,
        "steps": [
            {"name": step.name, "state": step.state.value, "note": step.note}
            for step in upload.steps
        ],
        "findings": [asdict(finding) for finding in upload.findings],
        "language": upload.language,
        "title": upload.title,
        "description": upload.description,
        "worker_slug": upload.worker_id,
        "version": upload.version,
        "test_run_slug": upload.test_run_id,
        "egress": upload.egress,
        "builds": upload.builds,
        "created_at": seconds(upload.created_at),
        "updated_at": seconds(upload.updated_at),
    }
