"""The users of the account: list, invitations, roles, disabling."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from fyke.console.page import ConsolePage
from fyke.console.problems import faults_of
from fyke.console.settings_tabs import AREA, tabs_for
from fyke.console.texts import gettext as _
from fyke.console.view import View
from fyke.domain.accounts.links import NewLink
from fyke.domain.accounts.users import UserEntry, Users
from fyke.errors import Conflict, InvalidRequest, NotFound, Refused
from fyke.model.account import Role, User

PATH = "/settings/users"


@dataclass(frozen=True, slots=True)
class UserPages:
    users: Users

    def pages(self) -> list[ConsolePage]:
        user_path = f"{PATH}/{{name}}"
        return [
            ConsolePage("GET", PATH, self.list, area=AREA),
            ConsolePage("GET", f"{PATH}/invite", self.new, area=AREA),
            ConsolePage("POST", f"{PATH}/invite", self.invite, area=AREA, form_bytes=2**16),
            ConsolePage("GET", user_path, self.show, area=AREA),
            ConsolePage("POST", f"{user_path}/link", self.link, area=AREA, form_bytes=2**16),
            ConsolePage("POST", f"{user_path}/role", self.role, area=AREA, form_bytes=2**16),
            ConsolePage("POST", f"{user_path}/disable", self.disable, area=AREA, form_bytes=2**16),
            ConsolePage("POST", f"{user_path}/enable", self.enable, area=AREA, form_bytes=2**16),
            ConsolePage("POST", f"{user_path}/remove", self.remove, area=AREA, form_bytes=2**16),
        ]

    async def list(self, view: View) -> Response:
        return view.page(
            "settings/users.html",
            area=AREA,
            tabs=tabs_for(view),
            users=await self.users.list(view.caller),
            can_manage=view.caller.role is Role.OWNER,
        )

    async def new(self, view: View) -> Response:
        return self._invite(view, "", Role.MEMBER.value, {})

    async def invite(self, view: View) -> Response:
        name, role = view.form.get("name"), view.form.get("role")
        try:
            _user, link = await self.users.invite(view.caller, name, role)
        except (InvalidRequest, Conflict, Refused) as error:
            faults = faults_of(error, {"name": "name", "role": "role"})
            return self._invite(view, name, role, faults)
        return _show_link(view, link)

    async def show(self, view: View) -> Response:
        return await self._page(view)

    async def link(self, view: View) -> Response:
        item = await self._item(view)  # the service would create a link for other accounts too
        return _show_link(view, await self.users.link(view.caller, item.user.name))

    async def role(self, view: View) -> Response:
        async def change(name: str) -> User:
            return await self.users.change_role(view.caller, name, view.form.get("role"))

        return await self._change(view, change, _("The role was changed."))

    async def disable(self, view: View) -> Response:
        async def change(name: str) -> User:
            return await self.users.disable(view.caller, name)

        return await self._change(view, change, _("The user was disabled."))

    async def enable(self, view: View) -> Response:
        async def change(name: str) -> User:
            return await self.users.enable(view.caller, name)

        return await self._change(view, change, _("The user was enabled."))

    async def remove(self, view: View) -> Response:
        try:
            await self.users.remove(view.caller, view.param("name"))
        except Refused as error:
            return await self._page(view, error.message)
        return view.go(PATH, _("The user was removed."))

    async def _change(
        self, view: View, change: Callable[[str], Awaitable[User]], notice: str
    ) -> Response:
        try:
            await change(view.param("name"))
        except Refused as error:
            return await self._page(view, error.message)
        return view.go(f"{PATH}/{view.param('name')}", notice)

    async def _page(self, view: View, fault: str = "") -> Response:
        return view.page(
            "settings/user.html",
            status=409 if fault else 200,
            area=AREA,
            item=await self._item(view),
            fault=fault,
            can_manage=view.caller.role is Role.OWNER,
        )

    async def _item(self, view: View) -> UserEntry:
        for item in await self.users.list(view.caller):
            if item.user.name == view.param("name"):
                return item
        raise NotFound

    def _invite(self, view: View, name: str, role: str, faults: dict[str, str]) -> Response:
        values: dict[str, Any] = {"name": name, "role": role, "faults": faults}
        status = 422 if faults else 200
        return view.page("settings/invite.html", status=status, area=AREA, **values)


def _show_link(view: View, link: NewLink) -> Response:
    return view.page(
        "settings/secret.html",
        area=AREA,
        secret=view.visit.origin + link.path,
        name=link.user_name,
        kind="link",
        expires_at=link.expires_at,
    )
