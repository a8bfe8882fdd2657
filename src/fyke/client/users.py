"""The part of the client that is about users."""

from __future__ import annotations

from fyke.client.connection import Connection, segment
from fyke.wire.fyke.accounts import AccountSelector
from fyke.wire.fyke.users import (
    AccountUser,
    Invitation,
    RoleChange,
    UserItem,
    UserLink,
    UserList,
    UserToInvite,
)

USERS = "/api/fyke/users"


class UserCalls:
    """The users of the caller's account, or (operator only) of the one named."""

    _wire: Connection

    def users(self, account: str = "") -> list[UserItem]:
        return self._wire.get(USERS, UserList, _of(account)).items

    def invite_user(self, name: str, role: str = "member", account: str = "") -> Invitation:
        """Add a user and create the link with which they choose a password."""
        body = UserToInvite(account, name=name, role=role)
        return self._wire.post(USERS, Invitation, body)

    def change_role(self, name: str, role: str, account: str = "") -> AccountUser:
        body = RoleChange(account, role=role)
        return self._wire.put(f"{USERS}/{segment(name)}/role", AccountUser, body)

    def disable_user(self, name: str, account: str = "") -> AccountUser:
        return self._wire.post(
            f"{USERS}/{segment(name)}/disable", AccountUser, AccountSelector(account)
        )

    def enable_user(self, name: str, account: str = "") -> AccountUser:
        return self._wire.post(
            f"{USERS}/{segment(name)}/enable", AccountUser, AccountSelector(account)
        )

    def remove_user(self, name: str, account: str = "") -> None:
        self._wire.delete(f"{USERS}/{segment(name)}", type(None), _of(account))

    def link_user(self, name: str) -> UserLink:
        """Create a link with which the user chooses a password; an older one ends."""
        return self._wire.post(f"{USERS}/{segment(name)}/link", UserLink, {})


def _of(account: str) -> dict[str, str]:
    return {"account": account} if account else {}
