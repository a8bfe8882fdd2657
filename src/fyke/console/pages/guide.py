"""The documentation in the console: an index with search, and its pages."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.guide import FOLDERS, ROOT, guide
from fyke.console.page import ConsolePage
from fyke.console.view import View
from fyke.errors import NotFound
from fyke.model.worker import MAX_SEARCH

_MAX_HITS = 30


@dataclass(frozen=True, slots=True)
class GuidePages:
    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", ROOT, self.index),
            ConsolePage("GET", f"{ROOT}/{{page:path}}", self.show),
        ]

    async def index(self, view: View) -> Response:
        found = await asyncio.to_thread(guide)
        text = view.query.get("q", "")[:MAX_SEARCH].replace("\0", "").strip()
        return view.page_or_part(
            "guide/index.html",
            "found",
            guide=found,
            folders=FOLDERS,
            current="",
            text=text,
            hits=await asyncio.to_thread(found.search, text, _MAX_HITS),
        )

    async def show(self, view: View) -> Response:
        found = await asyncio.to_thread(guide)
        page = found.pages.get(view.param("page"))
        if page is None:
            raise NotFound
        return view.page(
            "guide/page.html",
            guide=found,
            folders=FOLDERS,
            current=page.name,
            page=page,
            content=await asyncio.to_thread(found.html, page),
            text="",
        )
