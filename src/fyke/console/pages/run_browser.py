"""The browser tab of a run: what its browsers did."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.run_frame import AREA, RunFrames
from fyke.console.view import View
from fyke.domain.runs.browser_reports import RunBrowsers


@dataclass(frozen=True, slots=True)
class RunBrowserPages:
    frames: RunFrames
    browsers: RunBrowsers

    def pages(self) -> list[ConsolePage]:
        return [ConsolePage("GET", "/runs/{id}/browser", self.browser, area=AREA)]

    async def browser(self, view: View) -> Response:
        frame = await self.frames.get(view, "/browser", "tab=browser")
        browser = await self.browsers.of_run(view.caller, frame.view.run.id)
        return view.page("run/browser.html", frame=frame, browser=browser)
