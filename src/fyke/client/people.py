"""The part of the client that is about users, their sessions, and what was done."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from fyke.client.connection import Connection, segment

USERS = "/api/fyke/users"


@dataclass(frozen=True, slots=True)
class User:
    id: str
    name: str
    role: str
    disabled: bool


@dataclass(frozen=True, slots=True)
class UserItem:
    """A user in the list; times in Unix seconds, 0 = never."""

    id: str
    name: str
    role: str
    state: str
    created_at: int
    seen_at: int
    link: str
    link_expires_at: int


@dataclass(frozen=True, slots=True)
class UserLink:
    """A link with which a user chooses a password, once."""

    name: str
    purpose: str
    url: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Invitation:
    user: User
    link: UserLink


class PeopleCalls:
    """The users of one's own account, or (operator only) of the one named."""

    _wire: Connection

    def users(self, account: str = "") -> list[UserItem]:
        data = self._wire.call("GET", USERS, params=_of(account))
        return msgspec.convert(data["list"], list[UserItem])

    def invite_user(self, name: str, role: str = "member", account: str = "") -> Invitation:
        """Add a user and make the link with which they choose a password."""
        body = {"name": name, "role": role, **_of(account)}
        return self._wire.post(USERS, Invitation, body)

    def change_role(self, name: str, role: str, account: str = "") -> User:
        body = {"role": role, **_of(account)}
        data = self._wire.call("PUT", f"{USERS}/{segment(name)}/role", json=body)
        return msgspec.convert(data, User)

    def disable_user(self, name: str, account: str = "") -> User:
        return self._wire.post(f"{USERS}/{segment(name)}/disable", User, _of(account))

    def enable_user(self, name: str, account: str = "") -> User:
        return self._wire.post(f"{USERS}/{segment(name)}/enable", User, _of(account))

    def remove_user(self, name: str, account: str = "") -> None:
        self._wire.call("DELETE", f"{USERS}/{segment(name)}", params=_of(account))

    def link_user(self, name: str) -> UserLink:
        """A new link with which the user chooses a password; an older one ends."""
        return self._wire.post(f"{USERS}/{segment(name)}/link", UserLink, {})


def _of(account: str) -> dict[str, str]:
    return {"account": account} if account else {}
