"""Mail addresses of users: the name of a user, confirmed by a link that is mailed to it.

The link contains a sealed text with its expiry. It is not stored and appears in no page or log of
the account, only in the mailbox.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from fyke.contracts.delivery import Mailer
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit_actions import action_by
from fyke.domain.accounts.throttle import Allowance, SignInAttempts, refuse
from fyke.errors import Forbidden, LinkSpent, Refused, UserMissing
from fyke.kit.clock import Clock
from fyke.kit.mail_servers import is_address
from fyke.kit.sealing import Sealer, UnsealError
from fyke.model.account import Caller, User
from fyke.model.audit import AuditAction

PATH = "/confirm-address"
LIFE_MS = 24 * 3_600_000
USER_ALLOWANCE = Allowance(3, 1200)
ACCOUNT_ALLOWANCE = Allowance(10, 360)
_LOCATION = ("", "", "mail address")
_ACCEPTED = 250


@dataclass(frozen=True, slots=True)
class AddressStatus:
    """``mails``: there is a mail server; ``possible``: also, the name is an address.
    ``confirmed_at`` in ms.
    """

    mails: bool
    possible: bool
    confirmed_at: int


class MailAddresses:
    """Sends and accepts links. ``mailer`` is None without a mail server."""

    def __init__(
        self, storage: Storage, clock: Clock, sealer: Sealer, mailer: Mailer | None
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._sealer = sealer
        self._mailer = mailer
        self._by_user = SignInAttempts(USER_ALLOWANCE, clock)
        self._by_account = SignInAttempts(ACCOUNT_ALLOWANCE, clock)

    async def status(self, caller: Caller) -> AddressStatus:
        user = await self._user(caller)
        mails = self._can_mail()
        return AddressStatus(mails, mails and is_address(user.name), user.confirmed_at)

    async def send(self, caller: Caller, origin: str) -> str:
        """Mail a link to the caller's user; return the mail address. ``origin`` is the scheme and
        host of the link.

        Raises ``Forbidden`` for a key, ``Refused`` without a mail server, when the name is not an
        address, or when the mail server does not accept the mail, and ``RateLimited``.
        """
        if not caller.session_id:
            raise Forbidden("Links to confirm an address can be sent only in the console")
        user = await self._user(caller)
        if self._mailer is None or not self._can_mail() or not is_address(user.name):
            raise Refused("Only a user name that is a mail address can be confirmed")
        for attempts, key in ((self._by_user, user.id), (self._by_account, user.account_id)):
            if wait := attempts.wait(key):
                raise refuse(wait, "to send a link")
            attempts.take(key)
        expires_at = self._clock.now_ms() + LIFE_MS
        token = self._sealer.seal(_LOCATION, json.dumps([user.id, user.name, expires_at]))
        link = f"{origin}{PATH}?token={_to_url(token)}"
        text = (
            f"Open this link within a day to receive alerts of Fyke at {user.name}:\n\n{link}\n\n"
            "If you do not use Fyke, ignore this message; you will receive no alerts."
        )
        answer = await self._mailer.send(user.name, "Confirm your mail address", text)
        if answer.status != _ACCEPTED:
            reason = answer.error or f"{answer.status} {answer.reply}".strip()
            raise Refused(f"The mail server did not accept the message: {reason}")
        return user.name

    async def read(self, token: str) -> str:
        """The address that the token confirms. Raises ``LinkSpent``."""
        return (await self._open(token)).name

    async def confirm(self, token: str, address: str) -> str:
        """Confirm the mail address of ``token`` and return it. ``address`` is the network address
        of the client, for the audit log. Raises ``LinkSpent``.
        """
        user = await self._open(token)

        def work(tx: Transaction) -> None:
            if not tx.accounts.confirm_user(user.id, tx.now):
                raise LinkSpent
            if not user.confirmed_at:
                tx.audit.add(action_by(user, AuditAction.ADDRESS_CONFIRMED, address))

        await self._storage.write(work)
        return user.name

    def _can_mail(self) -> bool:
        return self._mailer is not None and self._mailer.exists()

    async def _open(self, token: str) -> User:
        try:
            content = self._sealer.open(_LOCATION, _from_url(token))
        except UnsealError:
            raise LinkSpent from None
        user_id, name, expires_at = json.loads(content)
        user = await self._storage.read(lambda tx: tx.accounts.user(user_id))
        if user is None or user.disabled or user.name != name:
            raise LinkSpent
        if expires_at <= self._clock.now_ms():
            raise LinkSpent
        return user

    async def _user(self, caller: Caller) -> User:
        user = await self._storage.read(lambda tx: tx.accounts.user(caller.user_id))
        if user is None:
            raise UserMissing
        return user


def _to_url(sealed: str) -> str:
    """Base64 for a URL, without padding: mail programs leave a final ``=`` out of links."""
    return sealed.rstrip("=").translate(_URL_SAFE)


def _from_url(token: str) -> str:
    """The base64 of ``_to_url``, also from a link with padding."""
    sealed = token.rstrip("=").translate(_URL_UNSAFE)
    return sealed + "=" * (-len(sealed) % 4)


_URL_SAFE = str.maketrans("+/", "-_")
_URL_UNSAFE = str.maketrans("-_", "+/")
