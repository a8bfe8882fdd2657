"""One-time links, with which a user chooses a first password or replaces a forgotten one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit_actions import action_by
from fyke.domain.accounts.codes import CodeCheck, is_enabled
from fyke.domain.accounts.passwords import Passwords
from fyke.domain.accounts.sessions import NewSession, Sessions, add_session
from fyke.domain.accounts.tokens import new_token, token_digest
from fyke.errors import LinkSpent
from fyke.model.account import Role, User
from fyke.model.audit import AuditAction
from fyke.model.user import OneTimeLink, Purpose

HOUR_MS = 3_600_000
LIFE_MS = {
    Purpose.SETUP: 24 * HOUR_MS,
    Purpose.INVITE: 72 * HOUR_MS,
    Purpose.RESET: 72 * HOUR_MS,
}


@dataclass(frozen=True, slots=True)
class NewLink:
    """A new link, the only time its token is known. ``token`` is not in the representation."""

    purpose: Purpose
    user_name: str
    expires_at: int
    token: str = field(repr=False)

    @property
    def path(self) -> str:
        """Path and query of the page that the link opens."""
        return f"/{self.purpose.value}?token={self.token}"


@dataclass(frozen=True, slots=True)
class OpenLink:
    """The content of a link's page, before the password is chosen."""

    purpose: Purpose
    user_name: str
    account_name: str
    role: Role
    expires_at: int
    second_factor: bool  # a code is needed as well


class OneTimeLinks:
    """Reads links and lets each be used once; ``Users`` creates them."""

    def __init__(
        self, storage: Storage, passwords: Passwords, codes: CodeCheck, sessions: Sessions
    ) -> None:
        self._storage = storage
        self._passwords = passwords
        self._codes = codes
        self._sessions = sessions

    async def read(self, purpose: Purpose, token: str) -> OpenLink:
        """Read a link without using it. Raises ``LinkSpent``."""
        digest = token_digest(token)
        return await self._storage.read(lambda tx: _open(tx, purpose, digest))

    async def use(
        self,
        purpose: Purpose,
        token: str,
        password: str,
        agent: str,
        address: str,
        *,
        code: str = "",
    ) -> NewSession:
        """Set the password and sign in. All other sessions of the user end; the link is used up.
        The second factor stays on: its user needs a ``code``.

        Raises ``InvalidRequest`` for a weak password and ``CodeWrong``, after which the link is
        still valid, ``RateLimited``, and ``LinkSpent``, including for the second of two concurrent
        uses.
        """
        digest = token_digest(token)
        link_page = await self._storage.read(lambda tx: _open(tx, purpose, digest))
        self._passwords.check_new(password, link_page.user_name, link_page.account_name)
        password_hash = await self._passwords.hash(password)
        user = await self._storage.read(lambda tx: tx.accounts.user_by_name(link_page.user_name))
        if user is not None:
            await self._codes.verify(user, code, address)

        def work(tx: Transaction) -> NewSession:
            link = tx.links.use(digest, purpose, tx.now)
            user = tx.accounts.user(link.user_id) if link else None
            if user is None or user.disabled:
                raise LinkSpent
            session = set_password(tx, user, password_hash, agent, address)
            tx.audit.add(
                action_by(user, AuditAction.PASSWORD, address, session.id, f"by a link: {purpose}")
            )
            return session

        session = await self._storage.write(work)
        self._sessions.forget()
        return session


def add_link(tx: Transaction, user: User, purpose: Purpose) -> NewLink:
    """Store a new link for ``user`` in place of an older one."""
    token = new_token()
    link = OneTimeLink(
        digest=token_digest(token),
        purpose=purpose,
        user_id=user.id,
        created_at=tx.now,
        expires_at=tx.now + LIFE_MS[purpose],
    )
    tx.links.put(link)
    return NewLink(purpose, user.name, link.expires_at, token)


def set_password(
    tx: Transaction, user: User, password_hash: str, agent: str, address: str
) -> NewSession:
    """Store the hash of a new password, end all sessions of the user, and start one."""
    changed = replace(user, password_hash=password_hash)
    tx.accounts.change_user(changed)
    tx.links.remove_of_user(user.id)
    tx.sessions.end(user.id, tx.now)
    return add_session(tx, changed, agent, address)


def _open(tx: Transaction, purpose: Purpose, digest: str) -> OpenLink:
    link = tx.links.get(digest)
    if link is None or link.purpose is not purpose or link.expires_at <= tx.now:
        raise LinkSpent
    user = tx.accounts.user(link.user_id)
    account = tx.accounts.get(user.account_id) if user else None
    if user is None or account is None or user.disabled:
        raise LinkSpent
    second_factor = is_enabled(tx, user.id)
    return OpenLink(
        link.purpose, user.name, account.name, user.role, link.expires_at, second_factor
    )
