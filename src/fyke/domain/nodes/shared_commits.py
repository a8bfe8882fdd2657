"""The rows of many nodes in one commit.

The store has one writer in a process. While it commits, what other nodes send is collected, and
then stored by the next commit: one transaction, with COPY, instead of one for each node.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fyke.contracts.results import Results
from fyke.errors import Unavailable
from fyke.kit.shared_calls import SharedCalls
from fyke.model.results import AttemptBatch

COMMIT_BYTES = 8 * 2**20  # of one commit; what one node sends has less
# That a batch counts for beside its rows: it locks its run and its attempt until the commit, and
# other gateways wait at most five seconds for them. So a commit has at most about 2,000 batches.
_BATCH_BYTES = 4096
_ENTRY_BYTES = 64

_Asked = tuple[Sequence[AttemptBatch], Collection[str]]  # and the ids of attempts to open


class SharedCommits:
    """``Results.commit`` for all nodes of a gateway."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._calls = SharedCalls(self._commit, most=COMMIT_BYTES, size=_size, for_all=Unavailable)

    async def commit(
        self, batches: Sequence[AttemptBatch], opening: Collection[str] = ()
    ) -> list[bool]:
        """See ``Results.commit``."""
        return await self._calls.ask((batches, opening))

    async def _commit(self, asked: Sequence[_Asked]) -> list[list[bool]]:
        batches = [batch for each, _ in asked for batch in each]
        opening = {attempt_id for _, each in asked for attempt_id in each}
        stored = iter(await self._results.commit(batches, opening))
        return [[next(stored) for _ in each] for each, _ in asked]


def _size(asked: _Asked) -> int:
    batches, _ = asked
    size = _BATCH_BYTES * len(batches)
    for batch in batches:
        size += sum(len(row.data) + _ENTRY_BYTES for row in batch.rows)
        size += sum(len(entry.content) + _ENTRY_BYTES for entry in batch.log)
    return size
