"""Uploads: projects that are checked, tested and published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from msgspec import UNSET

from fyke.api.call import Call
from fyke.api.media import Media
from fyke.api.routes import delete, get, post
from fyke.api.uploads import FORM_TYPE, read_form
from fyke.domain.uploads.service import Uploads
from fyke.errors import Forbidden, NotFound, Refused
from fyke.model.account import Scope
from fyke.model.upload import GitSource
from fyke.wire.common import PageQuery
from fyke.wire.fields import Name
from fyke.wire.fyke import uploads as wire
from fyke.wire.v1 import RunStarted

PATH = "/api/fyke/uploads"
UPLOAD = f"{PATH}/{{id}}"
_REFUSED = (NotFound, Forbidden, Refused)


@dataclass(frozen=True, slots=True)
class UploadRoutes:
    tag: ClassVar[str] = "Uploads"

    uploads: Uploads

    @post(
        PATH,
        scope=Scope.WRITE,
        errors=(Forbidden, Refused),
        consumes=(Media(FORM_TYPE, form=wire.ZipUpload),),
    )
    async def upload_zip(self, call: Call) -> wire.UploadItem:
        """Upload a project as a ZIP archive, and start its checks.

        The checks continue after the answer. An account has at most 100 uploads.
        """
        form = await read_form(call.request, wire.ZipUpload, strict=True)
        upload = await self.uploads.add_zip(call.caller, form.scraper_file, form.name)
        return wire.UploadItem.of(upload)

    @post(f"{PATH}/git", scope=Scope.WRITE, errors=(Forbidden, Refused))
    async def upload_git(self, call: Call, body: wire.GitUpload) -> wire.UploadItem:
        """Fetch a project from a git repository, and start its checks.

        Submodules, hooks and filters are ignored.
        """
        source = GitSource(body.url, body.ref, body.folder)
        return wire.UploadItem.of(await self.uploads.add_git(call.caller, source))

    @get(PATH, scope=Scope.READ)
    async def list_uploads(self, call: Call, query: PageQuery) -> wire.UploadPage:
        """The account's uploads, newest first.

        They are kept for 14 days.
        """
        count, uploads = await self.uploads.page(
            call.caller, offset=query.offset, limit=query.page_size
        )
        return wire.UploadPage.of(count, [wire.UploadItem.of(upload) for upload in uploads], query)

    @get(UPLOAD, scope=Scope.READ, errors=(NotFound,))
    async def get_upload(self, call: Call, id: Name) -> wire.UploadItem:
        """The checks of an upload so far, with their findings."""
        return wire.UploadItem.of(await self.uploads.get(call.caller, id))

    @delete(UPLOAD, scope=Scope.WRITE, errors=(NotFound, Forbidden))
    async def delete_upload(self, call: Call, id: Name) -> None:
        """Delete an upload; versions published from it stay."""
        await self.uploads.remove(call.caller, id)

    @post(f"{UPLOAD}/again", scope=Scope.WRITE, errors=_REFUSED)
    async def repeat_upload(self, call: Call, id: Name) -> wire.UploadItem:
        """Check an upload again; a git repository is fetched again."""
        return wire.UploadItem.of(await self.uploads.restart(call.caller, id))

    @post(f"{UPLOAD}/publish", scope=Scope.WRITE, errors=_REFUSED)
    async def publish_upload(
        self, call: Call, id: Name, body: wire.UploadPublication
    ) -> wire.PublishedUpload:
        """Publish an upload whose checks have passed.

        With the finding `review_waiting`, other accounts get the version once it is approved.
        """
        published = await self.uploads.publish(
            call.caller,
            id,
            name=body.name.strip(),
            title=body.title.strip(),
            public=None if body.public is UNSET else body.public,
            note=body.note,
            promote=body.promote,
        )
        return wire.PublishedUpload.of(*published)

    @post(f"{UPLOAD}/test", scope=frozenset({Scope.RUN, Scope.WRITE}), errors=_REFUSED)
    async def test_upload(self, call: Call, id: Name, body: wire.UploadTest) -> RunStarted:
        """Run an upload once, as a draft that only the account can see."""
        run = await self.uploads.test_run(call.caller, id, body.input, body.name.strip())
        return RunStarted(run.id)
