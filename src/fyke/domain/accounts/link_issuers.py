"""Issuers of download links: a link is valid as long as the key, session or share behind it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.sessions import is_valid
from fyke.errors import NotFound
from fyke.model.account import Caller


class IssuerKind(StrEnum):
    """The values are part of the links."""

    KEY = "key"
    SESSION = "session"
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class Issuer:
    kind: IssuerKind
    id: str


def issuer_of(caller: Caller) -> Issuer:
    """The key or session of the caller."""
    if caller.key_id:
        return Issuer(IssuerKind.KEY, caller.key_id)
    return Issuer(IssuerKind.SESSION, caller.session_id)


class LinkIssuers:
    """Checks whether the issuer of a link is still valid, in any account."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def check(self, issuer: Issuer) -> None:
        """Raise ``NotFound`` when the issuer is revoked, ended or expired, or the user of the key
        or session is disabled or removed.
        """
        if not await self._storage.read(lambda tx: _is_valid(tx, issuer)):
            raise NotFound


def _is_valid(tx: Transaction, issuer: Issuer) -> bool:
    if issuer.kind is IssuerKind.SHARE:
        share = tx.shares.get(issuer.id)
        return share is not None and share.valid(tx.now)
    if issuer.kind is IssuerKind.SESSION:
        session = tx.sessions.get(issuer.id)
        return session is not None and is_valid(session, tx.now) and _active(tx, session.user_id)
    key = tx.accounts.key(issuer.id)
    if key is None or key.revoked_at or 0 < key.expires_at <= tx.now:
        return False
    return _active(tx, key.user_id)


def _active(tx: Transaction, user_id: str) -> bool:
    user = tx.accounts.user(user_id)
    return user is not None and not user.disabled
