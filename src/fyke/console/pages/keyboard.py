"""The list of keyboard shortcuts."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.view import View


@dataclass(frozen=True, slots=True)
class KeyboardPages:
    def pages(self) -> list[ConsolePage]:
        return [ConsolePage("GET", "/help/keys", self.show)]

    async def show(self, view: View) -> Response:
        return view.page("help/keys.html")
