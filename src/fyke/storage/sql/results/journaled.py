"""``Results`` on SQLite with a journal.

``JournaledResults`` is the store of the runner: batches of its attempts are acknowledged when they
are in the journal, and are moved into ``rows.db`` afterwards. The fence of each open attempt is in
memory. Upserts depend on what is stored, so they are never in the journal: what was pushed before
them is moved, and then they are committed to ``rows.db``.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import structlog
from sqlalchemy import Engine

from fyke.errors import Unavailable
from fyke.kit.backoff import delay
from fyke.model.results import AttemptBatch
from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results import write
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.fencing import FencingResults
from fyke.storage.sql.results.journal.folder import DAMAGED, Fences, JournalFolder
from fyke.storage.sql.results.journal.records import JournalRecord
from fyke.storage.sql.results.journal.segments import segment_path
from fyke.storage.sql.results.journal.writer import JournalWriter
from fyke.storage.sql.results.known import Lookup
from fyke.storage.sql.results.moving import move, part_length, take_over
from fyke.storage.sql.results.plan import check, has_upserts
from fyke.storage.sql.results.store import READERS, SqlResults

MOVE_SECONDS = 0.03  # between two moves
MAX_PENDING, MAX_PENDING_BYTES = 10_000, 32 * 2**20  # records not moved; further batches wait
SLOW_SECONDS, AVOID_SECONDS = 0.02, 1.0  # see ``append``
_RETRY_BASE, _RETRY_CAP = 0.05, 2.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


def open_results(
    url: str, *, durable: bool, known: Lookup | None, journal: Path | None, runner: bool = False
) -> SqlResults:
    """See ``store.open_results``. ``journal`` is the folder of the journal, None on PostgreSQL;
    ``runner``: only the runner of the data folder opens it so, and then calls ``start``.
    """
    engine = make_engine(url, durable=durable, pool_size=READERS + 1)
    if journal is None:
        return SqlResults(engine, known)
    folder = JournalFolder(journal)
    if runner:
        return JournaledResults(engine, known, folder, durable=durable)
    return FencingResults(engine, known, folder)


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


@dataclass(slots=True)
class _Commit:
    """A call of ``commit``. ``written`` has None for each refused batch; ``certain``: the others
    are on disk, if they have to be, and their attempts were open.
    """

    batches: Sequence[AttemptBatch]
    written: list[_Pending | None] = field(default_factory=list)
    certain: bool = True
    error: Exception | None = None


class JournaledResults(SqlResults):
    """The store of the runner, which is the only one of its data folder. Used by one event loop;
    ``start`` is called first.

    ``append`` writes in the event loop, because handing a row to a thread costs several times as
    much as writing it. Everything else is done in threads; after a write that took long, rows are
    too, for a while.
    """

    def __init__(
        self, engine: Engine, known: Lookup | None, journal: JournalFolder, *, durable: bool
    ) -> None:
        super().__init__(engine, known)
        self._journal = journal
        self._durable = durable
        self._attempts: dict[str, _OpenAttempt] = {}
        self._waiting: list[_Commit] = []
        self._appending = asyncio.Lock()
        self._journal_thread = ThreadPoolExecutor(1, thread_name_prefix="results-journal")
        self._flushing = False
        self._unflushed: list[asyncio.Future[bool]] = []  # wait for the flush after this one
        self._slow_until = 0.0  # monotonic; until then the disk is too slow for the event loop
        self._pending: deque[_Pending] = deque()
        self._pending_bytes = 0
        self._doubtful: _Pending | None = None  # the last that may not be in the journal
        self._moving = asyncio.Lock()
        self._mover: asyncio.TimerHandle | asyncio.Task[None] | None = None
        self._moved_at = 0.0
        self._failures = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = False
        self._closing = False

    async def start(self) -> None:
        """Move what an earlier runner has left in the journal, and begin a new one."""

        def work() -> tuple[JournalWriter, Fences, int]:
            with self._journal.locked():
                store_id, number, count = take_over(self._journal, self._writer)
            fences = self._journal.fences()
            writer = JournalWriter(self._journal.path, store_id, number + 1)
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
        if attempt is None or not self._may_append() or has_upserts(batch):
            return None
        # as of now: another push may look at the fences while this one waits for its flush
        seen = self._fences_seen
        number = attempt.number + 1
        started = time.monotonic()
        size, is_written = self._journal_writer.append([(number, batch)], begin=False)
        if not size:
            return None
        written = time.monotonic()
        if written - started > SLOW_SECONDS:
            self._slow_until = written + AVOID_SECONDS
        pending = self._note(attempt, number, batch, size)
        if not is_written:
            self._doubtful = pending
        elif self._durable:
            is_written = await self._next_flush()
        if not is_written or self._fences.count != seen:
            await self._until_known()
            return pending.stored
        return True

    def _next_flush(self) -> asyncio.Future[bool]:
        """Flush what was written; all that is written during a flush shares the next one. The
        result is whether it is on disk.
        """
        flushed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._unflushed.append(flushed)
        if not self._flushing:
            self._flush()
        return flushed

    def _flush(self) -> None:
        self._flushing = True
        waiting, self._unflushed = self._unflushed, []
        flush = asyncio.get_running_loop().run_in_executor(self._journal_thread, self._sync)
        flush.add_done_callback(partial(self._end_flush, waiting))

    def _end_flush(self, waiting: list[asyncio.Future[bool]], flush: asyncio.Future[bool]) -> None:
        is_flushed = not flush.cancelled() and flush.exception() is None and flush.result()
        if not is_flushed and self._pending:
            self._doubtful = self._pending[-1]
        for flushed in waiting:
            if not flushed.done():  # the push may have been cancelled
                flushed.set_result(is_flushed)
        if self._unflushed:
            # rows that are pushed because of these answers can take part
            asyncio.get_running_loop().call_soon(self._flush)
        else:
            self._flushing = False

    def _may_append(self) -> bool:
        return not (
            self._appending.locked()
            or self._is_behind
            or self._is_in_doubt
            or time.monotonic() < self._slow_until
        )

    @property
    def _is_in_doubt(self) -> bool:
        """Whether a record may not be in the journal. None with a higher number may be there
        before it was moved from memory: another process that moves that one would pass it over.
        """
        return self._doubtful is not None and self._doubtful.stored is None

    @property
    def _is_behind(self) -> bool:
        return len(self._pending) > MAX_PENDING or self._pending_bytes > MAX_PENDING_BYTES

    async def commit(self, batches: Sequence[AttemptBatch]) -> list[bool]:
        for batch in batches:
            check(batch)
        if any(batch.attempt_id not in self._attempts or has_upserts(batch) for batch in batches):
            await self._move()
            return await super().commit(batches)
        if self._is_behind:
            await self._move()
        commit = _Commit(batches)
        self._waiting.append(commit)
        task = asyncio.create_task(self._write_waiting())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # a caller that is cancelled must not keep records from being counted
        await asyncio.shield(task)
        if commit.error is not None:
            raise commit.error
        if not commit.certain:
            await self._until_known()
            return [pending is not None and bool(pending.stored) for pending in commit.written]
        return [pending is not None for pending in commit.written]

    async def _write_waiting(self) -> None:
        """Write the batches of all waiting commits, with one flush."""
        async with self._appending:
            commits, self._waiting = self._waiting, []
            try:
                if self._is_in_doubt:
                    await self._move()
                await self._write_commits(commits)
            except Exception as error:
                for commit in commits:
                    commit.error = error

    async def _write_commits(self, commits: list[_Commit]) -> None:
        slots: list[tuple[_Commit, int, _OpenAttempt]] = []
        numbered: list[tuple[int, AttemptBatch]] = []
        numbers: dict[str, int] = {}
        for commit in commits:
            commit.written = [None] * len(commit.batches)
            for index, batch in enumerate(commit.batches):
                if attempt := self._open(batch):
                    number = numbers.get(batch.attempt_id, attempt.number) + 1
                    numbers[batch.attempt_id] = number
                    numbered.append((number, batch))
                    slots.append((commit, index, attempt))
        if not numbered:
            return
        seen = self._fences_seen  # as of now, see ``append``
        size, is_flushed = await self._in_journal(partial(self._write_records, numbered))
        share = size // len(numbered)
        for (commit, index, attempt), (number, batch) in zip(slots, numbered, strict=True):
            commit.written[index] = self._note(attempt, number, batch, share)
        if not is_flushed:
            self._doubtful = self._pending[-1]
        is_certain = is_flushed and self._fences.count == seen
        for commit in commits:
            commit.certain = is_certain

    def _write_records(self, numbered: Sequence[tuple[int, AttemptBatch]]) -> tuple[int, bool]:
        """Write records; return their size, and whether they are as durable as they have to be."""
        size, is_written = self._journal_writer.append(numbered)
        return size, is_written and (not self._durable or self._sync())

    def _sync(self) -> bool:
        """Flush; return whether everything written before is on disk."""
        try:
            self._journal_writer.sync()
        except Exception as error:
            log.warning("journal_not_flushed", error=str(error))
            self._journal_writer.begin_segment()
            return False
        return True

    async def _in_journal(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._journal_thread, work)

    def _note(self, attempt: _OpenAttempt, number: int, batch: AttemptBatch, size: int) -> _Pending:
        """Note that a record was written."""
        attempt.number = number
        pending = _Pending(JournalRecord(number, batch), self._journal_writer.segment, size)
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
        length = part_length(pending.record for pending in self._pending)
        part = list(islice(self._pending, length))
        is_all = length == len(self._pending)
        segment = self._journal_writer.segment if is_all else self._pending[length].segment

        def keep(index: int) -> None:
            self._journal.keep(segment_path(self._journal.path, part[index].segment), DAMAGED)

        def work() -> list[bool]:
            with self._journal.locked():
                stored = move(self._writer.do, [pending.record for pending in part], keep)
                self._remove_before(segment)
                return stored

        stored = await self._in_writer(work)
        self._moved_at = asyncio.get_running_loop().time()
        for pending, is_stored in zip(part, stored, strict=True):
            self._pending.popleft()
            self._pending_bytes -= pending.size
            pending.stored = is_stored
        self._announce(pending.record.batch for pending in part if pending.stored)

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
        if not self._started:
            await super().close()
            return
        self._closing = True
        if isinstance(self._mover, asyncio.TimerHandle):
            self._mover.cancel()
        if tasks := [
            task for task in (self._mover, *self._tasks) if isinstance(task, asyncio.Task)
        ]:
            await asyncio.wait(tasks)
        with suppress(Unavailable):
            await self._move()
        await asyncio.to_thread(self._journal_thread.shutdown)
        await super().close()
        if not self._pending:
            self._remove_before(self._journal_writer.segment + 1)
        self._fences.close()
