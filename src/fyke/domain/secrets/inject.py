"""Passes secrets to a run: they are decrypted for each attempt, just before it starts."""

from __future__ import annotations

from fyke.contracts.state import Storage, Transaction
from fyke.kit.clock import Clock
from fyke.kit.sealing import Sealer, UnsealError
from fyke.model.secret import InjectedSecrets, SealedSecret

USED_EVERY_MS = 60_000  # so that a run of many subtasks does not write the time of use for each


class RunSecrets:
    """Decrypts the secrets that the account of a run has for its worker, and no others."""

    def __init__(self, storage: Storage, sealer: Sealer, clock: Clock) -> None:
        self._storage = storage
        self._sealer = sealer
        self._clock = clock

    async def of(self, account_id: str, worker_id: str) -> InjectedSecrets:
        """The secrets for an attempt of a run of this account."""
        secrets = await self._storage.read(lambda tx: tx.secrets.of(account_id, worker_id))
        if not secrets:
            return InjectedSecrets()
        values, unreadable = self._open(secrets)
        await self._record_use([secret for secret in secrets if secret.name in values])
        return InjectedSecrets(values, tuple(unreadable))

    def _open(self, secrets: list[SealedSecret]) -> tuple[dict[str, str], list[str]]:
        values, unreadable = {}, []
        for secret in secrets:
            try:
                values[secret.name] = self._sealer.open(secret_location(secret), secret.sealed)
            except UnsealError:
                unreadable.append(secret.name)
        return values, unreadable

    async def _record_use(self, secrets: list[SealedSecret]) -> None:
        since = self._clock.now_ms() - USED_EVERY_MS
        names = [secret.name for secret in secrets if secret.used_at < since]
        if not names:
            return
        account, worker = secrets[0].account_id, secrets[0].worker_id

        def work(tx: Transaction) -> None:
            tx.secrets.note_use(account, worker, names, tx.now)

        await self._storage.write(work)


def secret_location(secret: SealedSecret) -> tuple[str, str, str]:
    """The location that a sealed value is bound to: account, worker and name."""
    return secret.account_id, secret.worker_id, secret.name
