"""``Results`` on SQLite with a journal.

``JournaledResults`` is the store of the runner: batches of its attempts are acknowledged when they
are in the journal, and are moved into ``rows.db`` afterwards. The fence of each open attempt is in
memory. Upserts depend on what is stored, so they are never in the journal: what was pushed before
them is moved, and then they are committed to ``rows.db``.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import Engine

from fyke.contracts.blobs import Blobs
from fyke.errors import Unavailable
from fyke.kit.backoff import delay
from fyke.model.results import AttemptBatch
from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results import write
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.fencing import FencingResults
from fyke.storage.sql.results.journal.folder import DAMAGED, Fences, JournalFolder
from fyke.storage.sql.results.journal.pace import Pace
from fyke.storage.sql.results.journal.records import JournalRecord
from fyke.storage.sql.results.journal.segments import segment_path
from fyke.storage.sql.results.journal.writer import JournalWriter
from fyke.storage.sql.results.known import Lookup
from fyke.storage.sql.results.moving import move_part, part_length, take_over
from fyke.storage.sql.results.plan import check, has_upserts
from fyke.storage.sql.results.store import READERS, SqlResults

MOVE_SECONDS = 0.03  # between two moves
MAX_PENDING, MAX_PENDING_BYTES = 10_000, 32 * 2**20  # records not moved; further batches wait
WAIT_SECONDS = 0.001  # of the event loop for a flush
MAX_APPEND_BYTES = 2**18  # of rows and log lines that the event loop writes
_RETRY_BASE, _RETRY_CAP = 0.05, 2.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


def open_results(
    url: str,
    *,
    durable: bool,
    known: Lookup | None,
    journal: Path | None,
    runner: bool = False,
    blobs: Blobs | None = None,
) -> SqlResults:
    """See ``store.open_results``. ``journal`` is the folder of the journal, None on PostgreSQL;
    ``runner``: only the runner of the data folder opens it so, and then calls ``start``.
    """
    engine = make_engine(url, durable=durable, pool_size=READERS + 1)
    if journal is None:
        return SqlResults(engine, known, blobs)
    folder = JournalFolder(journal)
    if runner:
        return JournaledResults(engine, known, folder, blobs, durable=durable)
    return FencingResults(engine, known, folder, blobs)


@dataclass(slots=True)
class _OpenAttempt:
    run_id: str
    number: int  # of its last record
    closed: bool = False


@dataclass(slots=True)
class _Pending:
    """A record that is to be moved. ``stored``: whether it was accepted; None until then."""

    record: JournalRecord
    segment: int
    size: int
    stored: bool | None = None


class JournaledResults(SqlResults):
    """The store of the runner, which is the only one of its data folder. Used by one event loop;
    ``start`` is called first.

    The event loop writes rows, or waits for the thread that flushes them, where that is quicker,
    see ``Pace``. Everything else is done in threads.
    """

    # ``moved`` counts the records of the journal here; no answer is lost on the way to the caller
    _compares_numbers = False

    def __init__(
        self,
        engine: Engine,
        known: Lookup | None,
        journal: JournalFolder,
        blobs: Blobs | None = None,
        *,
        durable: bool,
    ) -> None:
        super().__init__(engine, known, blobs)
        self._journal = journal
        self._durable = durable
        self._attempts: dict[str, _OpenAttempt] = {}
        self._appending = asyncio.Lock()
        self._journal_thread = ThreadPoolExecutor(1, thread_name_prefix="results-journal")
        self._pace = Pace(durable=durable)
        self._has_waited = False  # for a flush, in this turn of the loop
        self._pending: deque[_Pending] = deque()
        self._pending_bytes = 0
        self._moving = asyncio.Lock()
        self._mover: asyncio.TimerHandle | asyncio.Task[None] | None = None
        self._moved_at = 0.0
        self._failures = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._started = False
        self._closing = False

    async def start(self) -> None:
        """Move what an earlier runner has left in the journal, and begin a new one."""

        def work() -> tuple[JournalWriter, Fences, int]:
            with self._journal.locked():
                store_id, number, count = take_over(self._journal, self._writer)
            fences = self._journal.fences()
            writer = JournalWriter(self._journal.path, store_id, number + 1, durable=self._durable)
            writer.prepare()
            return writer, fences, count

        self._journal_writer, self._fences, count = await self._in_writer(work)
        self._fences_seen = self._fences.count
        self._started = True
        if count:
            log.info("journal_moved", records=count)

    # --- attempts -------------------------------------------------------------------------

    async def open_attempt(self, run_id: str, attempt_id: str) -> None:
        if attempt_id in self._attempts:
            return

        def work(driver: Driver) -> int | None:
            write.open_attempt(driver, run_id, attempt_id)
            return write.last_moved(driver, run_id, attempt_id)

        moved = await self._write(work)
        if moved is not None and run_id != attempt_id:  # lines about a run are rare
            # another call may have opened it meanwhile, and its numbers may be in use
            self._attempts.setdefault(attempt_id, _OpenAttempt(run_id, moved))

    async def close_attempt(self, attempt_id: str) -> int:
        attempt = self._attempts.get(attempt_id)
        if attempt is None:
            return await super().close_attempt(attempt_id)
        attempt.closed = True
        async with self._appending:
            pass  # what is being written belongs to it
        await self._move()
        rows = await super().close_attempt(attempt_id)
        self._attempts.pop(attempt_id, None)
        return rows

    async def delete_run(self, run_id: str) -> None:
        for attempt_id in [a for a, attempt in self._attempts.items() if attempt.run_id == run_id]:
            await self.close_attempt(attempt_id)
        await super().delete_run(run_id)

    def _open(self, batch: AttemptBatch) -> _OpenAttempt | None:
        attempt = self._attempts.get(batch.attempt_id)
        if attempt is None or attempt.closed or attempt.run_id != batch.run_id:
            return None
        return attempt

    # --- writing --------------------------------------------------------------------------

    async def append(self, batch: AttemptBatch) -> bool | None:
        attempt = self._open(batch)
        if attempt is None or not self._may_append(batch):
            return None
        if self._durable:
            return await self._append_flushed(JournalRecord(attempt.number + 1, batch))
        seen = self._fences_seen
        record = JournalRecord(attempt.number + 1, batch)
        size, is_written, seconds = self._write_records([record], begin=False)
        self._pace.measure(seconds)
        return await self._answer(self._note(record, size), is_written, seen) if size else None

    async def _append_flushed(self, record: JournalRecord) -> bool | None:
        """Wait in the event loop until a thread has flushed the record, which saves a turn of the
        loop. A flush that takes longer is waited for as usual.
        """
        self._has_waited = True
        asyncio.get_running_loop().call_soon(self._may_wait_again)
        await self._appending.acquire()  # it is free, see ``_may_append``
        seen = self._fences_seen
        flushed = self._journal_thread.submit(self._write_records, [record], begin=False)
        with contextlib.suppress(TimeoutError):
            flushed.exception(WAIT_SECONDS)
        if flushed.done():
            pending, is_written = self._flushed(flushed, record)
            return await self._answer(pending, is_written, seen) if pending else None

        async def wait() -> bool | None:
            await asyncio.wait([asyncio.wrap_future(flushed)])
            pending, is_written = self._flushed(flushed, record)
            return await self._answer(pending, is_written, seen) if pending else None

        return await self._shielded(wait())

    def _flushed(
        self, flushed: Future[tuple[int, bool, float]], record: JournalRecord
    ) -> tuple[_Pending | None, bool]:
        """Note a record whose flush has ended; None when there was no room for it."""
        try:
            size, is_written, seconds = flushed.result()
            self._pace.measure(seconds)
            return self._note(record, size) if size else None, is_written
        finally:
            self._appending.release()

    def _may_wait_again(self) -> None:
        self._has_waited = False

    async def _answer(self, pending: _Pending, is_written: bool, seen: int) -> bool | None:
        """Whether a record is stored. ``seen``: the count of fences before it was written."""
        if not is_written or self._fences.count != seen:
            await self._until_known()
            return pending.stored
        return True

    def _write_records(
        self, records: Sequence[JournalRecord], *, begin: bool = True
    ) -> tuple[int, bool, float]:
        """As ``JournalWriter.append``, and how many seconds it took."""
        started = time.monotonic()
        size, is_written = self._journal_writer.append(records, begin=begin)
        return size, is_written, time.monotonic() - started

    def _may_append(self, batch: AttemptBatch) -> bool:
        """Whether the event loop may write this batch, or wait for its flush."""
        return not (
            self._closing
            or self._has_waited
            or self._appending.locked()
            or self._journal_writer.failed
            or self._is_behind
            or not self._pace.allows(batch.attempt_id)
            or has_upserts(batch)
            or _content_size(batch) > MAX_APPEND_BYTES
        )

    @property
    def _is_behind(self) -> bool:
        return len(self._pending) > MAX_PENDING or self._pending_bytes > MAX_PENDING_BYTES

    async def commit(
        self, batches: Sequence[AttemptBatch], opening: Collection[str] = ()
    ) -> list[bool]:
        for batch in batches:
            check(batch)
        for batch in batches:
            if batch.attempt_id in opening:
                await self.open_attempt(batch.run_id, batch.attempt_id)
        if any(batch.attempt_id not in self._attempts or has_upserts(batch) for batch in batches):
            for batch in batches:
                self._pace.count(batch.attempt_id)
            await self._move()
            return await super().commit(batches)
        if self._is_behind:
            await self._move()
        return await self._shielded(self._commit(batches))

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """A caller that is cancelled must not keep records from being counted."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _commit(self, batches: Sequence[AttemptBatch]) -> list[bool]:
        """Write batches of known attempts without upserts to the journal."""
        async with self._appending:
            if self._journal_writer.failed:
                await self._renew()
            seen = self._fences_seen  # as of now: a look at them may end during the write
            numbered = self._numbered(batches)
            records = [record for record in numbered if record]
            if not records:
                return [False] * len(batches)
            try:
                work = partial(self._write_records, records)
                size, is_written, seconds = await self._in_journal(work)
            except Unavailable:
                await self._renew()  # may make room for the next segment
                return await super().commit(batches)
            self._pace.measure(seconds)
            share = size // len(records)
            written = [self._note(record, share) if record else None for record in numbered]
        if not is_written or self._fences.count != seen:
            await self._until_known()
            return [pending is not None and bool(pending.stored) for pending in written]
        return [pending is not None for pending in written]

    def _numbered(self, batches: Sequence[AttemptBatch]) -> list[JournalRecord | None]:
        """A record for each batch, None for those of closed attempts."""
        numbers: dict[str, int] = {}
        records: list[JournalRecord | None] = []
        for batch in batches:
            attempt = self._open(batch)
            if attempt is None:
                records.append(None)
                continue
            number = numbers.get(batch.attempt_id, attempt.number) + 1
            numbers[batch.attempt_id] = number
            records.append(JournalRecord(number, batch))
        return records

    async def _in_journal(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._journal_thread, work)

    def _note(self, record: JournalRecord, size: int) -> _Pending:
        """Note that a record was written."""
        self._attempts[record.batch.attempt_id].number = record.number
        self._pace.count(record.batch.attempt_id)
        pending = _Pending(record, self._journal_writer.segment, size)
        self._pending.append(pending)
        self._pending_bytes += size
        self._move_soon()
        return pending

    # --- moving ---------------------------------------------------------------------------

    def _move_soon(self) -> None:
        if self._mover is None and not self._closing:
            pause = delay(self._failures, base=_RETRY_BASE, cap=_RETRY_CAP) if self._failures else 0
            due = self._moved_at + max(MOVE_SECONDS, pause)
            self._mover = asyncio.get_running_loop().call_at(due, self._start_moving)

    def _start_moving(self) -> None:
        self._mover = asyncio.create_task(self._move_in_background())

    async def _move_in_background(self) -> None:
        try:
            await self._move()
            self._failures = 0
        except Unavailable as error:
            self._failures += 1
            log.warning("rows_wait_in_the_journal", tries=self._failures, error=str(error))
        except Exception:
            self._failures += 1
            log.exception("rows_wait_in_the_journal")
        finally:
            self._moved_at = asyncio.get_running_loop().time()
            self._mover = None
            if self._pending:
                self._move_soon()

    async def _move(self) -> None:
        """Move everything that has been written when this is called. Raises ``Unavailable``."""
        if not self._pending:
            return
        last = self._pending[-1]
        while last.stored is None:
            async with self._moving:
                if last.stored is None:
                    await self._move_some()

    async def _move_some(self) -> None:
        length = part_length(pending.size for pending in self._pending)
        part = list(islice(self._pending, length))
        is_all = length == len(self._pending)
        segment = self._journal_writer.segment if is_all else self._pending[length].segment

        def keep(index: int) -> None:
            self._journal.keep(segment_path(self._journal.path, part[index].segment), DAMAGED)

        def work() -> list[bool]:
            with self._journal.locked():
                stored = move_part(self._writer.do, [pending.record for pending in part], keep)
                self._remove_before(segment)
                return stored

        stored = await self._in_writer(work)
        self._moved_at = asyncio.get_running_loop().time()
        for pending, is_stored in zip(part, stored, strict=True):
            self._pending.popleft()
            self._pending_bytes -= pending.size
            pending.stored = is_stored
        self._announce(pending.record.batch for pending in part if pending.stored)

    async def _renew(self) -> None:
        """Move everything, remove all segments, and forget that one has failed. Needs
        ``_appending``, so that nothing is written meanwhile.
        """
        await self._move()

        def work() -> None:
            with self._journal.locked():
                self._remove_before(self._journal_writer.segment + 1)

        await self._in_writer(work)
        self._journal_writer.failed = False

    def _remove_before(self, number: int) -> None:
        """Remove the segments before this number, whose records were moved."""
        for path in self._journal_writer.take_before(number):
            try:
                self._journal.remove(path)
            except Unavailable as error:
                log.warning("journal_not_removed", segment=path.name, error=str(error))

    async def _until_known(self) -> None:
        """Return when it is known what is stored of everything written so far, and which attempts
        are closed. Raises ``Unavailable`` only while the store is being closed.
        """
        failures = 0
        while True:
            try:
                await self._move()
                await self._look_at_fences()
                return
            except Unavailable as error:
                failures += 1
                log.warning("rows_in_doubt", tries=failures, error=str(error))
                if self._closing:
                    raise
                await asyncio.sleep(delay(failures, base=_RETRY_BASE, cap=_RETRY_CAP))

    async def _look_at_fences(self) -> None:
        """Note which attempts were closed by other processes."""
        if self._fences.count == self._fences_seen:
            return
        attempt_ids: list[str] = []

        def work() -> tuple[int, set[str]]:
            with self._journal.locked():
                still_open = self._writer.do(lambda driver: write.open_ids(driver, attempt_ids))
                return self._fences.count, still_open

        while True:
            attempt_ids = list(self._attempts)
            seen, still_open = await self._in_writer(work)
            for attempt_id in attempt_ids:
                if attempt_id in self._attempts and attempt_id not in still_open:
                    self._attempts[attempt_id].closed = True
            if not self._attempts.keys() - attempt_ids:
                break  # else another was opened in the meantime
        self._fences_seen = max(self._fences_seen, seen)

    # --- reading and the end ----------------------------------------------------------------

    async def _read(self, work: Callable[[Driver], T]) -> T:
        """What this process has stored is read by it at once."""
        await self._move()
        return await super()._read(work)

    async def close(self) -> None:
        if not self._started or self._closing:
            await super().close()
            return
        self._closing = True
        if isinstance(self._mover, asyncio.TimerHandle):
            self._mover.cancel()
        if tasks := [
            task for task in (self._mover, *self._tasks) if isinstance(task, asyncio.Task)
        ]:
            await asyncio.wait(tasks)
        async with self._appending:
            with contextlib.suppress(Unavailable):
                await self._renew()
        await asyncio.to_thread(self._journal_thread.shutdown)
        await super().close()
        self._fences.close()


def _content_size(batch: AttemptBatch) -> int:
    rows = sum(len(row.data) for row in batch.rows)
    return rows + sum(len(entry.content) for entry in batch.log)
