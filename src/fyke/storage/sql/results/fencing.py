"""``Results`` of a process beside the runner, on SQLite with a journal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import Engine

from fyke.contracts.blobs import Blobs
from fyke.model.results import AttemptBatch
from fyke.storage.sql.results import delete, write
from fyke.storage.sql.results.journal.folder import JournalFolder
from fyke.storage.sql.results.journal.segments import SegmentEnd
from fyke.storage.sql.results.known import Lookup
from fyke.storage.sql.results.moving import move_files
from fyke.storage.sql.results.store import SqlResults


class FencingResults(SqlResults):
    """Before it closes an attempt, it moves what the journal has of it. Batches with numbers are of
    attempts of other machines, which have nothing in the journal.
    """

    def __init__(
        self,
        engine: Engine,
        known: Lookup | None,
        journal: JournalFolder,
        blobs: Blobs | None = None,
    ) -> None:
        super().__init__(engine, known, blobs)
        self._journal = journal
        self._ends: dict[Path, SegmentEnd] = {}  # up to which the journal was moved here

    async def commit(
        self, batches: Sequence[AttemptBatch], opening: Collection[str] = ()
    ) -> list[bool]:
        """See ``Results.commit``. What an attempt has in the journal comes before them."""
        if batches:
            await self._move()
        return await super().commit(batches, opening)

    async def close_attempt(self, attempt_id: str) -> int:
        def work() -> int:
            with self._journal.locked():
                self._journal.announce_fence()  # before the journal is read: see ``folder``
                move_files(self._journal, self._writer, self._ends)
                return self._writer.do(lambda driver: write.close_attempt(driver, attempt_id))

        return await self._in_writer(work)

    async def delete_run(self, run_id: str) -> None:
        def work() -> None:
            if self._writer.do(lambda driver: delete.has_open_attempts(driver, run_id)):
                with self._journal.locked():
                    self._journal.announce_fence()
                    self._writer.do(lambda driver: delete.mark_deleted(driver, run_id))

        await self._in_writer(work)
        await super().delete_run(run_id)

    async def _move(self) -> None:
        """Move what is in the journal into the tables."""

        def work() -> None:
            with self._journal.locked():
                move_files(self._journal, self._writer, self._ends)

        await self._in_writer(work)
