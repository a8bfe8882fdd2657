"""The secrets of an account: users set, replace, remove and list them. No value is returned."""

from __future__ import annotations

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor
from fyke.domain.secrets.inject import secret_location
from fyke.domain.workers.lookup import find_worker, resolve_worker, view_for
from fyke.domain.workers.secret_rules import MAX_SECRETS, check_name, check_value
from fyke.errors import Refused, SecretNotFound, WorkerNotFound
from fyke.kit.sealing import Sealer, UnsealError
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.secret import SealedSecret, SecretView, WorkerSecretsView
from fyke.model.worker import Worker


class WorkerSecrets:
    """The secrets of all accounts; each account can read only its own."""

    def __init__(self, storage: Storage, sealer: Sealer) -> None:
        self._storage = storage
        self._sealer = sealer

    async def read(self, caller: Caller, ref: str, number: str = "") -> WorkerSecretsView:
        """The secrets that the caller's account has for a worker, and the names of those that the
        version ``number`` needs, by default the newest. Raise ``WorkerNotFound``.
        """

        def work(tx: Transaction) -> tuple[list[SealedSecret], tuple[str, ...]]:
            worker = view_for(_worker(tx, caller, ref), caller)
            version = tx.workers.version(worker.id, number or worker.latest)
            secrets = tx.secrets.of(caller.account_id, worker.id)
            return secrets, version.secrets if version else ()

        secrets, needed = await self._storage.read(work)
        return WorkerSecretsView(tuple(self._view(secret) for secret in secrets), needed)

    async def put(self, caller: Caller, ref: str, name: str, value: str) -> SecretView:
        """Set a secret, or replace its value. Runs that start their Worker from now on get it.

        Raise ``InvalidFields`` (never with the value in it), ``Refused`` when the account has the
        maximum for this worker, ``WorkerNotFound``, ``Forbidden``.
        """
        require_editor(caller, "Setting secrets")
        check_name(name)
        check_value(value)
        worker = await self._storage.read(lambda tx: find_worker(tx, caller, ref))
        sealed = self._sealer.seal((caller.account_id, worker.id, name), value)

        def work(tx: Transaction) -> SealedSecret:
            tx.accounts.lock(caller.account_id)  # concurrent requests must not exceed the limit
            current = find_worker(tx, caller, worker.id)
            names = {secret.name for secret in tx.secrets.of(caller.account_id, current.id)}
            if name not in names and len(names) >= MAX_SECRETS:
                raise Refused(
                    f"An account has at most {MAX_SECRETS} secrets for a worker; "
                    "remove one that is not used"
                )
            secret = SealedSecret(
                account_id=caller.account_id,
                worker_id=current.id,
                name=name,
                key_id=self._sealer.key_id,
                sealed=sealed,
                set_by=caller.user_name,
                set_at=tx.now,
            )
            tx.secrets.put(secret)
            detail = f"{name}, replaced" if name in names else name
            record(tx, caller, AuditAction.SECRET_SET, _target(current), detail)
            return secret

        return self._view(await self._storage.write(work))

    async def remove(self, caller: Caller, ref: str, name: str) -> None:
        """Remove a secret. Running attempts keep it until they end. Raise ``SecretNotFound``,
        ``WorkerNotFound``, ``Forbidden``.
        """
        require_editor(caller, "Removing secrets")

        def work(tx: Transaction) -> None:
            worker = _worker(tx, caller, ref)
            if not tx.secrets.remove(caller.account_id, worker.id, name):
                raise SecretNotFound
            record(tx, caller, AuditAction.SECRET_REMOVED, _target(worker), name)

        await self._storage.write(work)

    def _view(self, secret: SealedSecret) -> SecretView:
        return SecretView(
            name=secret.name,
            set_by=secret.set_by,
            set_at=secret.set_at,
            used_at=secret.used_at,
            readable=self._is_readable(secret),
        )

    def _is_readable(self, secret: SealedSecret) -> bool:
        if secret.key_id != self._sealer.key_id:
            return False
        try:
            self._sealer.open(secret_location(secret), secret.sealed)
        except UnsealError:
            return False
        return True


def _target(worker: Worker) -> str:
    return worker.path


def _worker(tx: Transaction, caller: Caller, ref: str) -> Worker:
    """Return a worker that the caller can read or has secrets for: they must be removable even when
    the worker is no longer public. Raise ``WorkerNotFound``.
    """
    try:
        return find_worker(tx, caller, ref)
    except WorkerNotFound:
        worker = resolve_worker(tx, ref.strip())
        if worker is None or not tx.secrets.of(caller.account_id, worker.id):
            raise
        return worker
