"""The list of keyboard shortcuts, with a switch for those of a single key."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.console import cookies
from fyke.console.page import ConsolePage
from fyke.console.texts import gettext as _
from fyke.console.view import View

PATH = "/help/keys"


@dataclass(frozen=True, slots=True)
class KeyboardPages:
    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", PATH, self.show),
            ConsolePage("POST", PATH, self.switch, form_bytes=2**10),
        ]

    async def show(self, view: View) -> Response:
        return view.page("help/keys.html")

    async def switch(self, view: View) -> Response:
        """Switch the shortcuts of a single key on or off in this browser."""
        on = view.form.on("on")
        notice = (
            _("Single-key shortcuts are on in this browser.")
            if on
            else _("Single-key shortcuts are off in this browser.")
        )
        response = view.go(PATH, notice)
        cookies.set_preference(response, view.visit, cookies.KEYS, "" if on else "off")
        return response
