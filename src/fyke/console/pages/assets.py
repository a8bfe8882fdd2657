"""Files that browsers request on their own."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.statics import Statics
from fyke.console.view import View


@dataclass(frozen=True, slots=True)
class AssetPages:
    statics: Statics

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", "/static/{digest}/{path:path}", self.file, part=True),
            ConsolePage("GET", "/favicon.ico", self.favicon, part=True),
        ]

    async def file(self, view: View) -> Response:
        digest, path = view.param("digest"), view.param("path")
        return await self.statics.answer(view.request, digest, path)

    async def favicon(self, view: View) -> Response:
        return Response(
            status_code=302,
            headers={"location": self.statics.address("fyke.svg"), "cache-control": "max-age=3600"},
        )
