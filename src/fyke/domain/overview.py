"""Looking around: short reads over the state that belong to no single concept's service."""

from __future__ import annotations

from fyke.domain.accounts.model import Caller
from fyke.domain.accounts.rights import require_operator
from fyke.domain.contracts import RunnerInfo, Storage, Transaction
from fyke.domain.runs.service import RUNNER_SILENCE_MS
from fyke.domain.workers.model import Worker


class Overview:
    """What an account has, and how the installation is doing."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def workers(self, caller: Caller) -> list[Worker]:
        """The account's own workers, public and private, by path."""
        found = await self._storage.read(lambda tx: tx.workers.of_account(caller.account_id))
        return sorted(found, key=lambda worker: worker.path)

    async def runners(self, caller: Caller) -> list[RunnerInfo]:
        """The runners that are alive, for the operator. Raises ``Forbidden``."""
        require_operator(caller, "Listing runners")
        return await self._storage.read(_alive)

    async def a_runner_is_alive(self) -> bool:
        """Raises ``Unavailable`` when the storage does not answer."""
        return bool(await self._storage.read(_alive))


def _alive(tx: Transaction) -> list[RunnerInfo]:
    return tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
