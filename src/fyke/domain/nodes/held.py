"""Which attempts a runner has, and of what they are."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.errors import StaleLease
from fyke.model.run import AttemptKey


@dataclass(frozen=True, slots=True)
class HeldAttempt:
    """An attempt of a runner. ``account_id`` is the account of its run. ``has_ended``: it had ended
    when it was looked up.
    """

    key: AttemptKey
    account_id: str
    worker_id: str
    version_id: str
    has_ended: bool = False


class HeldAttempts:
    """Remembers the attempts that a runner has leased here, and looks up the others: they were
    leased from another process, or have ended.
    """

    def __init__(self, storage: Storage, runner_id: str) -> None:
        self._storage = storage
        self._runner_id = runner_id
        self._held: dict[str, HeldAttempt] = {}

    def add(self, attempt: HeldAttempt) -> None:
        """The runner has leased it."""
        self._held[attempt.key.id] = attempt

    def drop(self, attempt_id: str) -> None:
        """The runner does not have it any more."""
        self._held.pop(attempt_id, None)

    async def of(self, key: AttemptKey) -> HeldAttempt:
        """What the attempt is of. Raise ``StaleLease`` when the runner neither has it nor was the
        last one that had it.
        """
        held = self._held.get(key.id)
        if held is None or held.key != key:
            held = await self._storage.read(lambda tx: self._look_up(tx, key))
        return held

    def _look_up(self, tx: Transaction, key: AttemptKey) -> HeldAttempt:
        attempt, run = tx.runs.attempt(key.id), tx.runs.get(key.run_id)
        if attempt is None or run is None:
            raise StaleLease
        if attempt.key != key or attempt.runner_id != self._runner_id:
            raise StaleLease
        version = tx.workers.version(run.worker_id, run.version)
        version_id = version.id if version is not None else ""
        has_ended = attempt.outcome is not None
        return HeldAttempt(key, run.account_id, run.worker_id, version_id, has_ended)

    async def is_active(self, run_id: str, attempt_id: str) -> bool:
        """Whether the runner has this attempt of this run."""

        def work(tx: Transaction) -> bool:
            attempt = tx.runs.attempt(attempt_id)
            if attempt is None or attempt.outcome is not None:
                return False
            return (attempt.run_id, attempt.runner_id) == (run_id, self._runner_id)

        return await self._storage.read(work)
