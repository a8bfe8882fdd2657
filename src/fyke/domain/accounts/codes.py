"""The second factor of a user: codes of an authenticator app, and recovery codes.

The secret of the codes is sealed, and each code is accepted once. Recovery codes have 120 random
bits, so their SHA-256 is enough; each is removed when it is used.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit_actions import action_by, failed_code
from fyke.domain.accounts.sign_in_limits import CODE_LIMITS, SignInLimits
from fyke.errors import CodeWrong, Refused, SessionEnded
from fyke.kit.clock import Clock
from fyke.kit.ids import random_crockford
from fyke.kit.sealing import Sealer, UnsealError
from fyke.model.account import User
from fyke.model.audit import AuditAction, NewAudit
from fyke.model.user import SecondFactor

ISSUER = "Fyke"
STEP_MS = 30_000  # validity of a code, by RFC 6238
STEPS_AROUND = 1  # number of steps before and after the current one whose codes are accepted
TICKET_MS = 5 * 60_000
RECOVERY_CODES = 10
_GROUPS, _GROUP = 4, 6  # a recovery code has 4 groups of 6 characters
_MAX_CODE = 100
_TICKET = ("", "", "sign-in")
_LOOKALIKES = str.maketrans("ILO", "110")


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in that lacks the code. ``ticket`` proves that the password was right."""

    user_name: str
    ticket: str = field(repr=False)


class CodeCheck:
    """Verifies codes of users, with limits on wrong ones."""

    def __init__(self, storage: Storage, clock: Clock, sealer: Sealer) -> None:
        self._storage = storage
        self._clock = clock
        self.sealer = sealer
        self._limits = SignInLimits(storage, clock, CODE_LIMITS)

    async def verify(
        self, user: User, code: str, address: str, failed: NewAudit | None = None
    ) -> None:
        """Accept a code of the app, or a recovery code, which is then used up. For a user without a
        second factor any code is accepted. A wrong code is recorded as ``failed``, by default as a
        failed sign-in. Raises ``CodeWrong``, ``RateLimited`` after too many attempts, ``Refused``
        when the secret cannot be opened.
        """
        if not await self._storage.read(lambda tx: is_enabled(tx, user.id)):
            return
        counted = await self._limits.admit(user.name, address)

        def work(tx: Transaction) -> bool:
            accepted = self._use(tx, user, code[:_MAX_CODE], address)
            if not accepted:
                tx.audit.add(failed or failed_code(user, address))
            return accepted

        if not await self._storage.write(work):
            raise CodeWrong
        self._limits.refund(counted)

    def _use(self, tx: Transaction, user: User, code: str, address: str) -> bool:
        text = normalize(code)
        if is_app_code(text):
            factor = tx.second_factors.get(user.id)
            step = step_of(self.open(user, factor), text, tx.now) if factor else None
            return step is not None and tx.second_factors.use_step(user.id, step)
        if not tx.second_factors.use_code(user.id, recovery_digest(text)):
            return False
        left = f"{tx.second_factors.count_codes(user.id)} left"
        tx.audit.add(action_by(user, AuditAction.RECOVERY_CODE_USED, address, detail=left))
        return True

    def open(self, user: User, factor: SecondFactor) -> str:
        """The secret, in base 32. Raises ``Refused``."""
        try:
            return self.sealer.open(location_of(user), factor.sealed)
        except UnsealError:
            raise Refused(
                "The secret of the second factor was sealed with another secret.key; the operator "
                f"can reset it with: fyke user reset-second-factor {user.name}"
            ) from None

    def ticket(self, user: User, new_hash: str) -> str:
        """A proof, for ``TICKET_MS``, that the user has entered the current password. ``new_hash``
        is to be stored at the end of the sign-in, empty for none.
        """
        expires_at = self._clock.now_ms() + TICKET_MS
        content = json.dumps([user.id, expires_at, _fingerprint(user), new_hash])
        return self.sealer.seal(_TICKET, content)

    async def read_ticket(self, ticket: str) -> tuple[User, str]:
        """The user and the new hash. Raises ``SessionEnded`` when the ticket has expired, the
        password was changed, or the user was disabled.
        """
        try:
            content = json.loads(self.sealer.open(_TICKET, ticket))
        except UnsealError:
            raise SessionEnded from None
        user_id, expires_at, fingerprint, new_hash = content
        user = await self._storage.read(lambda tx: tx.accounts.user(user_id))
        if user is None or user.disabled or fingerprint != _fingerprint(user):
            raise SessionEnded
        if expires_at <= self._clock.now_ms():
            raise SessionEnded
        return user, new_hash


def is_enabled(tx: Transaction, user_id: str) -> bool:
    factor = tx.second_factors.get(user_id)
    return factor is not None and factor.enabled_at > 0


def step_of(secret: str, code: str, now: int) -> int | None:
    """The step of the code of six digits, None for a wrong one. ``now`` is in milliseconds."""
    import pyotp  # most processes never check a code

    if not is_app_code(code):
        return None
    totp, present = pyotp.TOTP(secret), now // STEP_MS
    for step in range(max(0, present - STEPS_AROUND), present + STEPS_AROUND + 1):
        if hmac.compare_digest(totp.generate_otp(step), code):
            return step
    return None


def is_app_code(text: str) -> bool:
    """Whether the text has the form of an app's code; recovery codes are longer."""
    return len(text) == 6 and text.isascii() and text.isdecimal()


def new_secret() -> str:
    """160 random bits in base 32."""
    import pyotp

    return pyotp.random_base32()


def app_address(secret: str, user_name: str, host: str) -> str:
    """The ``otpauth`` address that authenticator apps read as a QR code."""
    import pyotp

    issuer = f"{ISSUER} {host}" if host else ISSUER
    return pyotp.TOTP(secret).provisioning_uri(name=user_name, issuer_name=issuer)


def location_of(user: User) -> tuple[str, str, str]:
    """The location that the secret is sealed for; the middle part is never the id of a Worker."""
    return user.account_id, "second factor", user.id


def new_recovery_codes() -> list[str]:
    """Make new recovery codes, each of 24 characters in groups of 6."""
    return [
        "-".join(random_crockford(_GROUP) for _ in range(_GROUPS)) for _ in range(RECOVERY_CODES)
    ]


def normalize(code: str) -> str:
    """A code as it is compared: without spaces and hyphens, in upper case."""
    return "".join(code.split()).replace("-", "").upper()


def recovery_digest(code: str) -> str:
    """The stored digest of a recovery code: 64 lower-case hex digits."""
    plain = normalize(code).translate(_LOOKALIKES)
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def _fingerprint(user: User) -> str:
    return hashlib.sha256(user.password_hash.encode()).hexdigest()[:16]
