"""A picture of the page that the browser of a running run shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from starlette.responses import Response

from fyke.api.call import Call
from fyke.api.fyke.runs import RUN
from fyke.api.pictures import JPEG_MEDIA, picture_file
from fyke.api.routes import get
from fyke.domain.runs.browser_views import RunBrowserViews
from fyke.errors import Refused, RunNotFound
from fyke.model.account import Scope
from fyke.wire.fyke.run_picture import PictureQuery
from fyke.wire.v1 import RunSlug


@dataclass(frozen=True, slots=True)
class RunPictureRoutes:
    tag: ClassVar[str] = "Runs"

    views: RunBrowserViews

    @get(
        f"{RUN}/browser/picture",
        scope=Scope.READ,
        errors=(RunNotFound, Refused),
        produces=(JPEG_MEDIA,),
    )
    async def get_run_browser_picture(
        self, call: Call, slug: RunSlug, query: PictureQuery
    ) -> Response:
        """A picture of the page that the browser of a running run shows: a JPEG.

        Only while a browser is open, and from the machine that it runs on. Secrets on the page are
        visible.
        """
        picture = await self.views.picture(call.caller, slug, subtask=query.subtask)
        return picture_file(picture.jpeg)
