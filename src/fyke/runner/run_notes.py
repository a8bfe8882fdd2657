"""What the log of a run shall say once, although many attempts of the run find it here."""

from __future__ import annotations

MOST_RUNS = 1000  # that are remembered, the latest


class RunNotes:
    """Which runs have a note about this machine already."""

    def __init__(self) -> None:
        self._runs: dict[str, None] = {}

    def is_first(self, run_id: str) -> bool:
        """Whether the run has no note yet; from now on it has one."""
        is_first = run_id not in self._runs
        self._runs.pop(run_id, None)
        self._runs[run_id] = None
        if len(self._runs) > MOST_RUNS:
            del self._runs[next(iter(self._runs))]
        return is_first
