"""``SqlResults``: one thread that writes, a few that read, and the handling of failures.

All writes of a process go through one thread, because SQLite has one writer at a time anyway, and
the queue of the executor is fair, unlike the lock of the database. Readers have their own
connections and never wait for the writer (WAL on SQLite, MVCC on PostgreSQL).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
from sqlalchemy import Engine

from fyke.contracts.blobs import Blobs
from fyke.contracts.inline import InlineResults, NotInline
from fyke.contracts.liveness import StorePath
from fyke.errors import FykeError, NotStorable, Unavailable
from fyke.kit import backoff
from fyke.model.log import LogEntry, LogExcerpt, LogFilter
from fyke.model.results import AttemptBatch, Header, Row, RowBlock, RunTotals
from fyke.storage.deadlines import RETRY_SECONDS
from fyke.storage.sql.counted import CountedExecutor
from fyke.storage.sql.dialects import make_engine, sqlite_file
from fyke.storage.sql.inline import InlineConnection
from fyke.storage.sql.results import delete, read, seal, write
from fyke.storage.sql.results.connect import connect
from fyke.storage.sql.results.drivers import (
    Driver,
    InDoubt,
    NotCommitted,
    Reconnect,
    RetryWrite,
    first_line,
    is_of_content,
)
from fyke.storage.sql.results.frames import CachedFrames, Frames, InlineFrames
from fyke.storage.sql.results.hidden import HiddenPositions
from fyke.storage.sql.results.inline import InlineDriver
from fyke.storage.sql.results.kept import KeptRowCounts
from fyke.storage.sql.results.known import KnownAttempts, Lookup, NewAttempts
from fyke.storage.sql.results.plan import check
from fyke.storage.sql.results.sealing import RowSealer, delete_file

T = TypeVar("T")

READERS = 4
_TRIES = 3

log = structlog.get_logger(__name__)


def open_results(
    url: str, *, durable: bool, known: Lookup | None = None, blobs: Blobs | None = None
) -> SqlResults:
    """Open the store at ``url``; ``migrate_results`` must have run.

    ``blobs`` has the files with rows of ended runs; without it such rows can be neither read nor
    deleted.

    ``known`` gets ids of attempts and returns those that the state knows; rows of other attempts
    are not shown. None shows all rows, for a store without a state.

    ``durable``: a commit is acknowledged only after it is on disk. Otherwise it survives a crash of
    the process, but not always a loss of power.
    """
    return SqlResults(make_engine(url, durable=durable, pool_size=READERS + 1), known, blobs)


class SqlResults:
    """``Results`` on SQLite or PostgreSQL. All methods may raise ``Unavailable``."""

    _compares_numbers = True

    def __init__(
        self, engine: Engine, known: Lookup | None = None, blobs: Blobs | None = None
    ) -> None:
        self._engine = engine
        self._blobs = blobs
        self._cached_frames = CachedFrames(blobs)
        self._frames: Frames = self._cached_frames
        self._known = KnownAttempts(known) if known else None
        self._writer = Writer(engine)
        self._readers = _Readers(engine)
        self._hidden_positions = HiddenPositions()
        self._kept_rows = KeptRowCounts()
        self._unknown_error = ""  # of the last commit, if it was one
        self._inline: list[SqlResults] = []
        self._readable: Callable[[str], None] = lambda _: None
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="results-write")
        self._reading = CountedExecutor(READERS, thread_name_prefix="results-read")

    async def commit(
        self, batches: Sequence[AttemptBatch], opening: Collection[str] = ()
    ) -> list[bool]:
        for batch in batches:
            check(batch)
        if not batches:
            return []
        work = partial(
            write.commit,
            batches=batches,
            opening=opening,
            compares_numbers=self._compares_numbers,
        )
        try:
            stored = await self._write(work)
        except (FykeError, MemoryError):
            raise
        except Exception as error:
            if is_of_content(error):
                raise NotStorable(f"The database refuses it: {first_line(error)}") from error
            self._log_unknown(error)
            reason = f"The results store cannot be used: {first_line(error)}"
            raise Unavailable(reason) from error
        self._unknown_error = ""
        self._announce(batch for batch, is_stored in zip(batches, stored, strict=True) if is_stored)
        return stored

    def _log_unknown(self, error: Exception) -> None:
        """Log an error that is not expected of the database, once while commits are retried."""
        text = repr(error)
        if text != self._unknown_error:
            self._unknown_error = text
            log.error("rows_not_committed", exc_info=error)

    async def start(self) -> None:
        """Called once before the first write."""

    async def append(self, batch: AttemptBatch) -> bool | None:
        return None

    def watch(self, readable: Callable[[str], None]) -> None:
        self._readable = readable

    def _announce(self, batches: Iterable[AttemptBatch]) -> None:
        """Announce that these batches can be read."""
        for run_id in {batch.run_id: None for batch in batches}:
            self._readable(run_id)

    async def open_attempt(self, run_id: str, attempt_id: str) -> None:
        await self._write(lambda driver: write.open_attempt(driver, run_id, attempt_id))

    async def close_attempt(self, attempt_id: str) -> int:
        return await self._write(lambda driver: write.close_attempt(driver, attempt_id))

    async def release_upserts(self, attempt_id: str) -> None:
        await self._write(lambda driver: write.release_upserts(driver, attempt_id))

    async def totals(self, run_id: str, hidden: frozenset[str]) -> RunTotals:
        def work(hidden: frozenset[str], last: int, driver: Driver) -> RunTotals:
            return read.totals(driver, self._kept_rows, run_id, hidden, looked_up=last)

        return await self._read_visible(run_id, hidden, work)

    async def headers(self, run_id: str) -> list[Header]:
        return await self._read(lambda driver: read.headers(driver, run_id))

    async def keys(self, run_id: str, hidden: frozenset[str]) -> list[str] | None:
        def work(hidden: frozenset[str], last: int, driver: Driver) -> list[str] | None:
            return read.keys(driver, self._frames, run_id, hidden, looked_up=last)

        return await self._read_visible(run_id, hidden, work)

    async def page(
        self, run_id: str, hidden: frozenset[str], *, offset: int, limit: int
    ) -> list[Row]:
        def work(hidden: frozenset[str], last: int, driver: Driver) -> list[Row]:
            return read.page(
                driver,
                self._frames,
                run_id,
                hidden,
                self._hidden_positions,
                offset=offset,
                limit=limit,
                looked_up=last,
            )

        return await self._read_visible(run_id, hidden, work)

    async def rows_after(
        self, run_id: str, hidden: frozenset[str], *, position: int, limit: int
    ) -> list[Row]:
        def work(hidden: frozenset[str], last: int, driver: Driver) -> list[Row]:
            return read.rows_after(
                driver,
                self._frames,
                run_id,
                hidden,
                position=position,
                limit=limit,
                looked_up=last,
            )

        return await self._read_visible(run_id, hidden, work)

    async def block_after(
        self, run_id: str, hidden: frozenset[str], *, position: int, limit: int
    ) -> RowBlock:
        def work(hidden: frozenset[str], last: int, driver: Driver) -> RowBlock:
            return read.block_after(
                driver,
                self._frames,
                run_id,
                hidden,
                position=position,
                limit=limit,
                looked_up=last,
            )

        return await self._read_visible(run_id, hidden, work)

    async def rows_at(self, run_id: str, positions: Sequence[int]) -> list[Row]:
        return await self._read(
            lambda driver: read.rows_at(driver, self._frames, run_id, positions)
        )

    async def data_at(
        self, run_id: str, positions: Sequence[int], *, max_bytes: int
    ) -> list[bytes]:
        return await self._read(
            lambda driver: read.data_at(
                driver, self._frames, run_id, positions, max_bytes=max_bytes
            )
        )

    async def log_tail(self, run_id: str, limit: int) -> list[LogEntry]:
        return await self._read(lambda driver: read.log_tail(driver, run_id, limit))

    async def log_after(self, run_id: str, position: int, limit: int) -> list[LogEntry]:
        return await self._read(lambda driver: read.log_after(driver, run_id, position, limit))

    async def log_count(self, run_id: str) -> int:
        return await self._read(lambda driver: read.log_count(driver, run_id))

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
        return await self._read(
            lambda driver: read.log_scan(
                driver, run_id, filter, low=low, high=high, limit=limit, cut=cut, newest=newest
            )
        )

    async def delete_run(self, run_id: str) -> None:
        """Delete in small steps with pauses as long as each took, so that other writes can run."""
        await self._write(lambda driver: delete.mark_deleted(driver, run_id))
        for run in await self._write(delete.deleted_runs):
            await self._delete_file(run.number)
            step = delete.FIRST_STEP
            done = False
            while not done:
                start = time.monotonic()
                done = await self._write(_deletion(run, step))
                seconds = time.monotonic() - start
                step = delete.next_step(step, seconds)
                await asyncio.sleep(min(seconds, 1.0))

    async def _delete_file(self, number: int) -> None:
        blob = await self._read(lambda driver: seal.blob_of(driver, number))
        if not blob:
            return
        try:
            await delete_file(self._open_blobs(), blob)
        except (OSError, Unavailable) as error:
            # other runs wait for this one; ``fyke prune`` removes the file
            log.warning("rows_file_not_deleted", blob=blob, error=str(error))

    async def seal_runs(self, run_ids: Sequence[str], at_least: int) -> None:
        await RowSealer(self._write, self._read, self._open_blobs()).seal(run_ids, at_least)

    def _open_blobs(self) -> Blobs:
        if self._blobs is None:
            raise RuntimeError("the results were opened without blobs")
        return self._blobs

    async def inline(self) -> InlineResults | None:
        """Open the rows for reads in the event loop; None on PostgreSQL. It is closed with this
        store.
        """
        file = sqlite_file(self._engine)
        if file is None:
            return None
        opened = await asyncio.to_thread(
            InlineRows,
            file,
            self._engine,
            self._known,
            self._hidden_positions,
            self._kept_rows,
            self._cached_frames,
        )
        self._inline.append(opened)
        return opened

    def path(self) -> StorePath:
        """The path of reads to the database. Writes show less: after a commit in doubt they wait
        for the database, however long that takes.
        """

        async def read_nothing() -> int:
            return await SqlResults._read(self, lambda driver: read.log_count(driver, ""))

        return StorePath(read_nothing, self._reading.progress)

    async def close(self) -> None:
        """Finish running operations and close all connections."""
        self._writer.closing.set()
        for inline in self._inline:
            await inline.close()
        await asyncio.to_thread(self._writing.shutdown)
        await asyncio.to_thread(self._reading.shutdown)
        self._writer.close()
        self._readers.close()
        self._engine.dispose()

    async def _write(self, work: Callable[[Driver], T]) -> T:
        return await self._in_writer(partial(self._writer.do, work))

    async def _in_writer(self, work: Callable[[], T]) -> T:
        """Call ``work`` in the thread that writes."""
        return await asyncio.get_running_loop().run_in_executor(self._writing, work)

    async def _read(self, work: Callable[[Driver], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, self._readers.do, work)

    async def _read_visible(
        self,
        run_id: str,
        hidden: frozenset[str],
        work: Callable[[frozenset[str], int, Driver], T],
    ) -> T:
        """Call ``work`` with the attempts whose rows are not shown: ``hidden`` and those that the
        state does not know. It is repeated after new attempts were looked up.
        """
        if self._known is None:
            return await self._read(partial(work, hidden, read.ALL))
        while True:
            known = self._known.of(run_id)
            excluded, last = hidden | known.unknown, known.last
            try:
                return await self._read(partial(work, excluded, last))
            except NewAttempts as new:
                await self._known.look_up(run_id, new)


class InlineRows(SqlResults):
    """``InlineResults``: the reads of ``SqlResults`` on one connection of the event loop. What was
    looked up, the positions and the numbers of hidden rows, and frames are shared with the store
    that opens it.
    """

    def __init__(
        self,
        file: Path,
        engine: Engine,
        known: KnownAttempts | None,
        hidden: HiddenPositions,
        kept: KeptRowCounts,
        frames: CachedFrames,
    ) -> None:
        super().__init__(engine)
        self._kept_rows = kept
        self._frames = self._inline_frames = InlineFrames(frames)
        self._known = known
        self._hidden_positions = hidden
        self._connection = InlineConnection(file)
        self._driver = InlineDriver(self._connection.raw)

    def version(self) -> int:
        return self._connection.version()

    async def close(self) -> None:
        self._connection.close()

    async def _read(self, work: Callable[[Driver], T]) -> T:
        self._inline_frames.start()
        with self._connection.snapshot():
            return work(self._driver)

    async def _write(self, work: Callable[[Driver], T]) -> T:
        raise NotInline


def _deletion(run: delete.DeletedRun, step: int) -> Callable[[Driver], bool]:
    """Return one step of a deletion; True when it was the last. It may be retried."""
    removed = run.removed

    def work(driver: Driver) -> bool:
        run.removed = removed
        done = run.empty and delete.remove_rest(driver, run, step)
        if not run.empty:
            delete.remove_step(driver, run, step)
        return not driver.release_pages() and done

    return work


class _Tries:
    """The tries of one operation; a silent connection uses up all of its time."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __iter__(self) -> Iterator[None]:
        for _ in range(_TRIES):
            yield
            if time.monotonic() - self._started > RETRY_SECONDS:
                return

    def database_answered(self) -> None:
        """The time begins again."""
        self._started = time.monotonic()


class Writer:
    """The writing connection, with retries. Used by one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._driver: Driver | None = None
        self.closing = threading.Event()

    def do(self, work: Callable[[Driver], T]) -> T:
        """Run ``work`` in one transaction. It may run more than once, but is committed once."""
        tries = _Tries()
        for _ in tries:
            try:
                return self._once(work)
            except RetryWrite as exc:
                reason = exc.__cause__ or exc
                if isinstance(exc, NotCommitted):
                    tries.database_answered()
        raise Unavailable(f"The results store cannot be used: {reason}") from reason

    def _once(self, work: Callable[[Driver], T]) -> T:
        driver = self._driver or connect(self._engine, writes=True)
        self._driver = driver
        try:
            driver.begin()
            result = work(driver)
            driver.commit()
        except InDoubt as doubt:
            self.close()
            if self._was_committed(doubt.transaction):
                return result
            raise NotCommitted from doubt.__cause__
        except BaseException as exc:
            self._recover(driver)
            translated = driver.translate(exc)
            if isinstance(translated, Reconnect):
                self.close()
            if translated is exc:
                raise
            raise translated from exc
        return result

    def _recover(self, driver: Driver) -> None:
        """Roll back; close the connection if that fails."""
        try:
            driver.rollback()
        except Exception as exc:
            log.warning("results connection given up", error=str(exc))
            self.close()

    def _was_committed(self, transaction: str) -> bool:
        """Retry until the database answers whether it has committed the transaction."""
        failures = 0
        while True:
            try:
                self._driver = self._driver or connect(self._engine, writes=True)
                committed = self._driver.was_committed(transaction)
                if committed is not None:
                    return committed
                log.warning("results commit in progress", transaction=transaction)
            except Exception as exc:
                log.warning("results commit in doubt", transaction=transaction, error=str(exc))
                self.close()
            failures += 1
            if self.closing.wait(backoff.delay(failures, base=0.05, cap=1.0)):
                raise Unavailable("The database was lost while committing; the outcome is unknown")

    def close(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()


class _Readers:
    """A connection for each reading thread. When one is lost, all are replaced."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._local = threading.local()
        self._all: set[Driver] = set()
        self._lost = 0  # the number of connections lost so far
        self._lock = threading.Lock()

    def do(self, work: Callable[[Driver], T]) -> T:
        for _ in _Tries():
            driver = self._driver()
            try:
                return work(driver)
            except Exception as exc:
                translated = driver.translate(exc)
                if translated is exc:
                    raise
                self._discard(driver)
                if not isinstance(translated, RetryWrite):
                    raise translated from exc
                self._lost += 1
                reason = exc
        raise Unavailable(f"The results store cannot be read: {reason}") from reason

    def _driver(self) -> Driver:
        driver: Driver | None = getattr(self._local, "driver", None)
        if driver is not None and self._local.lost != self._lost:
            self._discard(driver)
            driver = None
        if driver is None:
            self._local.lost = self._lost
            driver = connect(self._engine, writes=False)
            self._local.driver = driver
            with self._lock:
                self._all.add(driver)
        return driver

    def _discard(self, driver: Driver) -> None:
        self._local.driver = None
        with self._lock:
            self._all.discard(driver)
        driver.close()

    def close(self) -> None:
        with self._lock:
            drivers, self._all = self._all, set()
        for driver in drivers:
            driver.close()
