"""The output of one attempt that is queued for the next group commit, and the pushes that wait."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, Header, PushedRow

ROWS_PER_BATCH = 256
ROW_BYTES_PER_BATCH = 2 * 2**20
# limits while other attempts also store rows, so that these do not wait for a long commit
SHARED_ROWS_PER_BATCH = 64
SHARED_ROW_BYTES_PER_BATCH = 2**18
LOG_LINES_PER_BATCH = 1024
LOG_CHARS_PER_BATCH = 2**20  # so that a batch fits into a message to a gateway

Stored = asyncio.Future[None]


@dataclass(slots=True)
class PendingBatch:
    """The part of one attempt's queue that is in a flush."""

    queue: WriteQueue
    batch: AttemptBatch
    stored: list[Stored] = field(default_factory=list)
    size: int = 0  # bytes of the rows

    def add(self, row: PushedRow, stored: Stored) -> None:
        self.batch.rows.append(row)
        self.stored.append(stored)
        self.size += len(row.data)

    def split(self) -> list[PendingBatch]:
        """The batch in two or three parts, for the same pushes; none if it has one row, one line of
        the log, or headers alone. Each part gets its number when it is committed: one that is split
        itself takes more numbers, and the next part has to have a higher one.
        """
        whole, rows = self.batch, len(self.batch.rows)
        kinds = [bool(whole.rows), whole.headers is not None, bool(whole.log)]
        if sum(kinds) > 1:
            of_rows = self._part(self.stored[:rows], rows=whole.rows)
            of_headers = self._part(self.stored[rows:], headers=whole.headers)
            parts = [of_rows, of_headers, self._part([], log=whole.log)]
            return [part for part, has_it in zip(parts, kinds, strict=True) if has_it]
        if rows > 1:
            at = rows // 2
            return [
                self._part(self.stored[:at], rows=whole.rows[:at]),
                self._part(self.stored[at:], rows=whole.rows[at:]),
            ]
        if len(whole.log) > 1:
            at = len(whole.log) // 2
            return [self._part([], log=whole.log[:at]), self._part([], log=whole.log[at:])]
        return []

    def _part(
        self,
        stored: list[Stored],
        *,
        rows: Sequence[PushedRow] = (),
        headers: list[Header] | None = None,
        log: Sequence[NewLogEntry] = (),
    ) -> PendingBatch:
        run, attempt = self.batch.run_id, self.batch.attempt_id
        batch = AttemptBatch(run, attempt, list(rows), headers, list(log))
        return PendingBatch(self.queue, batch, stored, sum(len(row.data) for row in rows))

    def accept(self) -> None:
        """Acknowledge the pushes, after the batch was stored."""
        for stored in self.stored:
            if not stored.done():
                stored.set_result(None)

    def refuse(self, error: Exception) -> None:
        """Refuse the pushes, because nothing of the batch was stored."""
        for stored in self.stored:
            if not stored.done():
                stored.set_exception(error)
                stored.exception()  # marks it as retrieved: the push may have been cancelled


class WriteQueue:
    """Rows and log lines in the order of arrival, and the latest headers."""

    def __init__(self, run_id: str, attempt_id: str) -> None:
        self.run_id = run_id
        self.attempt_id = attempt_id
        self.discarded = False
        self._number = 0  # of the last batch
        self._rows: deque[tuple[PushedRow, Stored]] = deque()
        self._headers: list[Header] | None = None
        self._headers_stored: list[Stored] = []
        self._log: deque[NewLogEntry] = deque()
        self._flushing = False
        self._settled = asyncio.Event()

    @property
    def empty(self) -> bool:
        """Whether nothing is queued; a flush may still be in progress."""
        return not self._rows and not self._log and not self._headers_stored

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or in a flush."""
        return self.empty and not self._flushing

    @property
    def has_rows(self) -> bool:
        return bool(self._rows)

    @property
    def log_lines(self) -> int:
        return len(self._log)

    @property
    def rows(self) -> tuple[int, int]:
        """The number and bytes of the queued rows."""
        return len(self._rows), sum(len(row.data) for row, _ in self._rows)

    def put_row(self, row: PushedRow) -> Stored:
        stored: Stored = asyncio.get_running_loop().create_future()
        self._rows.append((row, stored))
        return stored

    def put_headers(self, headers: list[Header]) -> Stored:
        stored: Stored = asyncio.get_running_loop().create_future()
        self._headers = headers
        self._headers_stored.append(stored)
        return stored

    def put_log(self, entry: NewLogEntry) -> None:
        self._log.append(entry)

    def next_number(self) -> int:
        """The number of the next batch of the attempt. It is not given again."""
        self._number += 1
        return self._number

    def take_batch(self, *, alone: bool = True) -> PendingBatch:
        """Take a bounded batch; it is in a flush until ``settle``."""
        rows = ROWS_PER_BATCH if alone else SHARED_ROWS_PER_BATCH
        size = ROW_BYTES_PER_BATCH if alone else SHARED_ROW_BYTES_PER_BATCH
        self._flushing = True
        numbered = AttemptBatch(self.run_id, self.attempt_id, number=self.next_number())
        batch = PendingBatch(self, numbered)
        while self._rows and len(batch.batch.rows) < rows and batch.size < size:
            batch.add(*self._rows.popleft())
        self._take_rest(batch, LOG_LINES_PER_BATCH, LOG_CHARS_PER_BATCH)
        return batch

    def discard(self, error: Exception) -> None:
        """Refuse what is queued; ``GroupCommit`` then drops a batch that it retries."""
        self.discarded = True
        batch = PendingBatch(self, AttemptBatch(self.run_id, self.attempt_id))
        while self._rows:
            batch.add(*self._rows.popleft())
        self._take_rest(batch, len(self._log), sys.maxsize)
        batch.refuse(error)
        self._settled.set()

    def _take_rest(self, batch: PendingBatch, lines: int, chars: int) -> None:
        batch.batch.headers = self._headers
        batch.stored += self._headers_stored
        self._headers = None
        self._headers_stored = []
        log = batch.batch.log
        while self._log and len(log) < lines and chars > 0:
            log.append(self._log.popleft())
            chars -= len(log[-1].content)

    def settle(self) -> None:
        """End the flush of the last batch."""
        self._flushing = False
        self._settled.set()

    async def wait_settled(self) -> None:
        """Return when the next flush of this queue has ended."""
        self._settled.clear()
        await self._settled.wait()
