"""The two operations of the original web console that publishing scripts call.

Those scripts authenticate by the cookie of a session there. Here it contains an API key, and counts
for these two paths only: see ``fyke.api.auth``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from msgspec import UNSET
from starlette.responses import Response

from fyke.api.auth import CREATE_WORKER, UPLOAD_ICON
from fyke.api.call import Call
from fyke.api.media import Media
from fyke.api.routes import PUBLIC, get, post
from fyke.api.uploads import FORM_TYPE, FormFile, read_form
from fyke.domain.workers.icons import MAX_BYTES, Icons
from fyke.domain.workers.service import Workers
from fyke.errors import Forbidden, NotFound, Refused
from fyke.kit.pictures import PictureKind
from fyke.model.account import Scope
from fyke.wire.fields import Text
from fyke.wire.original_console import IconUpload, NewWorker, UploadedIcon
from fyke.wire.v2.workers import PublishedVersion

ICON = FormFile("the picture", "file=@icon.png", MAX_BYTES)
_BYTES = {"type": "string", "format": "binary"}
_HEADERS = {
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "cache-control": "public, max-age=31536000, immutable",  # the name depends on the content
    "cross-origin-resource-policy": "cross-origin",
}


@dataclass(frozen=True, slots=True)
class OriginalConsoleRoutes:
    tag: ClassVar[str] = "Workers"

    workers: Workers
    icons: Icons

    @post(
        UPLOAD_ICON,
        scope=Scope.WRITE,
        errors=(Forbidden, Refused),
        consumes=(Media(FORM_TYPE, form=IconUpload),),
    )
    async def upload_icon(self, call: Call) -> UploadedIcon:
        """Upload the picture of a worker; `file_path` is its URL.

        Every client that has the URL can read it. The same picture again has the same URL. An
        account has at most 100; those that no worker has for an hour make room for new ones.
        """
        form = await read_form(call.request, IconUpload, file=ICON)
        name = await self.icons.add(call.caller, form.file)
        return UploadedIcon(f"{call.visit.origin}/icons/{name}")

    @post(
        CREATE_WORKER,
        scope=Scope.WRITE,
        errors=(Forbidden, Refused),
        consumes=(Media(FORM_TYPE, form=NewWorker),),
    )
    async def create_worker(self, call: Call) -> PublishedVersion:
        """Create a worker from a project, named after its title.

        It is private unless `public` is true. The same request again answers the same worker; a
        worker of this name with other files is refused.
        """
        form = await read_form(call.request, NewWorker)
        public = None if form.public is UNSET else form.public
        worker, version, findings = await self.workers.create(
            call.caller, form.scraper_file, form.page, public=public
        )
        return PublishedVersion.of(worker, version, findings)


@dataclass(frozen=True, slots=True)
class IconRoutes:
    tag: ClassVar[str] = "Files"

    icons: Icons

    @get(
        "/icons/{name}",
        scope=PUBLIC,
        errors=(NotFound,),
        produces=tuple(Media(kind.media_type, _BYTES) for kind in PictureKind),
    )
    async def get_icon(self, call: Call, name: Text) -> Response:
        """An uploaded picture of a worker."""
        file = await self.icons.file(name)
        return Response(file.data, headers=_HEADERS, media_type=file.kind.media_type)
