"""The users of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fyke.api.call import Call
from fyke.api.decode import Wire, WireName, WireText
from fyke.api.envelope import NULL, encode
from fyke.api.errors import TABLE, UNKNOWN_PATH
from fyke.api.operations import Operation
from fyke.api.own import people_answers as answers
from fyke.api.v1.vocabulary import seconds
from fyke.domain.accounts.links import NewLink
from fyke.domain.accounts.users import UserEntry, Users
from fyke.errors import Conflict, Forbidden, Refused
from fyke.model.account import User


class UserListFields(Wire):
    account: WireText = ""


class NewUserFields(Wire):
    name: WireName
    role: WireText = "member"
    account: WireText = ""


class UserRef(Wire):
    name: WireName
    account: WireText = ""


class RoleChange(Wire):
    name: WireName
    role: WireName
    account: WireText = ""


class LinkFields(Wire):
    name: WireName


@dataclass(frozen=True, slots=True)
class UserOperations:
    users: Users

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/api/fyke/users",
                id="listUsers",
                tag="Account",
                summary="The account's users",
                fields=UserListFields,
                handler=self.list,
                answer=answers.UserList,
                errors=(TABLE[Forbidden], UNKNOWN_PATH),
            ),
            Operation(
                "POST",
                "/api/fyke/users",
                id="inviteUser",
                tag="Account",
                summary="Add a user, who chooses a password by the link in the answer",
                fields=NewUserFields,
                handler=self.invite,
                answer=answers.Invitation,
                errors=(TABLE[Forbidden], UNKNOWN_PATH, TABLE[Conflict]),
            ),
            self._change("PUT", "/role", "changeRole", "Give a user another role", self.role),
            self._change("POST", "/disable", "disableUser", "Keep a user out", self.disable),
            self._change("POST", "/enable", "enableUser", "Let a user in again", self.enable),
            self._change("DELETE", "", "removeUser", "Remove a user for good", self.remove),
            Operation(
                "POST",
                "/api/fyke/users/{name}/link",
                id="linkUser",
                tag="Account",
                summary="Make a link with which a user chooses a new password",
                fields=LinkFields,
                handler=self.link,
                answer=answers.UserLink,
                errors=(TABLE[Forbidden], UNKNOWN_PATH),
                path_fields=("name",),
            ),
        ]

    def _change(
        self, method: str, suffix: str, id: str, summary: str, handler: Any
    ) -> Operation[Any]:
        return Operation(
            method,
            f"/api/fyke/users/{{name}}{suffix}",
            id=id,
            tag="Account",
            summary=summary,
            fields=RoleChange if suffix == "/role" else UserRef,
            handler=handler,
            answer=answers.User if suffix else None,
            errors=(TABLE[Forbidden], UNKNOWN_PATH, TABLE[Refused]),
            path_fields=("name",),
        )

    async def list(self, call: Call, wanted: UserListFields) -> bytes:
        found = await self.users.list(call.caller, account=wanted.account or None)
        return encode({"list": [_item(item) for item in found]})

    async def invite(self, call: Call, wanted: NewUserFields) -> bytes:
        user, link = await self.users.invite(
            call.caller, wanted.name, wanted.role, account=wanted.account or None
        )
        return encode({"user": _user(user), "link": _link(call, link)})

    async def role(self, call: Call, wanted: RoleChange) -> bytes:
        return encode(
            _user(
                await self.users.change_role(
                    call.caller, wanted.name, wanted.role, account=wanted.account or None
                )
            )
        )

    async def disable(self, call: Call, wanted: UserRef) -> bytes:
        account = wanted.account or None
        return encode(_user(await self.users.disable(call.caller, wanted.name, account=account)))

    async def enable(self, call: Call, wanted: UserRef) -> bytes:
        account = wanted.account or None
        return encode(_user(await self.users.enable(call.caller, wanted.name, account=account)))

    async def remove(self, call: Call, wanted: UserRef) -> bytes:
        await self.users.remove(call.caller, wanted.name, account=wanted.account or None)
        return NULL

    async def link(self, call: Call, wanted: LinkFields) -> bytes:
        return encode(_link(call, await self.users.link(call.caller, wanted.name)))


def _user(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "role": user.role.value,
        "disabled": user.disabled,
    }


def _item(item: UserEntry) -> dict[str, Any]:
    return {
        "id": item.user.id,
        "name": item.user.name,
        "role": item.user.role.value,
        "state": item.state,
        "created_at": seconds(item.user.created_at),
        "seen_at": seconds(item.seen_at),
        "link": item.link.value if item.link else "",
        "link_expires_at": seconds(item.link_expires_at),
    }


def _link(call: Call, link: NewLink) -> dict[str, Any]:
    return {
        "name": link.user_name,
        "purpose": link.purpose.value,
        "url": call.visit.origin + link.path,
        "expires_at": seconds(link.expires_at),
    }
