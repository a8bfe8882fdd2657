"""The browser tab of a run: what its browsers did, and the last pages of its attempts."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.api.page_files import page_file
from fyke.console.page import ConsolePage
from fyke.console.pages.run_frame import AREA, RunFrames
from fyke.console.view import View
from fyke.domain.runs.browser_reports import RunBrowsers
from fyke.domain.runs.browser_views import RunBrowserViews
from fyke.domain.runs.last_pages import LastPages


@dataclass(frozen=True, slots=True)
class RunBrowserPages:
    frames: RunFrames
    browsers: RunBrowsers
    last_pages: LastPages
    views: RunBrowserViews

    def pages(self) -> list[ConsolePage]:
        at = "/runs/{id}/browser"
        return [
            ConsolePage("GET", at, self.browser, area=AREA),
            ConsolePage("GET", f"{at}/{{attempt}}/{{kind}}", self.file, area=AREA, part=True),
        ]

    async def browser(self, view: View) -> Response:
        frame = await self.frames.get(view, "/browser", "tab=browser")
        browser = await self.browsers.of_run(view.caller, frame.view.run.id)
        live = self.views.enabled and not frame.over
        return view.page(
            "run/browser.html",
            frame=frame,
            browser=browser,
            live=live,
            may_take_over=live and self.views.may_take_over(view.caller),
            attempt=view.query.get("attempt", ""),
            chosen=view.query.get("page", ""),
        )

    async def file(self, view: View) -> Response:
        """A file of a last page; the picture may be shown in our pages."""
        file = await self.last_pages.file(
            view.caller, view.param("id"), view.param("attempt"), view.param("kind")
        )
        return page_file(file, inline="shown" in view.query)
