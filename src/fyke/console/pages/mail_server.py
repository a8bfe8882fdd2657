"""The mail server of the installation: form, test, removal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from fyke.console.page import ConsolePage, Handler
from fyke.console.problems import faults_of
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.callbacks.mail import PORTS, InstallationMail, MailFields
from fyke.errors import InvalidRequest, RateLimited, Refused
from fyke.kit.mail_servers import is_address
from fyke.model.mail import MailOrigin, MailReport, MailTest

AREA = "/admin"
PATH = "/admin/mail"
SMALL = 2**16
_FIELDS = {name: name for name in ("host", "port", "tls", "user", "password", "sender", "to")}


@dataclass(frozen=True, slots=True)
class MailServerPages:
    mail: InstallationMail

    def pages(self) -> list[ConsolePage]:
        return [
            self._page("GET", PATH, self.show),
            self._page("POST", PATH, self.set),
            self._page("POST", f"{PATH}/test", self.test),
            self._page("POST", f"{PATH}/remove", self.remove),
        ]

    def _page(self, method: str, path: str, handler: Handler) -> ConsolePage:
        return ConsolePage(
            method,
            path,
            handler,
            area=AREA,
            operator=True,
            form_bytes=SMALL,
            excluded=frozenset({"password"}),
        )

    async def show(self, view: View) -> Response:
        return await self._shown(view)

    async def set(self, view: View) -> Response:
        form = view.form
        if form.get("user").strip() and "password" not in form.values():
            # left out while the user signed in again; nothing would say that it was not stored
            fault = _("The password was not kept while you signed in again. Enter it once more.")
            return await self._shown(view, form.values(), {"password": fault})
        port = form.get("port").strip()
        fields = MailFields(
            form.get("host"),
            int(port) if port.isdecimal() and len(port) < 6 else -1 if port else 0,
            form.get("tls"),
            form.get("user"),
            form.get("password") or None,
            form.get("sender"),
        )
        try:
            await self.mail.set(view.caller, fields)
        except InvalidRequest as error:
            typed = {**form.values(), "password": ""}
            return await self._shown(view, typed, faults_of(error, _FIELDS))
        text = _("Mail goes through this server from now on. Send a test.")
        return view.go(PATH, text)

    async def test(self, view: View) -> Response:
        trial: MailTest | None = None
        faults: dict[str, str] = {}
        try:
            trial = await self.mail.test(view.caller, view.form.get("to"))
        except (InvalidRequest, RateLimited, Refused) as error:
            faults = faults_of(error, _FIELDS, "to")
        if view.wants_part:
            fault = " ".join(faults.values())
            return view.part("admin/mail_trial.html", "trial", trial=trial, fault=fault)
        return await self._shown(view, None, faults, trial)

    async def remove(self, view: View) -> Response:
        await self.mail.remove(view.caller)
        return view.go(PATH, _("The mail server was removed. No mail is sent."))

    async def _shown(
        self,
        view: View,
        typed: Mapping[str, Any] | None = None,
        faults: Mapping[str, str] | None = None,
        trial: MailTest | None = None,
    ) -> Response:
        report = await self.mail.get(view.caller)
        own = view.caller.user_name
        return view.page(
            "admin/mail.html",
            status=422 if faults else 200,
            area=AREA,
            report=report,
            fixed=report.origin is MailOrigin.SETTING,
            exists=report.origin is not MailOrigin.NONE and not report.unreadable,
            typed=typed or _values(report),
            kinds=list(PORTS),
            faults=faults or {},
            trial=trial,
            to=view.form.get("to") or (own if is_address(own) else ""),
        )


def _values(report: MailReport) -> dict[str, Any]:
    return {
        "host": report.host,
        "port": str(report.port or ""),
        "tls": report.tls.value,
        "user": report.user,
        "sender": report.sender,
    }
