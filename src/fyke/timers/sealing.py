"""Moves the rows of runs that ended some time ago into compressed files."""

from __future__ import annotations

from fyke.contracts.results import Results
from fyke.contracts.state import Storage

BATCH = 500
DAY_MS = 86_400_000


class SealTimer:
    """Each pass continues what was interrupted, and then goes through the runs that have ended
    since the last pass; once a day it goes through all, because some were not ready. ``at_least``:
    the number of rows of a run that is sealed; 0 seals none. ``after``: seconds since its end.
    """

    def __init__(self, storage: Storage, results: Results, at_least: int, after: int) -> None:
        self.seconds = min(60.0, after)
        self._storage = storage
        self._results = results
        self._at_least = at_least
        self._after_ms = after * 1000
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
        last, after_ms = self._last, self._after_ms
        return await self._storage.read(
            lambda tx: tx.runs.finished_after(last, tx.now - after_ms, BATCH)
        )
