"""The users of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fyke.api.call import Call
from fyke.api.routes import delete, get, post, put
from fyke.domain.accounts.second_factor import SecondFactors
from fyke.domain.accounts.users import Users
from fyke.errors import Conflict, Forbidden, NotFound, Refused
from fyke.model.account import Scope
from fyke.wire.fields import Name
from fyke.wire.fyke import users as wire
from fyke.wire.fyke.accounts import AccountSelector

PATH = "/api/fyke/users"
USER = f"{PATH}/{{name}}"


@dataclass(frozen=True, slots=True)
class UserRoutes:
    tag: ClassVar[str] = "Account"

    users: Users
    second_factors: SecondFactors

    @get(PATH, scope=Scope.ADMIN, errors=(Forbidden, NotFound))
    async def list_users(self, call: Call, query: AccountSelector) -> wire.UserList:
        """The account's users.

        An owner manages users, a member starts and changes everything else, a viewer only reads.
        """
        users = await self.users.list(call.caller, account=query.account or None)
        return wire.UserList([wire.UserItem.of(user) for user in users])

    @post(PATH, scope=Scope.ADMIN, errors=(Forbidden, NotFound, Conflict))
    async def invite_user(self, call: Call, body: wire.UserToInvite) -> wire.Invitation:
        """Add a user, who chooses a password by the link in the answer.

        For users with the role owner. Names are unique in the installation and consist of 1 to 64
        lower-case letters, digits and `. _ @ + -`. Owners are invited only in the console or with
        the operator's local key.
        """
        user, link = await self.users.invite(
            call.caller, body.name, body.role, account=body.account or None
        )
        return wire.Invitation(wire.AccountUser.of(user), wire.UserLink.of(link, call.visit.origin))

    @put(f"{USER}/role", scope=Scope.ADMIN, errors=(Forbidden, NotFound, Refused))
    async def change_role(self, call: Call, name: Name, body: wire.RoleChange) -> wire.AccountUser:
        """Give a user another role.

        For users with the role owner. An account must have an owner who can sign in. Users become
        owners only in the console or with the operator's local key.
        """
        user = await self.users.change_role(
            call.caller, name, body.role, account=body.account or None
        )
        return wire.AccountUser.of(user)

    @post(f"{USER}/disable", scope=Scope.ADMIN, errors=(Forbidden, NotFound, Refused))
    async def disable_user(self, call: Call, name: Name, body: AccountSelector) -> wire.AccountUser:
        """Disable a user: sessions end, and keys are refused until the user is enabled."""
        account = body.account or None
        return wire.AccountUser.of(await self.users.disable(call.caller, name, account=account))

    @post(f"{USER}/enable", scope=Scope.ADMIN, errors=(Forbidden, NotFound, Refused))
    async def enable_user(self, call: Call, name: Name, body: AccountSelector) -> wire.AccountUser:
        """Enable a disabled user, whose password and keys work again."""
        account = body.account or None
        return wire.AccountUser.of(await self.users.enable(call.caller, name, account=account))

    @delete(USER, scope=Scope.ADMIN, errors=(Forbidden, NotFound, Refused))
    async def remove_user(self, call: Call, name: Name, query: AccountSelector) -> None:
        """Remove a user permanently.

        Sessions and links end and keys are revoked; what the user created stays.
        """
        await self.users.remove(call.caller, name, account=query.account or None)

    @delete(
        f"{USER}/second-factor",
        scope=Scope.ADMIN,
        tag="Operator",
        errors=(Forbidden, NotFound, Refused),
    )
    async def reset_second_factor(self, call: Call, name: Name) -> None:
        """Switch off the second factor of a user who has lost the device and the recovery codes.

        For the operator, with the local key; the user's sessions end.
        """
        await self.second_factors.reset(call.caller, name)

    @post(f"{USER}/link", scope=Scope.ADMIN, errors=(Forbidden, NotFound))
    async def link_user(self, call: Call, name: Name) -> wire.UserLink:
        """Create a one-time link with which a user chooses a new password.

        It replaces an older link. The current password works until the new one is set, and a second
        factor stays on. For users with the role owner; the operator may name users of other
        accounts. A link for an owner is created only in the console or with the operator's local
        key; while no user of another account has a password, any key of the operator's account will
        do.
        """
        link = await self.users.link(call.caller, name)
        return wire.UserLink.of(link, call.visit.origin)
