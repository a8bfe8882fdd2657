"""Rows, headers and logs of runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from fyke.model.log import LogEntry, LogExcerpt, LogFilter
from fyke.model.results import AttemptBatch, Header, Row, RowBlock, RunTotals


class Results(Protocol):
    """Rows, headers and logs of all runs. Reads get the ids of the attempts whose rows are
    ``hidden``, because that depends on the outcome of the attempt, which is in the state. Rows of
    attempts that the state does not know are not visible either. A row that several attempts have
    upserted is visible as long as one of them is, with what all of them have merged.

    A batch whose answer was lost may be stored again with its number: one with a number that is not
    higher than the highest stored number of its attempt is answered as stored, and nothing is
    written. So the batches of an attempt are stored in the order of their numbers, each after the
    answer to the one before, or after it in the same commit. Numbers may be left out. The store
    of a runner with a journal does not compare them: its callers get every answer.
    """

    async def commit(
        self, batches: Sequence[AttemptBatch], opening: Collection[str] = ()
    ) -> list[bool]:
        """Store the batches with one flush to disk. Return for each batch whether it is stored
        durably; False means that its attempt is closed (see ``close_attempt``). Rows get the next
        positions of their run, in order. The fields of an upsert are written to the row of the run
        with the same key and value, which keeps its position. The attempts of batches whose ids are
        ``opening`` are opened before, as by ``open_attempt``.
        """
        ...

    async def append(self, batch: AttemptBatch) -> bool | None:
        """Store one batch at once if that needs no other wait than for a flush, and answer as
        ``commit`` does. None when it was not stored and has to be committed.
        """
        ...

    def watch(self, readable: Callable[[str], None]) -> None:
        """Call ``readable`` in the event loop with the id of a run when output of it that was
        stored here can be read by all processes. It must not block or fail.
        """
        ...

    async def open_attempt(self, run_id: str, attempt_id: str) -> None:
        """Register an attempt, before its first batch. Idempotent. The id of the run stands for the
        platform, which writes lines about the whole run; they are stored only while the run
        has output, so a late one leaves nothing of a deleted run.
        """
        ...

    async def close_attempt(self, attempt_id: str) -> int:
        """Reject all further batches of this attempt; return the number of its rows."""
        ...

    async def release_upserts(self, attempt_id: str) -> None:
        """Let no later upsert be merged into a row that only this closed attempt has pushed: the
        next one with its key and value adds a row. Idempotent.
        """
        ...

    async def totals(self, run_id: str, hidden: frozenset[str]) -> RunTotals: ...
    async def headers(self, run_id: str) -> list[Header]:
        """Headers as declared by the attempts, one for each key; the first label wins."""
        ...

    async def keys(self, run_id: str, hidden: frozenset[str]) -> list[str] | None:
        """The keys of the visible rows, in the order of the first row that has each and then of its
        members. None when they were not noted, as those of rows in files are.
        """
        ...

    async def page(
        self, run_id: str, hidden: frozenset[str], *, offset: int, limit: int
    ) -> list[Row]:
        """Visible rows ``offset`` to ``offset + limit`` in order of position."""
        ...

    async def rows_after(
        self, run_id: str, hidden: frozenset[str], *, position: int, limit: int
    ) -> list[Row]:
        """Visible rows after ``position``, to read all of them at constant cost per page."""
        ...

    async def block_after(
        self, run_id: str, hidden: frozenset[str], *, position: int, limit: int
    ) -> RowBlock:
        """Like ``rows_after``, without an object for each row: several times as fast. It may have
        fewer rows than ``limit``, but none only after the last row.
        """
        ...

    async def rows_at(self, run_id: str, positions: Sequence[int]) -> list[Row]:
        """The rows at these positions (without duplicates), in this order, including hidden ones. A
        position without a row is left out.
        """
        ...

    async def data_at(
        self, run_id: str, positions: Sequence[int], *, max_bytes: int
    ) -> list[bytes]:
        """The data of the first of the rows at these positions (without duplicates), in this order:
        as many as have ``max_bytes`` together, at least one, and none after a position without a
        row. The more positions at a time, the less each row costs, because rows in files are read
        in the order of the file.
        """
        ...

    async def log_tail(self, run_id: str, limit: int) -> list[LogEntry]:
        """The last entries, oldest first."""
        ...

    async def log_after(self, run_id: str, position: int, limit: int) -> list[LogEntry]: ...
    async def log_count(self, run_id: str) -> int:
        """The number of entries. Their positions are 1 to this number."""
        ...

    async def log_scan(
        self,
        run_id: str,
        filter: LogFilter,
        *,
        low: int,
        high: int,
        limit: int,
        cut: int,
        newest: bool = False,
    ) -> list[LogExcerpt]:
        """At most ``limit`` matching entries at positions after ``low`` up to ``high``, in order:
        the first of them, or with ``newest`` the last. Contents are truncated to ``cut``
        characters. The cost is proportional to ``high - low``.
        """
        ...

    async def seal_runs(self, run_ids: Sequence[str], at_least: int) -> None:
        """Move the rows of those of these runs that have at least so many to compressed files,
        slowly and one run after the other; finish first what was interrupted. The runs have ended.
        Reads return the same as before at any moment. 0: only finish what was interrupted.
        """
        ...

    async def delete_run(self, run_id: str) -> None: ...
    async def close(self) -> None: ...
