"""The rows of the attempts of one runner, in the stores of the installation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fyke.contracts.results import Results
from fyke.model.results import AttemptBatch, RunTotals

CommitBatches = Callable[[Sequence[AttemptBatch]], Awaitable[list[bool]]]


class NodeRows:
    """Implements ``AttemptRows``. ``is_active`` gets the ids of run and attempt, and returns
    whether the runner has it: a batch of an attempt that another process has opened opens it here,
    and one of an attempt that has ended must not, because its run may be deleted. ``commit`` is
    that of the results, unless several runners share it.
    """

    def __init__(
        self,
        results: Results,
        is_active: Callable[[str, str], Awaitable[bool]],
        commit: CommitBatches | None = None,
    ) -> None:
        self._results = results
        self._is_active = is_active
        self._commit = commit
        self._open: set[str] = set()

    async def open(self, run_id: str, attempt_id: str) -> None:
        """See ``AttemptRows.open``."""
        await self._results.open_attempt(run_id, attempt_id)
        self._open.add(attempt_id)

    async def append(self, batch: AttemptBatch) -> bool | None:
        """See ``AttemptRows.append``."""
        if batch.attempt_id not in self._open:
            return None
        return await self._results.append(batch)

    async def commit(self, batches: Sequence[AttemptBatch]) -> list[bool]:
        """See ``AttemptRows.commit``."""
        are_open = [await self._is_open(batch) for batch in batches]
        accepted = [batch for batch, is_open in zip(batches, are_open, strict=True) if is_open]
        commit = self._commit or self._results.commit
        stored = iter(await commit(accepted) if accepted else [])
        return [is_open and next(stored) for is_open in are_open]

    async def _is_open(self, batch: AttemptBatch) -> bool:
        if batch.attempt_id in self._open:
            return True
        is_of_run = batch.attempt_id == batch.run_id  # a line about the whole run
        if not is_of_run and not await self._is_active(batch.run_id, batch.attempt_id):
            return False
        await self.open(batch.run_id, batch.attempt_id)
        return True

    async def close(self, attempt_id: str) -> int:
        """See ``AttemptRows.close``."""
        rows = await self._results.close_attempt(attempt_id)
        self.forget(attempt_id)
        return rows

    async def totals(self, run_id: str) -> RunTotals:
        """See ``AttemptRows.totals``."""
        return await self._results.totals(run_id, frozenset())

    def forget(self, attempt_id: str) -> None:
        """The attempt is not one of this runner any more."""
        self._open.discard(attempt_id)
