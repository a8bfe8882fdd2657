"""The rows of the attempts of one runner, in the stores of the installation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence

from fyke.contracts.results import Results
from fyke.model.results import AttemptBatch, RunTotals

CommitBatches = Callable[[Sequence[AttemptBatch], Collection[str]], Awaitable[list[bool]]]


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
        """See ``AttemptRows.commit``. An attempt is opened in the transaction with its first
        batch.
        """
        are_accepted = [await self._accepts(batch) for batch in batches]
        accepted = [batch for batch, is_ok in zip(batches, are_accepted, strict=True) if is_ok]
        opening = {batch.attempt_id for batch in accepted} - self._open
        commit = self._commit or self._results.commit
        stored = iter(await commit(accepted, opening) if accepted else [])
        self._open |= opening
        return [is_ok and next(stored) for is_ok in are_accepted]

    async def _accepts(self, batch: AttemptBatch) -> bool:
        if batch.attempt_id in self._open or batch.attempt_id == batch.run_id:
            return True  # or a line about the whole run
        return await self._is_active(batch.run_id, batch.attempt_id)

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
