"""One-time links: setting a password, and the first page after that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from fyke.console import cookies
from fyke.console.page import ConsolePage
from fyke.console.problems import WHOLE, faults_of
from fyke.console.view import View
from fyke.domain.accounts.links import OneTimeLinks, OpenLink
from fyke.errors import CodeWrong, InvalidRequest, LinkSpent, RateLimited, Refused
from fyke.model.user import Purpose

_MAX_TOKEN = 200


@dataclass(frozen=True, slots=True)
class JoiningPages:
    """``data_folder`` is shown during the setup of the installation."""

    links: OneTimeLinks
    data_folder: str

    def pages(self) -> list[ConsolePage]:
        return [page for purpose in Purpose for page in self._pages_for(purpose)]

    def _pages_for(self, purpose: Purpose) -> list[ConsolePage]:
        path = f"/{purpose.value}"
        return [
            ConsolePage("GET", path, self._show(purpose)),
            ConsolePage("POST", path, self._use(purpose), form_bytes=2**16),
        ]

    def _show(self, purpose: Purpose) -> Callable[[View], Awaitable[Response]]:
        async def show(view: View) -> Response:
            token = view.query.get("token", "")[:_MAX_TOKEN]
            try:
                link = await self.links.read(purpose, token)
            except LinkSpent as error:
                return _invalid_link(view, purpose, error)
            return self._form(view, purpose, link, token, {})

        return show

    def _use(self, purpose: Purpose) -> Callable[[View], Awaitable[Response]]:
        async def use(view: View) -> Response:
            token = view.form.get("token")[:_MAX_TOKEN]
            agent = view.request.headers.get("user-agent", "")
            try:
                link = await self.links.read(purpose, token)
                new = await self.links.use(
                    purpose,
                    token,
                    view.form.get("password"),
                    agent,
                    view.visit.address,
                    code=view.form.get("code"),
                )
            except LinkSpent as error:
                return _invalid_link(view, purpose, error)
            except (InvalidRequest, CodeWrong, RateLimited, Refused) as error:
                fallback = "code" if isinstance(error, CodeWrong) else WHOLE
                faults = faults_of(error, {"password": "password"}, fallback)
                return self._form(view, purpose, link, token, faults, status=422)
            response = view.go("/welcome" if purpose is Purpose.SETUP else "/")
            cookies.set_session(response, view.visit, new.token)
            return response

        return use

    def _form(
        self,
        view: View,
        purpose: Purpose,
        link: OpenLink,
        token: str,
        faults: dict[str, str],
        *,
        status: int = 200,
    ) -> Response:
        return view.page(
            "access/password.html",
            status=status,
            purpose=purpose.value,
            link=link,
            token=token,
            faults=faults,
            data_folder=self.data_folder if purpose is Purpose.SETUP else "",
        )


def _invalid_link(view: View, purpose: Purpose, error: LinkSpent) -> Response:
    return view.page(
        "access/invalid_link.html", status=404, purpose=purpose.value, fault=error.message
    )
