"""The files of the last pages of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from starlette.responses import Response

from fyke.api.call import Call
from fyke.api.fyke.runs import RUN
from fyke.api.media import Media
from fyke.api.page_files import page_file
from fyke.api.routes import get
from fyke.domain.runs.last_pages import LastPages
from fyke.errors import NotFound, RunNotFound
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.v1 import RunSlug

_BYTES = {"type": "string", "format": "binary"}
_TEXT = {"type": "string"}
_FILES = (
    Media("image/jpeg", _BYTES),
    Media("text/plain", _TEXT, "2026-11-28T09:00:00.000+00:00 error x is not defined\n"),
    Media("application/json", {"type": "object"}, {"log": {"version": "1.2"}}),
)


@dataclass(frozen=True, slots=True)
class LastPageRoutes:
    tag: ClassVar[str] = "Runs"

    pages: LastPages

    @get(
        f"{RUN}/browser/files/{{attempt}}/{{kind}}",
        scope=Scope.READ,
        errors=(RunNotFound, NotFound),
        produces=_FILES,
    )
    async def get_run_page_file(
        self, call: Call, slug: RunSlug, attempt: Name, kind: Name
    ) -> Response:
        """A file of the last page of an attempt: `screenshot`, `html`, `har` or `console`.

        `last_pages` of `GET /api/fyke/runs/{slug}/browser` names the attempts and their files. HTML
        is sent as plain text. Secrets are masked, but not in the screenshot.
        """
        return page_file(await self.pages.file(call.caller, slug, attempt, kind))
