"""Methods of the client for users."""

from __future__ import annotations

from fyke import wire
from fyke.client.connection import Connection, segment

USERS = "/api/fyke/users"


class UserCalls:
    """Users of the caller's account or, for the operator, of ``account``."""

    _wire: Connection

    def users(self, account: str = "") -> list[wire.fyke.users.UserItem]:
        return self._wire.get(USERS, wire.fyke.users.UserList, _account_query(account)).items

    def invite_user(
        self, name: str, role: str = "member", account: str = ""
    ) -> wire.fyke.users.Invitation:
        """Add a user, with a link for choosing a password."""
        body = wire.fyke.users.UserToInvite(account, name=name, role=role)
        return self._wire.post(USERS, wire.fyke.users.Invitation, body)

    def change_role(self, name: str, role: str, account: str = "") -> wire.fyke.users.AccountUser:
        body = wire.fyke.users.RoleChange(account, role=role)
        return self._wire.put(f"{USERS}/{segment(name)}/role", wire.fyke.users.AccountUser, body)

    def disable_user(self, name: str, account: str = "") -> wire.fyke.users.AccountUser:
        return self._wire.post(
            f"{USERS}/{segment(name)}/disable",
            wire.fyke.users.AccountUser,
            wire.fyke.accounts.AccountSelector(account),
        )

    def enable_user(self, name: str, account: str = "") -> wire.fyke.users.AccountUser:
        return self._wire.post(
            f"{USERS}/{segment(name)}/enable",
            wire.fyke.users.AccountUser,
            wire.fyke.accounts.AccountSelector(account),
        )

    def remove_user(self, name: str, account: str = "") -> None:
        self._wire.delete(f"{USERS}/{segment(name)}", type(None), _account_query(account))

    def reset_second_factor(self, name: str) -> None:
        """Switch off the second factor of a user of any account, for the operator."""
        self._wire.delete(f"{USERS}/{segment(name)}/second-factor", type(None))

    def link_user(self, name: str) -> wire.fyke.users.UserLink:
        """Create a link for choosing a new password; it replaces an older one."""
        return self._wire.post(f"{USERS}/{segment(name)}/link", wire.fyke.users.UserLink, {})


def _account_query(account: str) -> dict[str, str]:
    return {"account": account} if account else {}
