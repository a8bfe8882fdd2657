"""Confirmation: a user enters the password again before a sensitive action.

It is valid for ``CONFIRMED_MS`` in its session; a sign-in counts as a confirmation. Requests with a
key are not confirmed, because no user is present; the key's scopes limit what it may do.
"""

from __future__ import annotations

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit_actions import WRONG_CODE, action_of
from fyke.domain.accounts.codes import CodeCheck
from fyke.domain.accounts.passwords import Passwords
from fyke.domain.accounts.sessions import Sessions
from fyke.domain.accounts.throttle import NAME_IN_NETWORK_ALLOWANCE, SignInAttempts, refuse
from fyke.domain.accounts.tokens import new_token, token_digest
from fyke.errors import Forbidden, InvalidRequest, UserMissing
from fyke.kit.clock import Clock
from fyke.model.account import Caller, User
from fyke.model.audit import AuditAction


class OwnPassword:
    """Verifies the password of a signed-in user; wrong ones are limited and logged."""

    def __init__(self, storage: Storage, clock: Clock, passwords: Passwords) -> None:
        self._storage = storage
        self._passwords = passwords
        self._attempts = SignInAttempts(NAME_IN_NETWORK_ALLOWANCE, clock)

    async def verify(self, caller: Caller, password: str, field: str) -> User:
        """The user of the caller. Raises ``InvalidRequest`` for ``field``, ``RateLimited`` after
        too many wrong passwords.
        """
        if wait := self._attempts.wait(caller.user_id):
            raise refuse(wait, "with a wrong password")
        self._attempts.take(caller.user_id)
        user = await self._storage.read(lambda tx: tx.accounts.user(caller.user_id))
        if user is None:
            raise UserMissing
        if not await self._passwords.verify(user.password_hash, password):
            failed = action_of(caller, AuditAction.CONFIRM_FAILED, caller.user_name)
            await self._storage.write(lambda tx: tx.audit.add(failed))
            raise InvalidRequest(
                "this is not your password; if you forgot it, ask an owner of your account for a "
                "link, or run fyke user link on the server",
                field=field,
            )
        self._attempts.forget(caller.user_id)
        return user


class Confirmations:
    """Confirms sessions."""

    def __init__(
        self, storage: Storage, own_password: OwnPassword, codes: CodeCheck, sessions: Sessions
    ) -> None:
        self._storage = storage
        self._own_password = own_password
        self._codes = codes
        self._sessions = sessions

    async def confirm(self, caller: Caller, password: str, code: str) -> str:
        """Confirm the caller's session by the password and, with a second factor, a code. Return
        its new token, which replaces the current one.

        Raises ``InvalidRequest`` for the field ``password``, ``CodeWrong``, ``RateLimited``, and
        ``Forbidden`` for a key.
        """
        if not caller.session_id:
            raise Forbidden("Only a session can be confirmed")
        user = await self._own_password.verify(caller, password, "password")
        failed = action_of(caller, AuditAction.CONFIRM_FAILED, user.name, WRONG_CODE)
        await self._codes.verify(user, code, caller.address, failed)

        token = new_token()

        def work(tx: Transaction) -> None:
            tx.sessions.verify(caller.session_id, token_digest(token), tx.now)
            tx.audit.add(action_of(caller, AuditAction.CONFIRMED, caller.user_name))

        await self._storage.write(work)
        self._sessions.forget()
        return token
