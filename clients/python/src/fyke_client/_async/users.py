"""Methods of the client for users."""

from __future__ import annotations

from fyke_client import types
from fyke_client._async.connection import AsyncConnection
from fyke_client._requests import segment

USERS = "/api/fyke/users"


class AsyncUserCalls:
    """Users of the caller's account or, for the operator, of ``account``."""

    _connection: AsyncConnection

    async def users(self, account: str = "") -> list[types.fyke.users.UserItem]:
        return (
            await self._connection.get(USERS, types.fyke.users.UserList, _account_query(account))
        ).items

    async def invite_user(
        self, name: str, role: str = "member", account: str = ""
    ) -> types.fyke.users.Invitation:
        """Add a user, with a link for choosing a password."""
        body = types.fyke.users.UserToInvite(account=account, name=name, role=role)
        return await self._connection.post(USERS, types.fyke.users.Invitation, body)

    async def change_role(
        self, name: str, role: str, account: str = ""
    ) -> types.fyke.users.AccountUser:
        body = types.fyke.users.RoleChange(account=account, role=role)
        return await self._connection.put(
            f"{USERS}/{segment(name)}/role", types.fyke.users.AccountUser, body
        )

    async def disable_user(self, name: str, account: str = "") -> types.fyke.users.AccountUser:
        return await self._connection.post(
            f"{USERS}/{segment(name)}/disable",
            types.fyke.users.AccountUser,
            types.fyke.accounts.AccountSelector(account),
        )

    async def enable_user(self, name: str, account: str = "") -> types.fyke.users.AccountUser:
        return await self._connection.post(
            f"{USERS}/{segment(name)}/enable",
            types.fyke.users.AccountUser,
            types.fyke.accounts.AccountSelector(account),
        )

    async def remove_user(self, name: str, account: str = "") -> None:
        await self._connection.delete(
            f"{USERS}/{segment(name)}", type(None), _account_query(account)
        )

    async def reset_second_factor(self, name: str) -> None:
        """Switch off the second factor of a user of any account, for the operator."""
        await self._connection.delete(f"{USERS}/{segment(name)}/second-factor", type(None))

    async def link_user(self, name: str) -> types.fyke.users.UserLink:
        """Create a link for choosing a new password; it replaces an older one."""
        return await self._connection.post(
            f"{USERS}/{segment(name)}/link", types.fyke.users.UserLink, {}
        )


def _account_query(account: str) -> dict[str, str]:
    return {"account": account} if account else {}
