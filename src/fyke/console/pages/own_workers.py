"""The Workers of the account, and project templates."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.run_pictures import RunPictures
from fyke.console.pages.worker_frame import address_of
from fyke.console.texts import gettext
from fyke.console.view import View
from fyke.domain.catalog.service import Catalog
from fyke.domain.workers.service import Workers
from fyke.domain.workers.templates import TEMPLATES, template_archive
from fyke.kit.assets import assets

AREA = "/dev/workers"
ROWS = 50
_LAST_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class OwnWorkerPages:
    workers: Workers
    catalog: Catalog
    pictures: RunPictures

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", "/dev", _to_list),
            ConsolePage("GET", AREA, self.list, area=AREA),
            ConsolePage("GET", "/dev/templates/{name}.zip", self.template, area=AREA, part=True),
        ]

    async def list(self, view: View) -> Response:
        text, page = view.query.get("q", "")[:500], _page(view)
        total, workers = await self.workers.own_page(
            view.caller, text, offset=(page - 1) * ROWS, limit=ROWS
        )
        entries = await self.catalog.entries(view.caller, workers)
        near = await self.catalog.similar(view.caller, text) if text and not total else []
        return view.page_or_part(
            "own_workers/list.html",
            "found",
            area=AREA,
            text=text,
            total=total,
            entries=entries,
            near=[each for each in near if each.account_id == view.caller.account_id],
            pictures=await self.pictures.of_workers(view, [worker.id for worker in workers]),
            page=page,
            rows=ROWS,
            address_of=address_of,
            templates=[
                (
                    template.name,
                    gettext(template.title),
                    gettext(template.text),
                    template.language.value,
                )
                for template in TEMPLATES
            ],
        )

    async def template(self, view: View) -> Response:
        name = view.param("name")
        data = await asyncio.to_thread(template_archive, name, assets())
        return Response(
            data,
            media_type="application/zip",
            headers={
                "content-disposition": f'attachment; filename="{name}.zip"',
                "x-content-type-options": "nosniff",
                "cache-control": "no-cache",
            },
        )


async def _to_list(view: View) -> Response:
    """Nothing else is at ``/dev``."""
    return view.go(AREA)


def _page(view: View) -> int:
    text = view.query.get("page", "")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 1
    return min(max(1, number), _LAST_PAGE)
