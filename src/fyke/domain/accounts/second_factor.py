"""Switching the second factor of users on and off."""

from __future__ import annotations

from dataclasses import dataclass, field

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record, record_for
from fyke.domain.accounts.codes import (
    CodeCheck,
    app_address,
    is_app_code,
    is_enabled,
    location_of,
    new_recovery_codes,
    new_secret,
    normalize,
    recovery_digest,
    step_of,
)
from fyke.domain.accounts.rights import (
    require_confirmed,
    require_operator,
    require_owner,
    require_user,
)
from fyke.domain.accounts.sessions import Sessions
from fyke.errors import Forbidden, InvalidRequest, NotFound, Refused, UserMissing
from fyke.model.account import Caller, User
from fyke.model.audit import AuditAction
from fyke.model.user import SecondFactor

_ON = "Your second factor is already on; switch it off first to use another app"


@dataclass(frozen=True, slots=True)
class SecondFactorStatus:
    """``enabled_at`` is in milliseconds, 0 = off."""

    enabled_at: int
    recovery_codes: int  # how many are left


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A secret that is not used until its first code is entered; ``address`` is for the QR code.
    Neither appears in ``repr``.
    """

    secret: str = field(repr=False)
    address: str = field(repr=False)


class SecondFactors:
    """The second factor of the caller's user. Switching it on or off ends the other sessions."""

    def __init__(self, storage: Storage, codes: CodeCheck, sessions: Sessions) -> None:
        self._storage = storage
        self._codes = codes
        self._sessions = sessions

    async def status(self, caller: Caller) -> SecondFactorStatus:
        def work(tx: Transaction) -> SecondFactorStatus:
            factor = tx.second_factors.get(caller.user_id)
            enabled_at = factor.enabled_at if factor else 0
            return SecondFactorStatus(enabled_at, tx.second_factors.count_codes(caller.user_id))

        return await self._storage.read(work)

    async def begin(self, caller: Caller, host: str) -> Enrolment:
        """Create a secret in place of one that was not enabled. ``host`` is shown in the app.

        Raises ``ConfirmationNeeded``, ``Forbidden`` for a key, ``Refused`` when the second factor
        is on.
        """
        secret, sealer = new_secret(), self._codes.sealer

        def work(tx: Transaction) -> User:
            user = _user(tx, caller)
            if is_enabled(tx, user.id):
                raise Refused(_ON)
            sealed = sealer.seal(location_of(user), secret)
            tx.second_factors.put(SecondFactor(user.id, sealer.key_id, sealed, tx.now))
            return user

        user = await self._storage.write(work)
        return Enrolment(secret, app_address(secret, user.name, host))

    async def pending(self, caller: Caller, host: str) -> Enrolment:
        """The secret that ``begin`` created. Raises ``Refused`` if there is none, and the errors of
        ``begin``.
        """

        def work(tx: Transaction) -> tuple[User, str]:
            user = _user(tx, caller)
            return user, self._pending_secret(tx, user)

        user, secret = await self._storage.read(work)
        return Enrolment(secret, app_address(secret, user.name, host))

    async def enable(self, caller: Caller, code: str) -> list[str]:
        """Switch on with the first code; return the recovery codes, the only time they are known.

        Raises ``InvalidRequest`` for the field ``code``, and the errors of ``pending``.
        """
        recovery = new_recovery_codes()

        def work(tx: Transaction) -> None:
            user = _user(tx, caller)
            secret = self._pending_secret(tx, user)
            if not is_app_code(normalize(code)):
                raise InvalidRequest("must be the six digits that the app shows", field="code")
            step = step_of(secret, normalize(code), tx.now)
            if step is None or not tx.second_factors.use_step(user.id, step):
                raise InvalidRequest(
                    "this is not the current code; check the clock of your device and enter the "
                    "next one",
                    field="code",
                )
            tx.second_factors.enable(user.id, tx.now)
            tx.second_factors.put_codes(user.id, [recovery_digest(item) for item in recovery])
            tx.sessions.end(user.id, tx.now, except_id=caller.session_id)
            record(tx, caller, AuditAction.SECOND_FACTOR_ON, user.name)

        await self._storage.write(work)
        self._sessions.forget()
        return recovery

    async def renew_codes(self, caller: Caller) -> list[str]:
        """Replace the recovery codes. Raises ``Refused`` when the second factor is off,
        ``ConfirmationNeeded``, ``Forbidden`` for a key.
        """
        recovery = new_recovery_codes()

        def work(tx: Transaction) -> None:
            user = _user(tx, caller)
            if not is_enabled(tx, user.id):
                raise Refused("Your second factor is off; switch it on to get recovery codes")
            tx.second_factors.put_codes(user.id, [recovery_digest(item) for item in recovery])
            record(tx, caller, AuditAction.RECOVERY_CODES, user.name)

        await self._storage.write(work)
        return recovery

    async def disable(self, caller: Caller) -> None:
        """Switch the second factor off. Raises ``ConfirmationNeeded``, ``Forbidden`` for a key."""

        def work(tx: Transaction) -> None:
            user = _user(tx, caller)
            if tx.second_factors.remove(user.id):
                tx.sessions.end(user.id, tx.now, except_id=caller.session_id)
                record(tx, caller, AuditAction.SECOND_FACTOR_OFF, user.name)

        await self._storage.write(work)
        self._sessions.forget()

    async def reset(self, caller: Caller, name: str) -> User:
        """Switch off the second factor of a user who has lost the app and the recovery codes, and
        end the user's sessions. Only for the operator, who may do so for users of any account, with
        a session or the local key.

        Raises ``Forbidden``, ``ConfirmationNeeded``, ``NotFound``, ``Refused`` when it is off.
        """
        require_operator(caller, "Resetting the second factor of users")
        require_owner(caller, "Resetting the second factor of users")

        def work(tx: Transaction) -> User:
            require_user(tx, caller, "Resetting the second factor of users")
            user = tx.accounts.user_by_name(name.strip().lower())
            if user is None:
                raise NotFound(f'There is no user "{name[:60]}"; list the users to see their names')
            if not tx.second_factors.remove(user.id):
                raise Refused(f'"{user.name}" does not use a second factor')
            tx.sessions.end(user.id, tx.now)
            record_for(tx, user.account_id, caller, AuditAction.SECOND_FACTOR_RESET, user.name)
            return user

        user = await self._storage.write(work)
        self._sessions.forget()
        return user

    def _pending_secret(self, tx: Transaction, user: User) -> str:
        factor = tx.second_factors.get(user.id)
        if factor is None:
            raise Refused("There is no new second factor to confirm; start again")
        if factor.enabled_at:
            raise Refused(_ON)
        return self._codes.open(user, factor)


def _user(tx: Transaction, caller: Caller) -> User:
    """The user of a confirmed session."""
    if not caller.session_id:
        raise Forbidden("A second factor can be switched on and off only in the console")
    require_confirmed(tx, caller)
    user = tx.accounts.user(caller.user_id)
    if user is None:
        raise UserMissing
    return user
