"""Isolation checks of the runners' sandboxes, for the operator."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.pages.admin import AREA
from fyke.console.view import View
from fyke.domain.overview import Overview


@dataclass(frozen=True, slots=True)
class IsolationPages:
    overview: Overview

    def pages(self) -> list[ConsolePage]:
        return [ConsolePage("GET", f"{AREA}/isolation", self.show, area=AREA, operator=True)]

    async def show(self, view: View) -> Response:
        runners = await self.overview.runners(view.caller)
        return view.page("admin/isolation.html", area=AREA, runners=runners)
