"""Moves the rows of runs that ended some time ago into compressed files."""

from __future__ import annotations

from fyke.contracts.results import Results
from fyke.contracts.state import Storage

AFTER_MS = 10 * 60 * 1000  # results are read most shortly after the end
BATCH = 500
DAY_MS = 86_400_000


class SealTimer:
    """Each pass continues what was interrupted, and then goes through the runs that have ended
    since the last pass; once a day it goes through all, because some were not ready. ``at_least``:
    the number of rows of a run that is sealed; 0 seals none.
    """

    seconds = 60.0

    def __init__(self, storage: Storage, results: Results, at_least: int) -> None:
        self._storage = storage
        self._results = results
        self._at_least = at_least
        self._last = 0, ""  # end and id of the run that was looked at last
        self._began = 0  # when the first run was looked at, by the clock of the state

    async def tick(self) -> None:
        failure: Exception | None = None
        try:
            await self._results.seal_runs([], self._at_least)
        except Exception as error:
            failure = error  # runs that were not tried yet come first
        now = await self._storage.read(lambda tx: tx.now)
        if now - self._began > DAY_MS:
            self._last, self._began = (0, ""), now
        while self._at_least and (ended := await self._ended()):
            await self._results.seal_runs([run_id for _, run_id in ended], self._at_least)
            self._last = ended[-1]
        if failure:
            raise failure

    async def _ended(self) -> list[tuple[int, str]]:
        last = self._last
        return await self._storage.read(
            lambda tx: tx.runs.finished_after(last, tx.now - AFTER_MS, BATCH)
        )
