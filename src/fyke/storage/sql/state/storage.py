"""Implements ``contracts.Storage``: threads, retries, and signals after the commit.

SQLite has one writer at a time, so there is one writing thread, and writers wait in its queue
instead of in the driver; readers have a small pool and never wait for the writer. PostgreSQL has a
small pool for each, and one thread for urgent writes.

When the connection is lost during a commit on PostgreSQL, another thread looks up whether the
commit took place (``commits.py``). If it did, the caller gets the result; if not, the work runs
again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from fyke.contracts.inline import InlineStorage
from fyke.contracts.liveness import StorePath
from fyke.contracts.revisions import RunRevisions
from fyke.contracts.state import Transaction
from fyke.errors import OutcomeUnknown, Unavailable
from fyke.kit.backoff import delay
from fyke.storage.deadlines import RETRY_SECONDS
from fyke.storage.sql.counted import CountedExecutor
from fyke.storage.sql.dialects import (
    for_reading,
    for_writing,
    is_sqlite,
    make_engine,
    normalise_url,
    sqlite_file,
)
from fyke.storage.sql.failures import is_disconnect, is_down, is_retryable
from fyke.storage.sql.state.commits import CommitInDoubt, CommitMarks
from fyke.storage.sql.state.delayed_signals import DelayedSignals, DueSignal
from fyke.storage.sql.state.inline import InlineState
from fyke.storage.sql.state.transaction import SqlTransaction

if TYPE_CHECKING:
    from fyke.storage.sql.state.run_revisions import PostgresRunRevisions

T = TypeVar("T")

READERS = 4
POSTGRES_WRITERS = 4
URGENT_WRITERS = 1  # on PostgreSQL
LOOKUP_THREADS = 2  # for commits in doubt
TRIES = 8  # of a transaction that conflicts with others; about two seconds in all
LONG_SECONDS = 10


class SqlStorage:
    """``contracts.Storage`` over SQLAlchemy.

    ``notify`` is called once per topic after the commit, from a thread, or when the topic is due
    later from the event loop. ``hiding`` lists the outcomes of attempts whose rows are hidden.
    ``clock`` replaces the clock of the database.
    """

    def __init__(
        self,
        writing: Engine,
        reading: Engine,
        *,
        writers: int,
        readers: int,
        notify: Callable[[str], None],
        hiding: frozenset[str],
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.engine = writing
        self._reading_engine = reading
        self._writing = for_writing(writing)
        self._reading = for_reading(reading)
        self._writers = ThreadPoolExecutor(writers, thread_name_prefix="state-write")
        self._urgent = (
            self._writers
            if is_sqlite(writing)
            else ThreadPoolExecutor(URGENT_WRITERS, thread_name_prefix="state-urgent")
        )
        self._readers = CountedExecutor(readers, thread_name_prefix="state-read")
        self._lookups = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="state-look")
        self._marks = None if is_sqlite(writing) else CommitMarks()
        self._signals = DelayedSignals(notify)
        self._hiding = hiding
        self._clock = clock
        self._inline: list[InlineState | PostgresRunRevisions] = []

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on one snapshot of the state. It cannot write or notify."""
        return await self._in_thread(self._readers, self._reading, work)

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        """Run ``work``, commit, notify. When it raises, nothing is committed or notified.

        Raise ``Unavailable`` when the database cannot be reached or is full, or after too many
        conflicts with other transactions. Raise ``OutcomeUnknown`` when the connection was lost
        during the commit and the database did not come back in time.
        """
        try:
            executor = self._urgent if urgent else self._writers
            return await self._in_thread(executor, self._writing, work)
        except CommitInDoubt as doubt:
            if await self._was_committed(doubt):
                self._signals.send(doubt.topics, asyncio.get_running_loop())
                value: T = doubt.value
                return value
        return await self.write(work, urgent=urgent)  # nothing was stored

    async def _was_committed(self, doubt: CommitInDoubt) -> bool:
        """Raise ``OutcomeUnknown`` when the database does not answer in time."""
        assert self._marks is not None  # noqa: S101 - for the type checker
        was_committed = self._marks.was_committed
        loop = asyncio.get_running_loop()
        try:
            committed = await loop.run_in_executor(
                self._lookups, was_committed, self._writing, doubt.mark
            )
        except RuntimeError as error:  # the executor is shut down
            raise OutcomeUnknown from error
        if committed is None:
            raise OutcomeUnknown from doubt
        return committed

    async def inline(self) -> InlineStorage | None:
        """Open the state for reads in the event loop; None on PostgreSQL, where every read waits
        for the network. It is closed with this storage.
        """
        file = sqlite_file(self._reading_engine)
        if file is None:
            return None
        opened = await asyncio.to_thread(InlineState, file, hiding=self._hiding, clock=self._clock)
        self._inline.append(opened)
        return opened

    async def revisions(self) -> RunRevisions | None:
        """Connect for ``RunRevisions``, to be used in this event loop; None on SQLite, which is
        read ``inline``. It is closed with this storage.
        """
        if is_sqlite(self.engine):
            return None
        # psycopg is needed on PostgreSQL only
        from fyke.storage.sql.state.run_revisions import PostgresRunRevisions

        url = self.engine.url.render_as_string(hide_password=False)
        opened = PostgresRunRevisions(url)
        await opened.open()
        self._inline.append(opened)
        return opened

    def path(self) -> StorePath:
        """The read path, for the liveness check. Writes would be a worse indicator: on SQLite they
        wait for writes of other processes.
        """
        return StorePath(
            lambda: self.read(lambda tx: tx.accounts.operator()), self._readers.progress
        )

    async def close(self) -> None:
        """Wait for running transactions, then close all connections."""
        self._signals.close()
        if self._marks is not None:
            self._marks.close()
        for inline in self._inline:
            await inline.close()
        for executor in (self._writers, self._urgent, self._readers, self._lookups):
            await asyncio.to_thread(executor.shutdown)
        self.engine.dispose()
        self._reading_engine.dispose()

    async def _in_thread(
        self, executor: Executor, engine: Engine, work: Callable[[Transaction], T]
    ) -> T:
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(executor, self._run, engine, work, loop)
        except RuntimeError as error:  # the executor is shut down
            raise Unavailable("The storage is closing; try again later") from error
        return await future

    def _run(
        self, engine: Engine, work: Callable[[Transaction], T], loop: asyncio.AbstractEventLoop
    ) -> T:
        tries, started = 0, time.monotonic()
        while True:
            tries += 1
            try:
                value, topics = self._once(engine, work)
            except SQLAlchemyError as error:
                if not _should_retry(error, tries, time.monotonic() - started):
                    raise _translated(error) from error
            else:
                self._signals.send(topics, loop)
                return value
            time.sleep(delay(tries, base=0.01, cap=0.5, jitter=0.5))

    def _once(
        self, engine: Engine, work: Callable[[Transaction], T]
    ) -> tuple[T, tuple[DueSignal, ...]]:
        marks = self._marks if engine is self._writing else None
        with engine.connect() as connection:
            transaction = connection.begin()
            try:
                if marks is not None:
                    marks.begin(connection)
                tx = SqlTransaction(connection, hiding=self._hiding, clock=self._clock)
                value = work(tx)
                topics = tx.finish() if engine is self._writing else ()
                mark = marks.put(connection) if marks else None
            except BaseException:
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except SQLAlchemyError as error:
                if marks and mark and is_disconnect(error):
                    marks.renew()
                    raise CommitInDoubt(mark, value, topics) from error
                raise
        return value, topics


def _should_retry(error: SQLAlchemyError, tries: int, seconds: float) -> bool:
    if is_retryable(error):
        # a transaction that waited that long for a lock would wait as long again
        return tries < TRIES and seconds < LONG_SECONDS
    # after a restart of the server the pooled connections are broken; the second one is new
    return is_disconnect(error) and tries < 2 and seconds < RETRY_SECONDS


def _translated(error: SQLAlchemyError) -> Exception:
    if is_down(error):
        return Unavailable(
            "The database cannot be reached, is full or does not answer in time; "
            "nothing was changed"
        )
    return error


def open_storage(
    url: str,
    *,
    durable: bool,
    notify: Callable[[str], None],
    hiding: frozenset[str],
    clock: Callable[[], int] | None = None,
) -> SqlStorage:
    """Open the state at ``url``, which ``schema.migrate`` has prepared; connects at first use.

    ``url`` is ``sqlite:////absolute/path/state.db`` or ``postgresql://user@host/name``.
    ``durable``: a write returns only after it is on disk. Raise ``InvalidRequest`` for another URL.
    """
    sqlite = normalise_url(url).drivername == "sqlite"
    writers = 1 if sqlite else POSTGRES_WRITERS
    others = 0 if sqlite else URGENT_WRITERS + LOOKUP_THREADS
    writing = make_engine(url, durable=durable, pool_size=writers + others)
    reading = make_engine(url, durable=durable, pool_size=READERS, reading=True)
    return SqlStorage(
        writing,
        reading,
        writers=writers,
        readers=READERS,
        notify=notify,
        hiding=hiding,
        clock=clock,
    )
