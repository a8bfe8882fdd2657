"""The traces that are still to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fyke.model.trace import RunTrace


class TraceStore(Protocol):
    """Traces of runs, from their start until they are sent."""

    def add(self, trace: RunTrace) -> None: ...
    def get(self, run_id: str) -> RunTrace | None: ...
    def of_ended_runs(self, waited_since: int, limit: int) -> Sequence[RunTrace]:
        """Those whose run has ended, the oldest runs first: without runs that have a pending
        delivery, unless they have ended before ``waited_since`` (ms).
        """
        ...

    def take(self, run_id: str) -> bool:
        """Remove one; False if another server has taken it."""
        ...

    def drop_ended(self) -> int:
        """Remove those of all ended runs; return how many there were."""
        ...
