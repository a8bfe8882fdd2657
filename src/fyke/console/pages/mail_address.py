"""Confirming the mail address of a user: sending the link, and its page."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.settings_tabs import AREA
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.accounts.mail_addresses import PATH, MailAddresses
from fyke.errors import LinkSpent, RateLimited, Refused

ACCOUNT = "/settings/account"
_MAX_TOKEN = 1000
SMALL = 2**16


@dataclass(frozen=True, slots=True)
class MailAddressPages:
    mail_addresses: MailAddresses

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("POST", f"{ACCOUNT}/address", self.send, area=AREA, form_bytes=SMALL),
            ConsolePage("GET", PATH, self.show),
            ConsolePage("POST", PATH, self.confirm, form_bytes=SMALL),
        ]

    async def send(self, view: View) -> Response:
        try:
            address = await self.mail_addresses.send(view.caller, view.visit.origin)
        except (Refused, RateLimited) as error:
            return view.go(ACCOUNT, error.message, "bad")
        notice = _("A link was sent to %(address)s. It is valid for a day.")
        return view.go(ACCOUNT, notice % {"address": address})

    async def show(self, view: View) -> Response:
        """The page of the link. It only asks, because mail scanners open links too."""
        token = view.query.get("token", "")[:_MAX_TOKEN]
        try:
            address = await self.mail_addresses.read(token)
        except LinkSpent as error:
            return _invalid_link(view, error)
        return view.page("access/confirm_address.html", address=address, token=token, action=PATH)

    async def confirm(self, view: View) -> Response:
        token = view.form.get("token")[:_MAX_TOKEN]
        try:
            await self.mail_addresses.confirm(token, view.visit.address)
        except LinkSpent as error:
            return _invalid_link(view, error)
        return view.go(ACCOUNT, _("The address was confirmed."))


def _invalid_link(view: View, error: LinkSpent) -> Response:
    return view.page("access/invalid_link.html", status=404, purpose="address", fault=error.message)
