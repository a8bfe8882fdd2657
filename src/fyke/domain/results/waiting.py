"""What one attempt has waiting for the next group commit, and who waits for it to be durable."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, Header, PushedRow

ROWS_A_TURN = 256
ROW_BYTES_A_TURN = 2 * 2**20
# while others store rows too: their next commit must not be a long one
ROWS_IN_COMPANY = 64
ROW_BYTES_IN_COMPANY = 2**18
LOG_LINES_A_TURN = 1024

Stored = asyncio.Future[None]


@dataclass(slots=True)
class PendingBatch:
    """The share of one attempt in a flush."""

    queue: WaitingQueue
    batch: AttemptBatch
    stored: list[Stored] = field(default_factory=list)
    size: int = 0  # bytes of the rows

    def add(self, row: PushedRow, stored: Stored) -> None:
        self.batch.rows.append(row)
        self.stored.append(stored)
        self.size += len(row.data)

    def accept(self) -> None:
        """All of it is durable: wake the pushes that wait for it."""
        for stored in self.stored:
            if not stored.done():
                stored.set_result(None)

    def refuse(self, error: Exception) -> None:
        """Nothing of it was stored."""
        for stored in self.stored:
            if not stored.done():
                stored.set_exception(error)
                stored.exception()  # retrieved, because the Worker that pushed it may be gone


class WaitingQueue:
    """Rows and log lines in the order in which they came; the last headers alone count."""

    def __init__(self, run_id: str, attempt_id: str) -> None:
        self.run_id = run_id
        self.attempt_id = attempt_id
        self.discarded = False
        self._rows: deque[tuple[PushedRow, Stored]] = deque()
        self._headers: list[Header] | None = None
        self._headers_stored: list[Stored] = []
        self._log: deque[NewLogEntry] = deque()
        self._flushing = False
        self._settled = asyncio.Event()

    @property
    def empty(self) -> bool:
        """Nothing waits; a commit may still be in progress."""
        return not self._rows and not self._log and not self._headers_stored

    @property
    def idle(self) -> bool:
        """All that ever came is durable or refused."""
        return self.empty and not self._flushing

    @property
    def log_lines(self) -> int:
        return len(self._log)

    @property
    def rows(self) -> tuple[int, int]:
        """Number and bytes of the rows that wait."""
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

    def take_turn(self, *, alone: bool = True) -> PendingBatch:
        """A bounded share of what waits; it counts as under way until ``settle``."""
        rows = ROWS_A_TURN if alone else ROWS_IN_COMPANY
        size = ROW_BYTES_A_TURN if alone else ROW_BYTES_IN_COMPANY
        self._flushing = True
        part = PendingBatch(self, AttemptBatch(self.run_id, self.attempt_id))
        while self._rows and len(part.batch.rows) < rows and part.size < size:
            part.add(*self._rows.popleft())
        self._take_rest(part, LOG_LINES_A_TURN)
        return part

    def discard(self, error: Exception) -> None:
        """Refuse what waits, and drop what is being retried."""
        self.discarded = True
        part = PendingBatch(self, AttemptBatch(self.run_id, self.attempt_id))
        while self._rows:
            part.add(*self._rows.popleft())
        self._take_rest(part, len(self._log))
        part.refuse(error)
        self._settled.set()

    def _take_rest(self, part: PendingBatch, lines: int) -> None:
        part.batch.headers = self._headers
        part.stored += self._headers_stored
        self._headers = None
        self._headers_stored = []
        part.batch.log = [self._log.popleft() for _ in range(min(lines, len(self._log)))]

    def settle(self) -> None:
        """The flush with our part has ended."""
        self._flushing = False
        self._settled.set()

    async def wait_settled(self) -> None:
        """Return when the next flush with a part of ours has ended."""
        self._settled.clear()
        await self._settled.wait()
