"""The users of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, post, put
from fyke.domain.accounts.users import Users
from fyke.errors import Conflict, Forbidden, NotFound, Refused
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke import users as wire
from fyke.wire.fyke.accounts import OfAccount

PATH = "/api/fyke/users"
USER = f"{PATH}/{{name}}"


@dataclass(frozen=True, slots=True)
class UserRoutes:
    tag: ClassVar[str] = "Account"

    users: Users

    @get(PATH, scope=Scope.ADMIN, errors=(Forbidden, NotFound))
    async def list_users(self, call: Call, wanted: OfAccount) -> wire.UserList:
        """The account's users.

        An owner manages users, a member starts and changes everything else, a viewer only reads.
        """
        found = await self.users.list(call.caller, account=wanted.account or None)
        return wire.UserList([wire.UserItem.of(entry) for entry in found])

    @post(PATH, scope=Scope.ADMIN, errors=(Forbidden, NotFound, Conflict))
    async def invite_user(self, call: Call, wanted: wire.UserToInvite) -> wire.Invitation:
        """Add a user, who chooses a password by the link in the answer.

        For users with the role owner. Names are unique in the installation and have 1 to 64 of a to
        z, digits and `. _ @ + -`.
        """
        user, link = await self.users.invite(
            call.caller, wanted.name, wanted.role, account=wanted.account or None
        )
        return wire.Invitation(wire.AccountUser.of(user), wire.UserLink.of(link, call.visit.origin))

    @put(f"{USER}/role", scope=Scope.ADMIN, errors=(Forbidden, NotFound, Refused))
    async def change_role(
        self, call: Call, name: Name, wanted: wire.RoleChange
    ) -> wire.AccountUser:
        """Give a user another role.

        For users with the role owner. An account always keeps one owner who can sign in.
        """
        user = await self.users.change_role(
            call.caller, name, wanted.role, account=wanted.account or None
        )
        return wire.AccountUser.of(user)

    @post(f"{USER}/disable", scope=Scope.ADMIN, errors=(Forbidden, NotFound, Refused))
    async def disable_user(self, call: Call, name: Name, wanted: OfAccount) -> wire.AccountUser:
        """Disable a user: sessions end, and keys give no access until the user is enabled."""
        account = wanted.account or None
        return wire.AccountUser.of(await self.users.disable(call.caller, name, account=account))

    @post(f"{USER}/enable", scope=Scope.ADMIN, errors=(Forbidden, NotFound, Refused))
    async def enable_user(self, call: Call, name: Name, wanted: OfAccount) -> wire.AccountUser:
        """Enable a disabled user, with the same password and keys."""
        account = wanted.account or None
        return wire.AccountUser.of(await self.users.enable(call.caller, name, account=account))

    @delete(USER, scope=Scope.ADMIN, errors=(Forbidden, NotFound, Refused))
    async def remove_user(self, call: Call, name: Name, wanted: OfAccount) -> None:
        """Remove a user permanently.

        Sessions and links end and keys are revoked; what the user created stays.
        """
        await self.users.remove(call.caller, name, account=wanted.account or None)

    @post(f"{USER}/link", scope=Scope.ADMIN, errors=(Forbidden, NotFound))
    async def link_user(self, call: Call, name: Name) -> wire.UserLink:
        """Create a link with which a user chooses a new password.

        An older link ends; the present password works until the new one is chosen. For owners, and
        for the operator also in other accounts.
        """
        link = await self.users.link(call.caller, name)
        return wire.UserLink.of(link, call.visit.origin)
