"""Reads the log of a run: its last lines, the lines after a position, or all of it as a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from fyke.contracts.results import Results
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import existing_run, own_run
from fyke.domain.logs.text import log_file
from fyke.errors import RunNotFound
from fyke.model.account import Caller
from fyke.model.log import LogEntry

_CHUNK = 200  # entries; a line has at most 16 KiB, so a chunk stays within a few megabytes


class RunLogs:
    """The logs of all runs; each account can read only its own."""

    def __init__(self, storage: Storage, results: Results) -> None:
        self._storage = storage
        self._results = results

    async def tail(self, caller: Caller, run_id: str, limit: int) -> tuple[list[LogEntry], int]:
        """The last ``limit`` entries, oldest first, and the number of visible rows of the run.

        Raises ``RunNotFound``, also for another account's run.
        """

        def work(tx: Transaction) -> frozenset[str]:
            own_run(tx, caller, run_id)
            return tx.runs.hidden_attempts(run_id)

        hidden = await self._storage.read(work)
        totals = await self._results.totals(run_id, hidden)
        return await self._results.log_tail(run_id, max(1, limit)), totals.rows

    async def after(self, caller: Caller, run_id: str, position: int, limit: int) -> list[LogEntry]:
        """At most ``limit`` entries after ``position``, in order. Repeated calls, each with the
        last position received, return every entry once.

        Raises ``RunNotFound``, also for another account's run.
        """
        await self._storage.read(lambda tx: own_run(tx, caller, run_id))
        return await self._results.log_after(run_id, position, limit)

    async def walk(self, run_id: str, after: int = 0) -> AsyncIterator[list[LogEntry]]:
        """All entries after position ``after``, in order and in chunks; for requests that are
        already authorised. Raises ``RunNotFound`` when the run is deleted before the last entry.
        """
        last = await self._last_position(run_id)
        while entries := await self._results.log_after(run_id, after, _CHUNK):
            yield entries
            after = entries[-1].position
        if after < last:
            raise RunNotFound

    async def fingerprint(self, run_id: str) -> tuple[str, str]:
        """A text that changes with the bytes of the log file, ``""`` while lines may still be
        added; and the id of the run's account. Raises ``RunNotFound``.
        """
        run = await self._storage.read(lambda tx: existing_run(tx, run_id))
        if not run.state.terminal:
            return "", run.account_id
        return f"log-{run_id}-{await self._last_position(run_id)}", run.account_id

    async def text(self, run_id: str) -> AsyncGenerator[bytes, None]:
        """The whole log as a text file, for requests with a signed link.

        Raises ``RunNotFound`` before the first chunk when the run has been removed.
        """
        await self._storage.read(lambda tx: existing_run(tx, run_id))
        return log_file(self.walk(run_id))

    async def _last_position(self, run_id: str) -> int:
        last = await self._results.log_tail(run_id, 1)
        return last[-1].position if last else 0
