"""Signing in and out, and finding the session of a request.

A session is looked up by the digest of its token. As with keys, a valid one is cached for at most a
second, which is also the longest that an ended session can still be used in another process. A
session ends ``IDLE_MS`` after its last use, and ``MAX_LIFETIME_MS`` after sign-in at the latest.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.audit_actions import MAX_ADDRESS_CHARS, action_by, failed_sign_in
from fyke.domain.accounts.codes import CodeCheck, PendingSignIn, is_enabled
from fyke.domain.accounts.passwords import Passwords
from fyke.domain.accounts.rights import require_confirmed
from fyke.domain.accounts.sign_in_limits import PASSWORD_LIMITS, SignInLimits
from fyke.domain.accounts.tokens import new_token, token_digest
from fyke.errors import NotFound, SessionEnded, SignInFailed, Unavailable, UserDisabled
from fyke.kit.clock import Clock
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller, User
from fyke.model.audit import AuditAction
from fyke.model.user import Preferences, Session

DAY_MS = 86_400_000
IDLE_MS = 7 * DAY_MS
MAX_LIFETIME_MS = 30 * DAY_MS
MAX_SESSIONS = 100  # of one user, including ended ones; then the least recently used are removed
CACHE_SECONDS = 1.0
_CACHE_ENTRIES = 4096
_TOUCH_EVERY_MS = 60_000
_MAX_NAME = 64
_MAX_AGENT = 300


@dataclass(frozen=True, slots=True)
class NewSession:
    """A new session, the only time its token is known. ``token`` is not in the representation."""

    id: str
    user: User
    expires_at: int
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """The user of a session."""

    caller: Caller
    user: User
    session_id: str
    preferences: Preferences


@dataclass(frozen=True, slots=True)
class _CachedSession:
    signed_in: SignedInUser
    until: float  # monotonic seconds


class Sessions:
    """The sessions of all users."""

    def __init__(
        self, storage: Storage, clock: Clock, passwords: Passwords, codes: CodeCheck
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._passwords = passwords
        self._codes = codes
        self._cache: dict[str, _CachedSession] = {}
        self._limits = SignInLimits(storage, clock, PASSWORD_LIMITS)
        self._is_set_up = False

    async def is_set_up(self) -> bool:
        """Whether a user has a password, without which no one can sign in. Read until it is so."""
        if not self._is_set_up:
            self._is_set_up = await self._storage.read(lambda tx: tx.accounts.has_passwords())
        return self._is_set_up

    async def sign_in(
        self, name: str, password: str, agent: str, address: str
    ) -> NewSession | PendingSignIn:
        """Start a session; for a user with a second factor, return a ticket for ``enter_code``.
        ``agent`` and ``address`` are shown in the list of sessions.

        Raises ``SignInFailed`` for a wrong name and for a wrong password, ``UserDisabled`` only
        with the right password, ``RateLimited`` after too many attempts.
        """
        user_name = name.strip().lower()[: _MAX_NAME + 1]
        counted = await self._limits.admit(user_name, address)
        user = await self._storage.read(lambda tx: tx.accounts.user_by_name(user_name))
        matches = await self._passwords.verify(user.password_hash if user else "", password)
        if user is None or not matches:
            await self._storage.write(lambda tx: _record_failure(tx, user, address))
            raise SignInFailed
        self._limits.refund(counted)
        if user.disabled:
            failed = failed_sign_in(user.account_id, address, user, "the user is disabled")
            await self._storage.write(lambda tx: tx.audit.add(failed))
            raise UserDisabled
        new_hash = await self._new_hash(user, password)
        if await self._storage.read(lambda tx: is_enabled(tx, user.id)):
            return PendingSignIn(user.name, self._codes.ticket(user, new_hash))
        return await self.start(user, agent, address, new_hash=new_hash)

    async def enter_code(self, ticket: str, code: str, agent: str, address: str) -> NewSession:
        """Complete a sign-in with a code of the app or a recovery code.

        Raises ``SessionEnded`` for a ticket that has expired, ``CodeWrong``, ``RateLimited``.
        """
        user, new_hash = await self._codes.read_ticket(ticket)
        await self._codes.verify(user, code, address)
        return await self.start(user, agent, address, new_hash=new_hash)

    async def start(
        self, user: User, agent: str, address: str, *, new_hash: str = ""
    ) -> NewSession:
        """Start a session for a user whose password has been verified, and store ``new_hash``, if
        any, in place of the old hash of the same password.

        Raises ``SignInFailed`` when the password was changed in the meantime.
        """

        def work(tx: Transaction) -> NewSession:
            current = tx.accounts.user(user.id)
            if current is None or current.disabled or current.password_hash != user.password_hash:
                raise SignInFailed
            if new_hash:
                tx.accounts.change_user(replace(current, password_hash=new_hash))
            session = add_session(tx, user, agent, address)
            tx.audit.add(action_by(user, AuditAction.SIGN_IN, address, session.id))
            return session

        return await self._storage.write(work)

    async def authenticate(self, token: str, address: str = "") -> SignedInUser:
        """The user of this token. ``address`` is recorded in the audit log with their actions.
        Raises ``SessionEnded`` or ``UserDisabled``.
        """
        user = await self._authenticate(token_digest(token))
        return replace(user, caller=replace(user.caller, address=address)) if address else user

    async def _authenticate(self, digest: str) -> SignedInUser:
        cached = self._cache.get(digest)
        if cached is not None and self._clock.monotonic() < cached.until:
            return cached.signed_in
        signed_in, touch = await self._storage.read(lambda tx: _look_up(tx, digest))
        if touch:
            await self._touch(signed_in.session_id)
        if len(self._cache) >= _CACHE_ENTRIES:
            self._cache.clear()
        self._cache[digest] = _CachedSession(signed_in, self._clock.monotonic() + CACHE_SECONDS)
        return signed_in

    async def sign_out(self, token: str, address: str = "") -> None:
        """End the session of this token, unless it has ended already."""
        digest = token_digest(token)

        def work(tx: Transaction) -> None:
            session = tx.sessions.by_digest(digest)
            if session is None or session.ended_at:
                return
            tx.sessions.end(session.user_id, tx.now, session_id=session.id)
            user = tx.accounts.user(session.user_id)
            if user is not None:
                tx.audit.add(action_by(user, AuditAction.SIGN_OUT, address, session.id))

        await self._storage.write(work)
        self.forget()

    async def list(self, caller: Caller) -> list[Session]:
        """The valid sessions of the caller's user, the last used first."""

        def work(tx: Transaction) -> list[Session]:
            return [s for s in tx.sessions.of_user(caller.user_id) if is_valid(s, tx.now)]

        return await self._storage.read(work)

    async def revoke(self, caller: Caller, session_id: str) -> None:
        """End a session of the caller's user. Raises ``NotFound`` for an ended session and for
        another user's, and ``ConfirmationNeeded``.
        """

        def work(tx: Transaction) -> None:
            require_confirmed(tx, caller)
            if not tx.sessions.end(caller.user_id, tx.now, session_id=session_id or "-"):
                raise NotFound(
                    "The session does not exist any more; list the sessions to see the current ones"
                )
            record(tx, caller, AuditAction.SESSIONS_REVOKED, session_id)

        await self._storage.write(work)
        self.forget()

    async def revoke_others(self, caller: Caller, session_id: str = "") -> int:
        """End all other sessions of the caller's user; return how many. Raises
        ``ConfirmationNeeded``.
        """

        def work(tx: Transaction) -> int:
            require_confirmed(tx, caller)
            count = tx.sessions.end(caller.user_id, tx.now, except_id=session_id)
            if count:
                record(
                    tx, caller, AuditAction.SESSIONS_REVOKED, caller.user_name, f"{count} others"
                )
            return count

        ended = await self._storage.write(work)
        self.forget()
        return ended

    def forget(self) -> None:
        """Drop the cached sessions, because a session, role or preference changed."""
        self._cache.clear()

    async def _new_hash(self, user: User, password: str) -> str:
        """The hash of the password with the current parameters, empty when it has these."""
        if not self._passwords.needs_rehash(user.password_hash):
            return ""
        return await self._passwords.hash(password)

    async def _touch(self, session_id: str) -> None:
        try:
            await self._storage.write(lambda tx: tx.sessions.touch(session_id, tx.now))
        except Unavailable:
            # The time of last use is optional: with a full disk reading must still work.
            return


def add_session(tx: Transaction, user: User, agent: str, address: str) -> NewSession:
    """Store a new session of ``user``, in the transaction that has authenticated the user."""
    token = new_token()
    session = Session(
        id=new_ulid(),
        user_id=user.id,
        digest=token_digest(token),
        created_at=tx.now,
        seen_at=tx.now,
        expires_at=tx.now + MAX_LIFETIME_MS,
        ended_at=0,
        agent=agent[:_MAX_AGENT],
        address=address[:MAX_ADDRESS_CHARS],
        verified_at=tx.now,
    )
    tx.sessions.add(session)
    tx.sessions.keep_newest(user.id, MAX_SESSIONS)
    return NewSession(session.id, user, session.expires_at, token)


def is_valid(session: Session, now: int) -> bool:
    """Whether the session is still valid."""
    return not session.ended_at and now < min(session.expires_at, session.seen_at + IDLE_MS)


def current(tx: Transaction, caller: Caller) -> Caller:
    """The caller of a session with the role that they have now, for what lasts longer than a
    request. Raise ``SessionEnded`` or ``UserDisabled``.
    """
    session = tx.sessions.get(caller.session_id)
    user = tx.accounts.user(session.user_id) if session else None
    if session is None or user is None or not is_valid(session, tx.now):
        raise SessionEnded
    if user.disabled:
        raise UserDisabled
    return replace(caller, role=user.role)


def _look_up(tx: Transaction, digest: str) -> tuple[SignedInUser, bool]:
    """The user of the session, and whether the time of its last use has to be stored."""
    session = tx.sessions.by_digest(digest)
    if session is None or not hmac.compare_digest(session.digest, digest):
        raise SessionEnded
    if not is_valid(session, tx.now):
        raise SessionEnded
    user = tx.accounts.user(session.user_id)
    account = tx.accounts.get(user.account_id) if user else None
    if user is None or account is None:
        raise SessionEnded
    if user.disabled:
        raise UserDisabled
    caller = Caller(
        account_id=account.id,
        account_name=account.name,
        operator=account.operator,
        user_id=user.id,
        key_id="",
        role=user.role,
        user_name=user.name,
        session_id=session.id,
        verified_at=session.verified_at,
    )
    signed_in = SignedInUser(caller, user, session.id, tx.preferences.get(user.id))
    return signed_in, tx.now - session.seen_at >= _TOUCH_EVERY_MS


def _record_failure(tx: Transaction, user: User | None, address: str) -> None:
    """Record a failed sign-in in the user's account, or in the operator's for an unknown user."""
    operator = tx.accounts.operator()
    account_id = user.account_id if user else operator.id if operator else ""
    tx.audit.add(failed_sign_in(account_id, address, user))
