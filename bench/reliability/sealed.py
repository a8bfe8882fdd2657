"""Rows of ended runs in files: how many runs were sealed, and what must not be left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fyke.storage.sql.results.tables import LAST_POSITION
from reliability.machine import after

SEALED_SECONDS = 90.0  # for all runs that have ended, on a busy machine

_SEALED = "SELECT n.run_id, n.sealed > 0 AND s.done FROM results_runs n JOIN results_seals s" \
    " ON s.run = n.number WHERE n.run_id IS NOT NULL"  # fmt: skip
_NOT_SEALED = (
    "SELECT n.run_id FROM results_runs n LEFT JOIN results_seals s ON s.run = n.number"
    " WHERE n.run_id IS NOT NULL AND n.rows > 0 AND (s.run IS NULL OR NOT s.done)"
)
_NEEDED = (
    "SELECT s.blob FROM results_runs n JOIN results_seals s ON s.run = n.number"
    " WHERE s.done AND n.sealed > 0"
)
_PLACES = (
    "SELECT n.number, coalesce(n.run_id, ''), n.sealed,"
    f" (SELECT count(*) FROM results_rows r WHERE r.id > n.number * {LAST_POSITION + 1}"
    f" AND r.id <= n.number * {LAST_POSITION + 1} + n.sealed) FROM results_runs n"
)


class SealedRows:
    """``execute`` calls a statement on the tables of the results; with ``write=True`` it may change
    them. ``files`` returns the names of the blobs. All methods raise what ``execute`` raises.
    """

    def __init__(
        self, execute: Callable[..., list[tuple[Any, ...]]], files: Callable[[], set[str]]
    ) -> None:
        self._execute = execute
        self._files = files
        self._sealed: set[str] = set()

    def new(self) -> int:
        """How many runs have been sealed since the last call; those that were deleted meanwhile do
        not count.
        """
        new = {str(run) for run, done in self._execute(_SEALED) if done} - self._sealed
        self._sealed |= new
        return len(new)

    def finish(self) -> list[str]:
        """Wait until all runs that have ended are sealed, as if the claims of killed servers had
        expired. A sentence if no run was sealed although there were rows.
        """
        self._execute("UPDATE results_seals SET claimed_until = 0 WHERE NOT done", write=True)
        if not (rest := after(SEALED_SECONDS, self._not_sealed)):
            return []
        if self._sealed or any(done for _, done in self._execute(_SEALED)):
            return []
        return [f"none of {len(rest)} runs within {SEALED_SECONDS:.0f} s after the last round"]

    def _not_sealed(self) -> list[str]:
        return [str(run) for (run,) in self._execute(_NOT_SEALED)]

    def left(self, deleted: set[str]) -> list[str]:
        """Rows and files of deleted runs, rows in both places, and files that are not needed or
        not complete.
        """
        files = self._files()
        needed = {str(blob) for (blob,) in self._execute(_NEEDED)}
        found = [f"file {name} that is not needed" for name in sorted(files - needed)]
        found += [f"no file {name}" for name in sorted(needed - files)]
        found += [f"run {run} is half sealed" for run, done in self._execute(_SEALED) if not done]
        for number, run, sealed, in_table in self._execute(_PLACES):
            if not run or run in deleted:
                found.append(f"rows of the deleted run {run or number}")
            elif in_table:
                found.append(f"run {run} has {in_table} of {sealed} sealed rows in the table")
        return found
