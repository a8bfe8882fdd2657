"""The first page after the setup: an example run and the next steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.problems import faults_of
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.accounts.service import OPERATOR_NAME
from fyke.domain.runs.service import Runs, StartRequest
from fyke.domain.workers.service import Workers
from fyke.errors import FykeError, Unauthenticated, WorkerNotFound
from fyke.model.run import Origin
from fyke.model.worker import Worker

SAMPLE = f"{OPERATOR_NAME}/website-content-crawler"
_ADDRESS = re.compile(r"https?://[^\s/]", re.IGNORECASE)
SITE = "https://example.com/"


@dataclass(frozen=True, slots=True)
class WelcomePages:
    workers: Workers
    runs: Runs
    data_folder: str

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", "/welcome", self.show),
            ConsolePage("POST", "/welcome", self.start, form_bytes=2**16),
        ]

    async def show(self, view: View) -> Response:
        return await self._page(view, SITE, {})

    async def start(self, view: View) -> Response:
        url = view.form.get("url").strip()
        if not _ADDRESS.match(url):
            fault = _("Enter the whole address: it begins with http:// or https://.")
            return await self._page(view, url, {"url": fault}, status=422)
        request = StartRequest(SAMPLE, None, _input(url), "", Origin.WEB)
        try:
            run = await self.runs.start(view.caller, request)
        except Unauthenticated:
            raise
        except FykeError as error:
            faults = faults_of(error, {"start_urls": "url"})
            return await self._page(view, url, faults, status=422)
        return view.go(f"/runs/{run.id}")

    async def _page(
        self, view: View, url: str, faults: dict[str, str], *, status: int = 200
    ) -> Response:
        return view.page(
            "access/welcome.html",
            status=status,
            sample=await self._sample(view),
            url=url,
            faults=faults,
            data_folder=self.data_folder if view.caller.runs_installation else "",
            pages=view.context.pages,
        )

    async def _sample(self, view: View) -> Worker | None:
        try:
            return await self.workers.find(view.caller, SAMPLE)
        except WorkerNotFound:
            return None


def _input(url: str) -> dict[str, Any]:
    system = {"memory": 512, "execute_limit_time_seconds": 180}
    custom = {"start_urls": [{"url": url}], "max_results": 10, "max_depth": 1}
    return {"parameters": {"system": system, "custom": custom}}
