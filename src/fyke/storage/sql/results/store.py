"""``SqlResults``: one thread that writes, a few that read, and what happens when that fails.

All writes of a process go through one thread, because SQLite takes one writer at a time anyway
and a queue of our own is fair where the database's lock is not. Readers have connections of
their own and never wait for the writer (WAL on SQLite, MVCC on PostgreSQL).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog
from sqlalchemy import Engine

from fyke.errors import Unavailable
from fyke.kit import backoff
from fyke.model.log import LogEntry, LogExcerpt, LogFilter
from fyke.model.results import AttemptBatch, Header, Row, RunTotals
from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results import delete, read, write
from fyke.storage.sql.results.connect import connect
from fyke.storage.sql.results.drivers import Driver, InDoubt, RetryWrite
from fyke.storage.sql.results.hidden import HiddenPositions
from fyke.storage.sql.results.plan import check

T = TypeVar("T")

READERS = 4
_TRIES = 3

log = structlog.get_logger(__name__)


def open_results(url: str, *, durable: bool) -> SqlResults:
    """Open the store at ``url``; ``migrate_results`` must have run.

    ``durable``: a commit is acknowledged only after it is on disk. Otherwise it survives the
    death of the process but may be lost with the power.
    """
    return SqlResults(make_engine(url, durable=durable, pool_size=READERS + 1))


class SqlResults:
    """``Results`` on SQLite or PostgreSQL. Everything may raise ``Unavailable``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = _Writer(engine)
        self._readers = _Readers(engine)
        self._hidden = HiddenPositions()
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="results-write")
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix="results-read")

    async def commit(self, batches: Sequence[AttemptBatch]) -> list[bool]:
        for batch in batches:
            check(batch)
        if not batches:
            return []
        return await self._write(lambda driver: write.commit(driver, batches))

    async def open_attempt(self, run_id: str, attempt_id: str) -> None:
        await self._write(lambda driver: write.open_attempt(driver, run_id, attempt_id))

    async def close_attempt(self, attempt_id: str) -> int:
        return await self._write(lambda driver: write.close_attempt(driver, attempt_id))

    async def totals(self, run_id: str, hidden: frozenset[str]) -> RunTotals:
        return await self._read(lambda driver: read.totals(driver, run_id, hidden))

    async def headers(self, run_id: str) -> list[Header]:
        return await self._read(lambda driver: read.headers(driver, run_id))

    async def page(
        self, run_id: str, hidden: frozenset[str], *, offset: int, limit: int
    ) -> list[Row]:
        return await self._read(
            lambda driver: read.page(
                driver, run_id, hidden, self._hidden, offset=offset, limit=limit
            )
        )

    async def rows_after(
        self, run_id: str, hidden: frozenset[str], *, position: int, limit: int
    ) -> list[Row]:
        return await self._read(
            lambda driver: read.rows_after(driver, run_id, hidden, position=position, limit=limit)
        )

    async def rows_at(self, run_id: str, positions: Sequence[int]) -> list[Row]:
        return await self._read(lambda driver: read.rows_at(driver, run_id, positions))

    async def log_tail(self, run_id: str, limit: int) -> list[LogEntry]:
        return await self._read(lambda driver: read.log_tail(driver, run_id, limit))

    async def log_after(self, run_id: str, position: int, limit: int) -> list[LogEntry]:
        return await self._read(lambda driver: read.log_after(driver, run_id, position, limit))

    async def log_count(self, run_id: str) -> int:
        return await self._read(lambda driver: read.log_count(driver, run_id))

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
        return await self._read(
            lambda driver: read.log_scan(
                driver, run_id, wanted, low=low, high=high, limit=limit, cut=cut, newest=newest
            )
        )

    async def delete_run(self, run_id: str) -> None:
        """In small steps, with as long a rest after each as it took, so that writers get in."""
        await self._write(lambda driver: delete.hide(driver, run_id))
        for left in await self._write(delete.hidden_runs):
            step = delete.FIRST_STEP
            done = False
            while not done:
                start = time.monotonic()
                done = await self._write(_deletion(left, step))
                took = time.monotonic() - start
                step = delete.next_step(step, took)
                await asyncio.sleep(min(took, 1.0))

    async def close(self) -> None:
        """Finish running work and close every connection."""
        self._writer.closing.set()
        await asyncio.to_thread(self._writing.shutdown)
        await asyncio.to_thread(self._reading.shutdown)
        self._writer.close()
        self._readers.close()
        self._engine.dispose()

    async def _write(self, work: Callable[[Driver], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writing, self._writer.do, work)

    async def _read(self, work: Callable[[Driver], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, self._readers.do, work)


def _deletion(left: delete.HiddenRun, step: int) -> Callable[[Driver], bool]:
    """One step; it must not count twice when the transaction is run again."""
    gone = left.gone

    def work(driver: Driver) -> bool:
        left.gone = gone
        if left.empty:
            return delete.remove_rest(driver, left, step)
        delete.remove_step(driver, left, step)
        return False

    return work


class _Writer:
    """The writing connection, and what to do when a transaction fails. One thread only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._driver: Driver | None = None
        self.closing = threading.Event()

    def do(self, work: Callable[[Driver], T]) -> T:
        """Run ``work`` in one transaction; it may run more than once, but counts once."""
        for _ in range(_TRIES):
            try:
                return self._once(work)
            except RetryWrite as exc:
                reason = exc.__cause__ or exc
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
            if self._settle(doubt.transaction):
                return result
            raise RetryWrite from doubt
        except BaseException as exc:
            self._recover(driver)
            meaning = driver.translate(exc)
            if meaning is exc:
                raise
            raise meaning from exc
        return result

    def _recover(self, driver: Driver) -> None:
        """Undo; a connection that cannot even do that is given up."""
        try:
            driver.rollback()
        except Exception as exc:
            log.warning("results connection given up", error=str(exc))
            self.close()

    def _settle(self, transaction: str) -> bool:
        """Ask until the database answers whether it has committed; only then can we say so."""
        failures = 0
        while True:
            try:
                self._driver = self._driver or connect(self._engine, writes=True)
                settled = self._driver.settle(transaction)
                if settled is not None:
                    return settled
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
    """A connection for each reading thread, renewed when it is lost."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._mine = threading.local()
        self._all: set[Driver] = set()
        self._lock = threading.Lock()

    def do(self, work: Callable[[Driver], T]) -> T:
        for _ in range(_TRIES):
            driver = self._driver()
            try:
                return work(driver)
            except Exception as exc:
                meaning = driver.translate(exc)
                if meaning is exc:
                    raise
                self._give_up(driver)
                if not isinstance(meaning, RetryWrite):
                    raise meaning from exc
                reason = exc
        raise Unavailable(f"The results store cannot be read: {reason}") from reason

    def _driver(self) -> Driver:
        driver: Driver | None = getattr(self._mine, "driver", None)
        if driver is None:
            driver = connect(self._engine, writes=False)
            self._mine.driver = driver
            with self._lock:
                self._all.add(driver)
        return driver

    def _give_up(self, driver: Driver) -> None:
        self._mine.driver = None
        with self._lock:
            self._all.discard(driver)
        driver.close()

    def close(self) -> None:
        with self._lock:
            drivers, self._all = self._all, set()
        for driver in drivers:
            driver.close()
