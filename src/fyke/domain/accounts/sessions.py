"""Signing in and out, and finding the session of a request.

A session is found by the digest of its token. As with keys, a positive answer is remembered for at
most a second, which is also the longest that an ended session can still be of use in another
process. A session ends ``IDLE_MS`` after its last use, and ``MAX_LIFETIME_MS`` after sign-in at the
latest.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.audit_actions import MAX_ADDRESS_CHARS, action_by, failed_sign_in
from fyke.domain.accounts.passwords import Passwords
from fyke.domain.accounts.throttle import (
    OF_NAME_FROM_STRANGERS,
    OF_NAME_IN_NETWORK,
    OF_NETWORK,
    SignInAttempts,
    network_of,
    refuse,
)
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
MAX_SESSIONS = 100  # of one user, ended ones among them; beyond, the longest unused go
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
class SignedIn:
    """The user of a session."""

    caller: Caller
    user: User
    session_id: str
    preferences: Preferences


@dataclass(frozen=True, slots=True)
class _KnownSession:
    signed_in: SignedIn
    until: float


class Sessions:
    """The sessions of all users."""

    def __init__(self, storage: Storage, clock: Clock, passwords: Passwords) -> None:
        self._storage = storage
        self._clock = clock
        self._passwords = passwords
        self._known: dict[str, _KnownSession] = {}
        self._of_network = SignInAttempts(OF_NETWORK, clock)
        self._of_name_here = SignInAttempts(OF_NAME_IN_NETWORK, clock)
        self._of_name_elsewhere = SignInAttempts(OF_NAME_FROM_STRANGERS, clock)

    async def sign_in(self, name: str, password: str, agent: str, address: str) -> NewSession:
        """Begin a session. ``agent`` and ``address`` are shown in the list of sessions.

        Raises ``SignInFailed`` for a wrong name or password alike, ``UserDisabled`` only with the
        right password, ``RateLimited`` after too many tries.
        """
        wanted = name.strip().lower()[: _MAX_NAME + 1]
        tried = await self._admit(wanted, network_of(address))
        user = await self._storage.read(lambda tx: tx.accounts.user_by_name(wanted))
        matches = await self._passwords.verify(user.password_hash if user else "", password)
        if user is None or not matches:
            await self._storage.write(lambda tx: _note_failure(tx, user, address))
            raise SignInFailed
        self._succeeded(tried)
        if user.disabled:
            raise UserDisabled
        return await self.begin(user, agent, address, renewed=await self._renewed(user, password))

    async def begin(self, user: User, agent: str, address: str, *, renewed: str = "") -> NewSession:
        """Begin a session for a user who has just shown the password, whose hash may be made anew.

        Raises ``SignInFailed`` when the password was changed in the meantime.
        """

        def work(tx: Transaction) -> NewSession:
            now_is = tx.accounts.user(user.id)
            if now_is is None or now_is.disabled or now_is.password_hash != user.password_hash:
                raise SignInFailed
            if renewed:
                tx.accounts.change_user(replace(now_is, password_hash=renewed))
            made = add_session(tx, user, agent, address)
            tx.audit.add(action_by(user, AuditAction.SIGN_IN, address, made.id))
            return made

        return await self._storage.write(work)

    async def whose(self, token: str, address: str = "") -> SignedIn:
        """The user of this token. ``address`` is recorded in the audit log with their actions.
        Raises ``SessionEnded`` or ``UserDisabled``.
        """
        found = await self._whose(token_digest(token))
        return replace(found, caller=replace(found.caller, address=address)) if address else found

    async def _whose(self, wanted: str) -> SignedIn:
        known = self._known.get(wanted)
        if known is not None and self._clock.monotonic() < known.until:
            return known.signed_in
        found, touch = await self._storage.read(lambda tx: _look_up(tx, wanted))
        if touch:
            await self._touch(found.session_id)
        if len(self._known) >= _CACHE_ENTRIES:
            self._known.clear()
        self._known[wanted] = _KnownSession(found, self._clock.monotonic() + CACHE_SECONDS)
        return found

    async def sign_out(self, token: str, address: str = "") -> None:
        """End the session of this token; nothing when it has ended already."""
        wanted = token_digest(token)

        def work(tx: Transaction) -> None:
            session = tx.sessions.by_digest(wanted)
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
            return [s for s in tx.sessions.of_user(caller.user_id) if is_living(s, tx.now)]

        return await self._storage.read(work)

    async def revoke(self, caller: Caller, session_id: str) -> None:
        """End a session of the caller's user. Raises ``NotFound`` for an ended one and another
        user's.
        """

        def work(tx: Transaction) -> None:
            if not tx.sessions.end(caller.user_id, tx.now, session_id=session_id or "-"):
                raise NotFound("There is no such session any more; list the sessions to see")
            record(tx, caller, AuditAction.SESSIONS_REVOKED, session_id)

        await self._storage.write(work)
        self.forget()

    async def revoke_others(self, caller: Caller, session_id: str = "") -> int:
        """End all other sessions of the caller's user; return how many."""

        def work(tx: Transaction) -> int:
            count = tx.sessions.end(caller.user_id, tx.now, but=session_id)
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
        self._known.clear()

    async def _admit(self, name: str, network: str) -> tuple[str, str, str]:
        """Count this try. Raises ``RateLimited`` when there were too many before it."""
        here = f"{name}@{network}"
        for tries, key, scope in (
            (self._of_network, network, "from this address"),
            (self._of_name_here, here, "for this user"),
        ):
            if wait := tries.wait(key):
                raise refuse(wait, scope)
        stranger = name
        if wait := self._of_name_elsewhere.wait(name):
            if not await self._storage.read(lambda tx: _is_known_in(tx, name, network)):
                raise refuse(wait, "for this user")
            stranger = ""
        self._of_network.take(network)
        self._of_name_here.take(here)
        if stranger:
            self._of_name_elsewhere.take(stranger)
        return network, here, stranger

    def _succeeded(self, tried: tuple[str, str, str]) -> None:
        network, here, stranger = tried
        self._of_network.give_back(network)
        self._of_name_here.forget(here)
        self._of_name_elsewhere.give_back(stranger)

    async def _renewed(self, user: User, password: str) -> str:
        if not self._passwords.is_dated(user.password_hash):
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
    )
    tx.sessions.add(session)
    tx.sessions.keep_newest(user.id, MAX_SESSIONS)
    return NewSession(session.id, user, session.expires_at, token)


def is_living(session: Session, now: int) -> bool:
    """Whether the session is still valid."""
    return not session.ended_at and now < min(session.expires_at, session.seen_at + IDLE_MS)


def _look_up(tx: Transaction, wanted: str) -> tuple[SignedIn, bool]:
    """Find the session, and whether its last use has to be stored."""
    session = tx.sessions.by_digest(wanted)
    if session is None or not hmac.compare_digest(session.digest, wanted):
        raise SessionEnded
    if not is_living(session, tx.now):
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
    )
    signed_in = SignedIn(caller, user, session.id, tx.preferences.get(user.id))
    return signed_in, tx.now - session.seen_at >= _TOUCH_EVERY_MS


def _is_known_in(tx: Transaction, name: str, network: str) -> bool:
    """Whether this user has signed in from this network within a month."""
    user = tx.accounts.user_by_name(name)
    if user is None:
        return False
    return any(network_of(s.address) == network for s in tx.sessions.of_user(user.id))


def _note_failure(tx: Transaction, user: User | None, address: str) -> None:
    """Record it for the account of the user whose name was given, or else for the operator."""
    operator = tx.accounts.operator()
    account_id = user.account_id if user else operator.id if operator else ""
    tx.audit.add(failed_sign_in(account_id, address, user))
