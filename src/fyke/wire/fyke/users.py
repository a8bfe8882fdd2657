"""The users of an account. Times are Unix seconds, 0 = never."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from fyke.model.account import Role
from fyke.wire.common import Items, TimeOrNever
from fyke.wire.fields import Answer, DocumentedAs, Name, Text
from fyke.wire.fyke.accounts import AccountSelector
from fyke.wire.units import seconds

if TYPE_CHECKING:
    from fyke.domain.accounts.links import NewLink
    from fyke.domain.accounts.users import UserEntry
    from fyke.model.account import User

LinkPurpose = Literal["setup", "invite", "reset"]


class UserToInvite(AccountSelector, kw_only=True):
    name: Annotated[Name, Meta(description="the name for signing in")]
    role: Annotated[Text, DocumentedAs(Role)] = "member"


class RoleChange(AccountSelector, kw_only=True):
    role: Annotated[Name, DocumentedAs(Role)]


class UserItem(Answer):
    """A user in the list."""

    id: str
    name: str
    role: Role
    state: Literal["active", "invited", "disabled"]
    created_at: TimeOrNever
    seen_at: Annotated[TimeOrNever, Meta(description="when a session of the user was last used")]
    link: Annotated[str, Meta(description="setup, invite or reset; empty = no unused link")]
    link_expires_at: TimeOrNever
    second_factor: Annotated[bool, Meta(description="whether signing in needs a code")]
    address_confirmed: Annotated[bool, Meta(description="whether alerts can be mailed to the name")]

    @classmethod
    def of(cls, entry: UserEntry) -> UserItem:
        return cls(
            id=entry.user.id,
            name=entry.user.name,
            role=entry.user.role,
            state=entry.state,
            created_at=seconds(entry.user.created_at),
            seen_at=seconds(entry.seen_at),
            link=entry.link.value if entry.link else "",
            link_expires_at=seconds(entry.link_expires_at),
            second_factor=entry.second_factor,
            address_confirmed=entry.user.confirmed_at > 0,
        )


class UserList(Items[UserItem]):
    pass


class AccountUser(Answer):
    id: str
    name: str
    role: Role
    disabled: bool

    @classmethod
    def of(cls, user: User) -> AccountUser:
        return cls(user.id, user.name, user.role, user.disabled)


class UserLink(Answer):
    """A one-time link with which a user chooses a password."""

    name: str
    purpose: LinkPurpose
    url: Annotated[str, Meta(description="works once; only in this answer")]
    expires_at: TimeOrNever

    @classmethod
    def of(cls, link: NewLink, origin: str) -> UserLink:
        """``origin``: scheme and host of the URL."""
        return cls(link.user_name, link.purpose.value, origin + link.path, seconds(link.expires_at))


class Invitation(Answer):
    user: AccountUser
    link: UserLink
