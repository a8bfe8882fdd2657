"""The users of an account, managed by its owners.

An account always has an owner who can sign in: the last one cannot be removed, disabled or given
another role. Each change locks the account first, so that two owners who remove each other at the
same moment do so in turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record_for
from fyke.domain.accounts.links import NewLink, add_link
from fyke.domain.accounts.rights import (
    require_confirmed,
    require_operator,
    require_owner,
    require_user,
)
from fyke.domain.accounts.service import Accounts
from fyke.domain.accounts.sessions import Sessions
from fyke.errors import Conflict, InvalidRequest, NotFound, Refused, UserDisabled
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller, Role, User
from fyke.model.audit import AuditAction
from fyke.model.user import Purpose

MAX_USERS = 1000
# names of roles, only for users of the operator's account
RESERVED = frozenset({
    "abuse", "admin", "administrator", "billing", "guest", "help", "info", "mail", "noreply",
    "operator", "owner", "postmaster", "root", "security", "staff", "superuser", "support",
    "system", "team", "test", "user", "webmaster",
})  # fmt: skip
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


@dataclass(frozen=True, slots=True)
class UserEntry:
    """A user in the list; times in milliseconds, 0 = never or none."""

    user: User
    seen_at: int
    link: Purpose | None  # the purpose of a link that is not used yet
    link_expires_at: int
    second_factor: bool = False

    @property
    def state(self) -> Literal["active", "invited", "disabled"]:
        """``invited`` means that the user has not chosen a password yet."""
        if self.user.disabled:
            return "disabled"
        return "active" if self.user.password_hash else "invited"


class Users:
    """The users of the caller's account, or (operator only) of the account named."""

    def __init__(self, storage: Storage, accounts: Accounts, sessions: Sessions) -> None:
        self._storage = storage
        self._accounts = accounts
        self._sessions = sessions

    async def list(self, caller: Caller, *, account: str | None = None) -> list[UserEntry]:
        """The users in order of creation; any role may read them."""

        def work(tx: Transaction) -> list[UserEntry]:
            users = tx.accounts.users(_account_id(tx, caller, account))
            ids = [user.id for user in users]
            last_seen, with_factor = tx.sessions.last_seen(ids), tx.second_factors.enabled(ids)
            return [
                _entry(tx, user, last_seen.get(user.id, 0), user.id in with_factor)
                for user in users
            ]

        return await self._storage.read(work)

    async def invite(
        self, caller: Caller, name: str, role: str, *, account: str | None = None
    ) -> tuple[User, NewLink]:
        """Add a user without a password, and create the link with which they choose one.

        Raises ``Forbidden``, also for a key that invites an owner, ``ConfirmationNeeded``,
        ``InvalidRequest``, ``Conflict`` when the account has a user of this name. The name of
        another account's user is refused with the error for reserved names, so that the error does
        not reveal that this user exists.
        """
        require_owner(caller, "Inviting users")
        normalized, new_role = user_name(name), parse_role(role)

        def work(tx: Transaction) -> tuple[User, NewLink]:
            require_confirmed(tx, caller)
            _require_user_for(tx, caller, new_role)
            target = _account_id(tx, caller, account)
            if len(tx.accounts.users(target)) >= MAX_USERS:
                raise Refused(f"An account has at most {MAX_USERS} users; remove some first")
            _refuse_name(tx, caller, target, normalized)
            user = User(new_ulid(), target, normalized, new_role, False, "", tx.now)
            tx.accounts.add_user(user)
            record_for(tx, target, caller, AuditAction.INVITE, normalized, f"as {new_role}")
            return user, add_link(tx, user, Purpose.INVITE)

        return await self._storage.write(work)

    async def link(self, caller: Caller, name: str) -> NewLink:
        """Create a link with which the named user chooses a password; the current one stays valid
        until then, and the second factor stays on. The operator's account may create one for any
        user. An API key may create one for an owner only in another account, as long as no user of
        that account has a password.

        Raises ``Forbidden``, ``ConfirmationNeeded``, ``NotFound``, ``UserDisabled``.
        """
        require_owner(caller, "Creating links for users")

        def work(tx: Transaction) -> NewLink:
            require_confirmed(tx, caller)
            user = tx.accounts.user_by_name(name.strip().lower())
            if user is None or (user.account_id != caller.account_id and not caller.operator):
                raise _no_user(name)
            if user.disabled:
                raise UserDisabled(f'The user "{user.name}" is disabled; enable them first')
            if user.account_id == caller.account_id or _has_passwords(tx, user.account_id):
                _require_user_for(tx, caller, user.role, "Creating a link for an owner")
            record_for(tx, user.account_id, caller, AuditAction.LINK, user.name)
            return add_link(tx, user, _purpose(tx, user))

        return await self._storage.write(work)

    async def change_role(
        self, caller: Caller, name: str, role: str, *, account: str | None = None
    ) -> User:
        """Change the role of a user, from their next request on.

        Raises ``Forbidden``, also for a key that makes an owner, ``NotFound``,
        ``InvalidRequest``, ``Refused`` for the last owner.
        """
        new_role = parse_role(role)

        def change(tx: Transaction, user: User) -> User:
            _require_user_for(tx, caller, new_role)
            if user.role is Role.OWNER and new_role is not Role.OWNER:
                _keep_an_owner(tx, user, "given another role")
            changed = replace(user, role=new_role)
            tx.accounts.change_user(changed)
            _record(tx, caller, user, AuditAction.ROLE, f"{user.role} to {new_role}")
            return changed

        return await self._change(caller, name, account, "Changing roles", change)

    async def disable(self, caller: Caller, name: str, *, account: str | None = None) -> User:
        """Disable a user: their sessions end, and their keys do not work until ``enable``.

        Raises ``Forbidden``, ``NotFound``, ``Refused`` for the last owner.
        """

        def change(tx: Transaction, user: User) -> User:
            _keep_an_owner(tx, user, "disabled")
            changed = replace(user, disabled=True)
            tx.accounts.change_user(changed)
            tx.sessions.end(user.id, tx.now)
            tx.links.remove_of_user(user.id)
            _record(tx, caller, user, AuditAction.DISABLE)
            return changed

        return await self._change(caller, name, account, "Disabling users", change)

    async def enable(self, caller: Caller, name: str, *, account: str | None = None) -> User:
        """Enable a disabled user, with the same password. Raises the errors of ``disable``."""

        def change(tx: Transaction, user: User) -> User:
            changed = replace(user, disabled=False)
            tx.accounts.change_user(changed)
            _record(tx, caller, user, AuditAction.ENABLE)
            return changed

        return await self._change(caller, name, account, "Enabling users", change)

    async def remove(self, caller: Caller, name: str, *, account: str | None = None) -> User:
        """Remove a user permanently: sessions and links end, keys are revoked. Objects that the
        user has created stay with the account. Raises the errors of ``disable``.
        """

        def change(tx: Transaction, user: User) -> User:
            _keep_an_owner(tx, user, "removed")
            _record(tx, caller, user, AuditAction.REMOVE)
            tx.accounts.remove_user(user.id, tx.now)
            return user

        return await self._change(caller, name, account, "Removing users", change)

    async def _change(
        self,
        caller: Caller,
        name: str,
        account: str | None,
        action: str,
        change: Callable[[Transaction, User], User],
    ) -> User:
        require_owner(caller, action)

        def work(tx: Transaction) -> User:
            require_confirmed(tx, caller)
            target = _account_id(tx, caller, account)
            tx.accounts.lock(target)
            user = tx.accounts.user_by_name(name.strip().lower())
            if user is None or user.account_id != target:
                raise _no_user(name)
            return change(tx, user)

        user = await self._storage.write(work)
        self._sessions.forget()
        self._accounts.forget()
        return user


def user_name(name: str) -> str:
    """The name as stored, in lower case. Raise ``InvalidRequest``."""
    normalized = name.strip().lower()
    if not _NAME.fullmatch(normalized):
        raise InvalidRequest(
            f'"{name[:60]}" cannot name a user; use 1 to 64 letters of a to z, digits and '
            ". _ @ + -, beginning with a letter or digit, for example a mail address",
            field="name",
        )
    return normalized


def parse_role(name: str) -> Role:
    """The role of this name. Raise ``InvalidRequest``."""
    try:
        return Role(name.strip().lower())
    except ValueError:
        options = ", ".join(Role)
        raise InvalidRequest(
            f"unknown role {name[:40]!r}; use one of {options}", field="role"
        ) from None


def _refuse_name(tx: Transaction, caller: Caller, account_id: str, name: str) -> None:
    existing = tx.accounts.user_by_name(name)
    if existing is not None and (caller.operator or existing.account_id == account_id):
        raise Conflict(f'"{name}" is a user already; choose another name', field="name")
    if existing is not None or (name in RESERVED and not caller.operator):
        raise InvalidRequest(
            f'"{name}" is not available; choose another name, for example a mail address',
            field="name",
        )


def _require_user_for(
    tx: Transaction, caller: Caller, role: Role, action: str = "Making a user an owner"
) -> None:
    """Refuse a key that makes a user an owner: an owner stays after the key has been revoked."""
    if role is Role.OWNER:
        require_user(tx, caller, action)


def _has_passwords(tx: Transaction, account_id: str) -> bool:
    return any(user.password_hash for user in tx.accounts.users(account_id))


def _keep_an_owner(tx: Transaction, user: User, action: str) -> None:
    if user.role is not Role.OWNER or user.disabled:
        return
    users = tx.accounts.users(user.account_id)
    others = [u for u in users if u.role is Role.OWNER and not u.disabled and u.id != user.id]
    if user.password_hash:
        # an invited user who never signed in could not undo it
        others = [other for other in others if other.password_hash]
    if not others:
        raise Refused(
            f'"{user.name}" is the account\'s last owner and cannot be {action}; make another user '
            "an owner first, one who has signed in"
        )


def _purpose(tx: Transaction, user: User) -> Purpose:
    if user.password_hash:
        return Purpose.RESET
    operator = tx.accounts.operator()
    owns_installation = (
        operator is not None and operator.id == user.account_id and user.role is Role.OWNER
    )
    needs_setup = owns_installation and not _has_passwords(tx, user.account_id)
    return Purpose.SETUP if needs_setup else Purpose.INVITE


def _entry(tx: Transaction, user: User, seen_at: int, second_factor: bool) -> UserEntry:
    link = tx.links.of_user(user.id)
    if link is None or link.expires_at <= tx.now:
        return UserEntry(user, seen_at, None, 0, second_factor)
    return UserEntry(user, seen_at, link.purpose, link.expires_at, second_factor)


def _record(
    tx: Transaction, caller: Caller, user: User, action: AuditAction, detail: str = ""
) -> None:
    record_for(tx, user.account_id, caller, action, user.name, detail)


def _account_id(tx: Transaction, caller: Caller, account: str | None) -> str:
    if account is None or account == caller.account_name:
        return caller.account_id
    require_operator(caller, "Managing the users of another account")
    target = tx.accounts.by_name(account)
    if target is None:
        raise NotFound(
            f'There is no account "{account[:60]}"; list the accounts to see their names'
        )
    return target.id


def _no_user(name: str) -> NotFound:
    return NotFound(f'There is no user "{name[:60]}"; list the users to see their names')
