"""Which attempts a runner has, and of what they are."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.errors import StaleLease
from fyke.kit.clock import Clock
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
    leased from another process, or have ended. A lease has ``lease_seconds``.
    """

    def __init__(
        self, storage: Storage, runner_id: str, clock: Clock, lease_seconds: float
    ) -> None:
        self._storage = storage
        self._runner_id = runner_id
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._held: dict[str, HeldAttempt] = {}
        self._leased_at: dict[str, float] = {}

    def add(self, attempt: HeldAttempt, leased_at: float) -> None:
        """The runner has leased it, in a transaction that began after ``leased_at`` (monotonic)."""
        self._held[attempt.key.id] = attempt
        self._leased_at[attempt.key.id] = leased_at

    def drop(self, attempt_id: str) -> None:
        """The runner does not have it any more."""
        self._held.pop(attempt_id, None)
        self._leased_at.pop(attempt_id, None)

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
        """Whether the runner has this attempt of this run. The state is not asked during the lease
        with which it has got the attempt here: meanwhile only a runner that replaces this one, or a
        user who removes its node, ends it, and then it is closed before it is opened here.
        """
        held = self._held.get(attempt_id)
        if held is not None and held.key.run_id == run_id:
            age = self._clock.monotonic() - self._leased_at[attempt_id]
            if age < self._lease_seconds:
                return True

        def work(tx: Transaction) -> bool:
            attempt = tx.runs.attempt(attempt_id)
            if attempt is None or attempt.outcome is not None:
                return False
            return (attempt.run_id, attempt.runner_id) == (run_id, self._runner_id)

        return await self._storage.read(work)
