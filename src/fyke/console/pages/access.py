"""Signing in and out, and confirming a session."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.api.errors import table_of
from fyke.console import cookies, sign_in_redirect
from fyke.console.page import ConsolePage
from fyke.console.problems import WHOLE, faults_of
from fyke.console.settings_tabs import AREA
from fyke.console.sign_in_redirect import CONFIRM_PATH, PENDING_FORM_BYTES
from fyke.console.texts import gettext as _
from fyke.console.view import View, own_address
from fyke.domain.accounts.codes import PendingSignIn
from fyke.domain.accounts.confirmation import Confirmations
from fyke.domain.accounts.second_factor import SecondFactors
from fyke.domain.accounts.sessions import NewSession, Sessions
from fyke.errors import (
    CodeWrong,
    InvalidRequest,
    RateLimited,
    Refused,
    SessionEnded,
    Unauthenticated,
)

SIGNED_OUT = "/login?signed-out"  # app.js then reloads the other tabs of the browser
_MAX_TICKET = 1000


@dataclass(frozen=True, slots=True)
class AccessPages:
    sessions: Sessions
    confirmations: Confirmations
    second_factors: SecondFactors

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", "/login", self.show),
            ConsolePage("POST", "/login", self.sign_in, form_bytes=PENDING_FORM_BYTES),
            ConsolePage("POST", "/login/code", self.enter_code, form_bytes=PENDING_FORM_BYTES),
            ConsolePage("POST", "/logout", self.sign_out),
            ConsolePage("GET", CONFIRM_PATH, self.ask, area=AREA),
            ConsolePage(
                "POST",
                CONFIRM_PATH,
                self.confirm,
                area=AREA,
                form_bytes=PENDING_FORM_BYTES,
                excluded=frozenset({"password", "code"}),
            ),
        ]

    async def show(self, view: View) -> Response:
        target = own_address(view.query.get("next", "/"))
        if view.signed_in is not None:
            return view.go(target)
        return await self._form(view, next=target)

    async def sign_in(self, view: View) -> Response:
        agent = view.request.headers.get("user-agent", "")
        name, password = view.form.get("name"), view.form.get("password")
        try:
            new = await self.sessions.sign_in(name, password, agent, view.visit.address)
        except (Unauthenticated, RateLimited) as error:
            status = table_of("/api/v2/").row(error).status
            return await self._form(view, status=status, fault=error.message, name=name)
        if isinstance(new, PendingSignIn):
            return self._code_form(view, new.ticket)
        return self._signed_in(view, new)

    async def enter_code(self, view: View) -> Response:
        agent = view.request.headers.get("user-agent", "")
        ticket = view.form.get("ticket")[:_MAX_TICKET]
        try:
            new = await self.sessions.enter_code(
                ticket, view.form.get("code"), agent, view.visit.address
            )
        except SessionEnded:
            fault = _("Too much time has passed. Sign in again.")
            return await self._form(view, status=401, fault=fault)
        except (CodeWrong, RateLimited, Refused) as error:
            status = table_of("/api/v2/").row(error).status
            return self._code_form(view, ticket, status=status, fault=error.message)
        return self._signed_in(view, new)

    def _signed_in(self, view: View, new: NewSession) -> Response:
        path, pairs = sign_in_redirect.pending_request_of(view)
        if path:
            response = sign_in_redirect.resume(view, path, pairs)
        else:
            response = view.go(own_address(view.form.get("next", "/")))
        cookies.set_session(response, view.visit, new.token)
        return response

    async def ask(self, view: View) -> Response:
        status = await self.second_factors.status(view.caller)
        target = own_address(view.query.get("next", "/"))
        return sign_in_redirect.confirm_form(view, code=status.enabled_at > 0, next=target)

    async def confirm(self, view: View) -> Response:
        path, pairs = sign_in_redirect.pending_request_of(view)
        target = own_address(view.form.get("next", "/"))
        try:
            token = await self.confirmations.confirm(
                view.caller, view.form.get("password"), view.form.get("code")
            )
        except (InvalidRequest, CodeWrong, RateLimited, Refused) as error:
            status = await self.second_factors.status(view.caller)
            fallback = "code" if isinstance(error, CodeWrong) else WHOLE
            return sign_in_redirect.confirm_form(
                view,
                status=422,
                code=status.enabled_at > 0,
                next=target,
                path=path,
                pairs=pairs,
                faults=faults_of(error, {"password": "password"}, fallback),
            )
        if path:
            response = sign_in_redirect.resume(view, path, pairs, confirmed=True)
        else:
            response = view.go(target)
        cookies.set_session(response, view.visit, token)
        return response

    async def sign_out(self, view: View) -> Response:
        token = cookies.session_token(view.request, view.visit)
        await self.sessions.sign_out(token, view.visit.address)
        response = view.go(SIGNED_OUT)
        response.headers["clear-site-data"] = '"cache", "storage"'
        cookies.drop_session(response, view.visit)
        return response

    def _code_form(
        self, view: View, ticket: str, *, status: int = 200, fault: str = ""
    ) -> Response:
        path, pairs = sign_in_redirect.pending_request_of(view)
        return view.page(
            "access/code.html",
            status=status,
            ticket=ticket,
            next=own_address(view.form.get("next", "/")),
            fault=fault,
            pending_path=path,
            pending=pairs,
        )

    async def _form(
        self, view: View, *, status: int = 200, fault: str = "", name: str = "", next: str = ""
    ) -> Response:
        path, pairs = sign_in_redirect.pending_request_of(view)
        return view.page(
            "access/login.html",
            status=status,
            is_set_up=await self.sessions.is_set_up(),
            name=name,
            next=next or own_address(view.form.get("next", "/")),
            fault=fault,
            pending_path=path,
            pending=pairs,
            pending_files=False,
        )
