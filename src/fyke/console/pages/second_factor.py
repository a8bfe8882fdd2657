"""The second factor of the signed-in user: switching it on and off, recovery codes."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from markupsafe import Markup
from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.problems import faults_of
from fyke.console.settings_tabs import AREA
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.accounts.second_factor import Enrolment, SecondFactors
from fyke.errors import InvalidRequest, Refused

PATH = "/settings/second-factor"
SMALL = 2**16


@dataclass(frozen=True, slots=True)
class SecondFactorPages:
    second_factors: SecondFactors

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", PATH, self.show, area=AREA),
            ConsolePage("GET", f"{PATH}/new", self.show_new, area=AREA),
            ConsolePage("POST", f"{PATH}/new", self.begin, area=AREA, form_bytes=SMALL),
            ConsolePage("POST", f"{PATH}/on", self.enable, area=AREA, form_bytes=SMALL),
            ConsolePage("POST", f"{PATH}/codes", self.renew_codes, area=AREA, form_bytes=SMALL),
            ConsolePage("POST", f"{PATH}/off", self.disable, area=AREA, form_bytes=SMALL),
            # a response to a form has this address; opened again, it shows the overview
            ConsolePage("GET", f"{PATH}/on", self.show_overview, area=AREA),
            ConsolePage("GET", f"{PATH}/codes", self.show_overview, area=AREA),
        ]

    async def show(self, view: View) -> Response:
        factor = await self.second_factors.status(view.caller)
        return view.page("settings/second_factor.html", area=AREA, factor=factor)

    async def show_overview(self, view: View) -> Response:
        return view.go(PATH)

    async def begin(self, view: View) -> Response:
        await self.second_factors.begin(view.caller, _host(view))
        return view.go(f"{PATH}/new")

    async def show_new(self, view: View) -> Response:
        try:
            enrolment = await self.second_factors.pending(view.caller, _host(view))
        except Refused:
            return view.go(PATH)
        return self._form(view, enrolment)

    async def enable(self, view: View) -> Response:
        try:
            codes = await self.second_factors.enable(view.caller, view.form.get("code"))
        except InvalidRequest as error:
            enrolment = await self.second_factors.pending(view.caller, _host(view))
            return self._form(view, enrolment, faults_of(error, {"code": "code"}))
        except Refused:  # the form was sent again
            factor = await self.second_factors.status(view.caller)
            notice = _(
                "Your second factor is on. If you did not keep the recovery codes, create new ones."
            )
            return view.go(PATH, notice if factor.enabled_at else "")
        return self._codes(view, codes, fresh=True)

    async def renew_codes(self, view: View) -> Response:
        return self._codes(view, await self.second_factors.renew_codes(view.caller), fresh=False)

    async def disable(self, view: View) -> Response:
        await self.second_factors.disable(view.caller)
        return view.go(PATH, _("The second factor is off."))

    def _form(
        self, view: View, enrolment: Enrolment, faults: dict[str, str] | None = None
    ) -> Response:
        return view.page(
            "settings/second_factor_new.html",
            status=422 if faults else 200,
            area=AREA,
            secret=enrolment.secret,
            shown=" ".join(_in_groups(enrolment.secret)),
            address=enrolment.address,
            qr_code=_qr_code(enrolment.address),
            faults=faults or {},
        )

    def _codes(self, view: View, codes: list[str], *, fresh: bool) -> Response:
        return view.page("settings/recovery_codes.html", area=AREA, codes=codes, fresh=fresh)


def _host(view: View) -> str:
    """The host name of the console, which distinguishes installations in the app."""
    return urlsplit(view.visit.origin).hostname or ""


def _qr_code(text: str) -> Markup:
    """An SVG without styles, which the content policy would refuse; dark on light in both themes,
    because scanners need that.
    """
    import segno  # only this page needs it

    svg = segno.make(text, error="m").svg_inline(scale=5, dark="#000", light="#fff", omitsize=True)
    return Markup(svg)  # noqa: S704 - made of numbers by the library


def _in_groups(secret: str) -> list[str]:
    return [secret[start : start + 4] for start in range(0, len(secret), 4)]
