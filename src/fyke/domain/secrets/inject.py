"""Passes secrets to a run: they are decrypted for each attempt, with the start of which they are
read.
"""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.kit.sealing import Sealer, UnsealError
from fyke.model.secret import InjectedSecrets, SealedSecret

USED_EVERY_MS = 60_000  # so that a run of many subtasks does not write the time of use for each


class RunSecrets:
    """Decrypts the secrets that the account of a run has for its worker, and no others."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def take(self, tx: Transaction, account_id: str, worker_id: str) -> InjectedSecrets:
        """The secrets for an attempt of a run of this account, which starts with this transaction;
        the time of their use is noted.
        """
        secrets = tx.secrets.of(account_id, worker_id)
        if not secrets:
            return InjectedSecrets()
        values, unreadable = self._open(secrets)
        since = tx.now - USED_EVERY_MS
        used = [each.name for each in secrets if each.name in values and each.used_at < since]
        if used:
            tx.secrets.note_use(account_id, worker_id, used, tx.now)
        return InjectedSecrets(values, tuple(unreadable))

    def _open(self, secrets: list[SealedSecret]) -> tuple[dict[str, str], list[str]]:
        values, unreadable = {}, []
        for secret in secrets:
            try:
                values[secret.name] = self._sealer.open(secret_location(secret), secret.sealed)
            except UnsealError:
                unreadable.append(secret.name)
        return values, unreadable


def secret_location(secret: SealedSecret) -> tuple[str, str, str]:
    """The location that a sealed value is bound to: account, worker and name."""
    return secret.account_id, secret.worker_id, secret.name
