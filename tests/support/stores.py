"""The stores of a test in separate SQLite files, with engines that are reused by later tests.

SQLAlchemy caches compiled statements in the engine. A new engine for each test would compile each
statement again, which takes longer than most tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, event, make_url

from fyke.contracts.signals import Signals
from fyke.contracts.state import Transaction
from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.service import Runs
from fyke.domain.runs.transitions import Rules
from fyke.domain.workers.service import Workers
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import ManualClock
from fyke.model.account import Caller, Role
from fyke.model.run import Run
from fyke.model.runner import Capacity, Lease
from fyke.parsing.pools import ThreadPool
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results import journaled
from fyke.storage.sql.results import store as results_store
from fyke.storage.sql.results.journaled import JournaledResults
from fyke.storage.sql.results.known import Lookup
from fyke.storage.sql.results.store import SqlResults
from fyke.storage.sql.state import storage as state_storage
from fyke.storage.sql.state.storage import SqlStorage
from support import records
from support.prepared import rows_in, state_in

T = TypeVar("T")
SQLITE = "sqlite:///"
ROOM = Capacity(cpus=100, memory_mb=10**6, slots=100)


class _Engine:
    """An engine whose new connections open ``file``; its user sets ``file`` and the URL."""

    def __init__(self, pool_size: int, reading: bool) -> None:
        self.file = ""
        self.engine: Engine = make_engine(
            "sqlite:////file", durable=False, pool_size=pool_size, reading=reading
        )

        @event.listens_for(self.engine, "do_connect")
        def connect(_dialect: Any, _record: Any, arguments: list[Any], _named: Any) -> None:
            arguments[0] = self.file

        @event.listens_for(self.engine, "connect")
        def set_up(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA synchronous=OFF")  # durability is not tested here


_free: dict[tuple[int, bool], list[_Engine]] = {}


@contextmanager
def _engine(file: Path, pool_size: int, *, reading: bool = False) -> Iterator[Engine]:
    """An engine for the length of the block. Its store closes the connections."""
    free = _free.setdefault((pool_size, reading), [])
    engine = free.pop() if free else _Engine(pool_size, reading)
    engine.file, engine.engine.url = str(file), make_url(f"{SQLITE}{file}")
    yield engine.engine
    engine.engine.dispose()
    free.append(engine)


@contextmanager
def sqlite_stores(
    folder: Path, notify: Callable[[str], None], clock: Callable[[], int] | None = None
) -> Iterator[tuple[SqlStorage, SqlResults]]:
    """Open the stores of the state and the rows in ``folder``, which contains both databases. The
    caller closes both stores.
    """
    with ExitStack() as stack:
        yield (
            stack.enter_context(_sqlite_state(folder / "state.db", notify, HIDING, clock)),
            stack.enter_context(_sqlite_rows(folder / "rows.db", blobs=folder / "blobs")),
        )


@contextmanager
def _sqlite_state(
    file: Path,
    notify: Callable[[str], None],
    hiding: frozenset[str],
    clock: Callable[[], int] | None,
) -> Iterator[SqlStorage]:
    readers = state_storage.READERS
    with _engine(file, 1) as writing, _engine(file, readers, reading=True) as reading:
        yield SqlStorage(
            writing, reading, writers=1, readers=readers, notify=notify, hiding=hiding, clock=clock
        )


@contextmanager
def _sqlite_rows(
    file: Path, known: Lookup | None = None, blobs: Path | None = None
) -> Iterator[SqlResults]:
    with _engine(file, results_store.READERS + 1) as rows:
        yield SqlResults(rows, known, _blobs(blobs))


def _blobs(folder: Path | None) -> FilesystemBlobs | None:
    return None if folder is None else FilesystemBlobs(folder, durable=False)


@asynccontextmanager
async def open_state(
    url: str,
    notify: Callable[[str], None] = str,
    *,
    hiding: frozenset[str] = frozenset(),
    clock: Callable[[], int] | None = None,
) -> AsyncIterator[SqlStorage]:
    """Open the storage at ``url``, where the tables exist already."""
    with ExitStack() as stack:
        if url.startswith(SQLITE):
            file = Path(url.removeprefix(SQLITE))
            storage = stack.enter_context(_sqlite_state(file, notify, hiding, clock))
        else:
            storage = state_storage.open_storage(
                url, durable=False, notify=notify, hiding=hiding, clock=clock
            )
        try:
            yield storage
        finally:
            await storage.close()


@asynccontextmanager
async def open_rows(
    url: str,
    known: Lookup | None = None,
    *,
    journal: Path | None = None,
    runner: bool = False,
    durable: bool = False,
    blobs: Path | None = None,
) -> AsyncIterator[SqlResults]:
    """Open the results at ``url``, where the tables exist already; ``blobs`` is the folder for the
    rows of ended runs.
    """
    with ExitStack() as stack:
        if url.startswith(SQLITE) and journal is None:
            file = Path(url.removeprefix(SQLITE))
            store = stack.enter_context(_sqlite_rows(file, known, blobs))
        else:
            store = journaled.open_results(
                url,
                durable=durable,
                known=known,
                journal=journal,
                runner=runner,
                blobs=_blobs(blobs),
            )
        await store.start()
        try:
            yield store
        finally:
            await store.close()


async def kill_runner(runner: JournaledResults) -> None:
    """Leave the journal as a killed runner does: ``close`` then moves and removes nothing."""
    if isinstance(runner._mover, asyncio.TimerHandle):
        runner._mover.cancel()
    elif runner._mover is not None:
        await asyncio.wait([runner._mover])
    runner._pending.clear()
    runner._journal_writer.take_before(10**9)


@dataclass
class Stores:
    """Both stores with a clock that the test moves, one account with a worker, and the topics that
    were notified.
    """

    storage: SqlStorage
    results: SqlResults
    clock: ManualClock
    notified: list[str]
    account: str = ""
    worker: str = ""

    @property
    def caller(self) -> Caller:
        return Caller(self.account, "acme", False, "u", "k", Role.OWNER)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self.storage.write(work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self.storage.read(work)

    async def run(self, parts: int = 1, **changes: Any) -> Run:
        """A waiting run of the account."""
        changes = {"created_at": self.clock.now_ms()} | changes
        return await self.write(
            lambda tx: records.seed_run(tx, self.account, self.worker, parts, **changes)
        )

    async def lease(self, runner: str = "r1") -> list[Lease]:
        """Lease all waiting subtasks to one runner."""
        return await self.write(lambda tx: tx.runs.lease(runner, ROOM, tx.now + 60_000))

    def runs(self, folder: Path, rules: Rules, signals: Signals) -> Runs:
        """The service of runs over these stores, with the published bundles in ``folder``."""
        workers = Workers(
            self.storage, FilesystemBlobs(folder, durable=False), ThreadPool(), self.clock
        )
        callbacks = CallbackRules(AddressRules(()))
        return Runs(self.storage, self.results, workers, signals, rules, callbacks)

    async def stored(self, run: Run) -> Run:
        current = await self.read(lambda tx: tx.runs.get(run.id))
        assert current is not None
        return current


@asynccontextmanager
async def open_stores(folder: Path) -> AsyncIterator[Stores]:
    """New databases in ``folder``."""
    state_in(folder)
    rows_in(folder)
    clock, notified = ManualClock(), list[str]()
    with sqlite_stores(folder, notified.append, clock.now_ms) as (storage, results):
        try:
            stores = Stores(storage, results, clock, notified)
            stores.account, stores.worker = await stores.write(records.seed)
            notified.clear()
            yield stores
        finally:
            await storage.close()
            await results.close()
