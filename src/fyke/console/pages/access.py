"""Signing in and out."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from fyke.api.errors import table_of
from fyke.console import cookies, sign_in_redirect
from fyke.console.page import ConsolePage
from fyke.console.view import View, own_address
from fyke.domain.accounts.sessions import Sessions
from fyke.errors import RateLimited, Unauthenticated

PENDING_FORM_BYTES = 12 * 2**20  # a whole run form, returned after signing in again


@dataclass(frozen=True, slots=True)
class AccessPages:
    sessions: Sessions

    def pages(self) -> list[ConsolePage]:
        return [
            ConsolePage("GET", "/login", self.show),
            ConsolePage("POST", "/login", self.sign_in, form_bytes=PENDING_FORM_BYTES),
            ConsolePage("POST", "/logout", self.sign_out),
        ]

    async def show(self, view: View) -> Response:
        target = own_address(view.query.get("next", "/"))
        if view.signed_in is not None:
            return view.go(target)
        return self._form(view, next=target)

    async def sign_in(self, view: View) -> Response:
        agent = view.request.headers.get("user-agent", "")
        name, password = view.form.get("name"), view.form.get("password")
        try:
            new = await self.sessions.sign_in(name, password, agent, view.visit.address)
        except (Unauthenticated, RateLimited) as error:
            status = table_of("/api/v2/").row(error).status
            return self._form(view, status=status, fault=error.message, name=name)
        path, pairs = sign_in_redirect.pending_request_of(view)
        if path:
            response = sign_in_redirect.resume(view, path, pairs)
        else:
            response = view.go(own_address(view.form.get("next", "/")))
        cookies.set_session(response, view.visit, new.token)
        return response

    async def sign_out(self, view: View) -> Response:
        token = cookies.session_token(view.request, view.visit)
        await self.sessions.sign_out(token, view.visit.address)
        response = view.go("/login")
        cookies.drop_session(response, view.visit)
        return response

    def _form(
        self, view: View, *, status: int = 200, fault: str = "", name: str = "", next: str = ""
    ) -> Response:
        path, pairs = sign_in_redirect.pending_request_of(view)
        return view.page(
            "access/login.html",
            status=status,
            name=name,
            next=next or own_address(view.form.get("next", "/")),
            fault=fault,
            pending_path=path,
            pending=pairs,
            pending_files=False,
        )
