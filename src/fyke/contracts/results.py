"""Rows, logs and bundles: what is too much for the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fyke.model.log import LogEntry, LogExcerpt, LogFilter
from fyke.model.results import AttemptBatch, Header, Row, RunTotals


class Results(Protocol):
    """Rows, headers and logs of all runs. Reads name the attempts to hide, because whether a
    row is visible follows from its attempt's end, which is state.
    """

    async def commit(self, batches: Sequence[AttemptBatch]) -> list[bool]:
        """Store the batches with one flush to disk and say for each whether it was taken; False
        means its attempt is closed (see ``close_attempt``) and nothing of it was stored. Returns
        only when what was taken is durable. Rows get the next positions of their run, in order;
        a row with an upsert marker replaces field by field the row of the run that carries the
        same key and value, which keeps its position.
        """
        ...

    async def open_attempt(self, run_id: str, attempt_id: str) -> None:
        """Must come before the first batch of an attempt; repeating it changes nothing."""
        ...

    async def close_attempt(self, attempt_id: str) -> int:
        """Fence: from now on no batch of this attempt is taken. Returns the rows it owns."""
        ...

    async def totals(self, run_id: str, hidden: frozenset[str]) -> RunTotals: ...
    async def headers(self, run_id: str) -> list[Header]:
        """As declared at run time, merged over attempts by key, first label wins."""
        ...

    async def page(
        self, run_id: str, hidden: frozenset[str], *, offset: int, limit: int
    ) -> list[Row]:
        """Visible rows ``offset`` to ``offset + limit`` in order of position."""
        ...

    async def rows_after(
        self, run_id: str, hidden: frozenset[str], *, position: int, limit: int
    ) -> list[Row]:
        """Visible rows after ``position``: the way to walk all of them at constant cost."""
        ...

    async def rows_at(self, run_id: str, positions: Sequence[int]) -> list[Row]:
        """The rows at these positions (at most 1,024, each once), in the order in which they are
        named, whether visible or not; a position without a row is left out."""
        ...

    async def log_tail(self, run_id: str, limit: int) -> list[LogEntry]:
        """The last entries, oldest first."""
        ...

    async def log_after(self, run_id: str, position: int, limit: int) -> list[LogEntry]: ...
    async def log_count(self, run_id: str) -> int:
        """How many entries there are; they have the positions 1 to this number."""
        ...

    async def log_scan(
        self,
        run_id: str,
        wanted: LogFilter,
        *,
        low: int,
        high: int,
        limit: int,
        cut: int,
        newest: bool = False,
    ) -> list[LogExcerpt]:
        """At most ``limit`` wanted entries at positions after ``low`` up to ``high``, in
        order: the first of them, or with ``newest`` the last. Contents have at most ``cut``
        characters. The work is in proportion to ``high - low``.
        """
        ...

    async def delete_run(self, run_id: str) -> None: ...
    async def close(self) -> None: ...
