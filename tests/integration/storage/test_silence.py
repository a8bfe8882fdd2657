"""Silent connections to PostgreSQL: they accept data but never answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

import psycopg
import pytest
from psycopg import errors

from fyke.contracts.state import Transaction
from fyke.errors import Unavailable
from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage import deadlines, postgres
from fyke.storage.deadlines import Deadline
from fyke.storage.signals import postgres as signals_module
from fyke.storage.signals.postgres import PostgresSignals
from fyke.storage.sql import dialects
from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results import postgres as results_module
from fyke.storage.sql.results import store as store_module
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import open_results
from fyke.storage.sql.state import storage as state_module
from fyke.storage.sql.state.schema import migrate
from fyke.storage.sql.state.storage import SqlStorage, open_storage
from support import records
from support.postgres import PostgresServer
from support.postgres_relay import Relay

pytestmark = pytest.mark.anyio

T = TypeVar("T")
SHORT = Deadline(statement=0.6, silence=1, lock=0.4)
IN_TIME = 8  # seconds, for two silences of SHORT on a busy machine
NONE: frozenset[str] = frozenset()
RUN = "01RUN"


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(postgres.TimedConnection, "silence", SHORT.silence)
    monkeypatch.setattr(dialects, "REQUEST", SHORT)
    for module in (state_module, store_module):
        monkeypatch.setattr(module, "RETRY_SECONDS", SHORT.silence / 2)
    for name in ("BATCH", "PAGE"):
        monkeypatch.setattr(results_module, name, SHORT)
    monkeypatch.setattr(signals_module, "SIGNAL", SHORT)
    monkeypatch.setattr(signals_module, "CHECK_SECONDS", 0.5)


def through(relay: Relay, server: PostgresServer, url: str) -> str:
    return url.replace(str(server.socket_dir), str(relay.folder))


@pytest.fixture
async def storage(
    relay: Relay, postgres: PostgresServer, postgres_url: str, anyio_backend: str
) -> AsyncIterator[SqlStorage]:
    migrate(postgres_url)
    store = open_storage(
        through(relay, postgres, postgres_url), durable=True, notify=str, hiding=NONE
    )
    yield store
    await store.close()


def add(tx: Transaction) -> None:
    tx.accounts.add(records.account())


async def test_silent_connections_of_the_state_are_replaced(
    storage: SqlStorage, relay: Relay
) -> None:
    await asyncio.gather(*[storage.write(add) for _ in range(4)])
    await asyncio.gather(*[storage.read(lambda tx: tx.accounts.all()) for _ in range(4)])
    relay.silence()
    async with asyncio.timeout(IN_TIME):
        answers = await asyncio.gather(
            *[storage.write(add) for _ in range(4)],
            *[storage.read(lambda tx: tx.accounts.all()) for _ in range(4)],
            return_exceptions=True,
        )
    assert any(isinstance(answer, Unavailable) for answer in answers)
    added = 4 + answers[:4].count(None)
    async with asyncio.timeout(2):
        assert len(await storage.read(lambda tx: tx.accounts.all())) == added


async def test_a_database_that_only_accepts_connections_is_unavailable(
    storage: SqlStorage, relay: Relay
) -> None:
    await storage.write(add)
    relay.silence()
    relay.silent = True
    async with asyncio.timeout(IN_TIME):
        with pytest.raises(Unavailable):
            await storage.write(add)
    started = time.monotonic()
    with pytest.raises(Unavailable):
        await storage.read(lambda tx: tx.accounts.all())
    assert time.monotonic() - started < 4  # two seconds to connect
    relay.silent = False
    assert len(await storage.read(lambda tx: tx.accounts.all())) == 1


async def test_a_statement_that_takes_too_long_is_cancelled_and_reported(
    storage: SqlStorage,
) -> None:
    def slow(tx: Transaction) -> None:
        tx.connection.exec_driver_sql("SELECT pg_sleep(60)")  # type: ignore[attr-defined]

    async with asyncio.timeout(IN_TIME):
        with pytest.raises(Unavailable, match="nothing was changed"):
            await storage.write(slow)


async def test_the_locks_of_a_silent_session_are_released(
    storage: SqlStorage, relay: Relay, postgres: PostgresServer, postgres_url: str
) -> None:
    account = records.account()
    await storage.write(lambda tx: tx.accounts.add(account))

    def lock_and_fall_silent(tx: Transaction) -> None:
        assert tx.accounts.lock(account.id)
        asyncio.run_coroutine_threadsafe(fall_silent(), loop).result()
        tx.accounts.all()

    async def fall_silent() -> None:
        relay.silence()
        relay.down = True

    loop = asyncio.get_running_loop()
    silent = asyncio.create_task(storage.write(lock_and_fall_silent))
    while not relay.down:
        await asyncio.sleep(0.01)
    async with asyncio.timeout(IN_TIME):
        with pytest.raises(Unavailable):
            await silent
        other = open_storage(postgres_url, durable=True, notify=str, hiding=NONE)
        assert await other.write(lambda tx: tx.accounts.lock(account.id)) == account
    await other.close()


@pytest.mark.parametrize("work", ["one", "queries", "run_many", "batched", "copy"])
def test_a_session_of_the_results_that_falls_silent_is_ended_with_its_locks(
    work: str, postgres_url: str
) -> None:
    migrate_results(postgres_url)
    engine = make_engine(postgres_url, durable=True, pool_size=2)
    driver, other = (results_module.PostgresDriver(engine, writes=True) for _ in range(2))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE held (x integer); INSERT INTO held VALUES (1)")
    driver.begin()
    driver.run("UPDATE held SET x = 2")
    match work:
        case "one":
            driver.query("SELECT 1")
        case "queries":
            assert driver.queries(("SELECT ?", (1,)), ("SELECT 2", ())) == [[(1,)], [(2,)]]
        case "run_many":
            driver.run_many("INSERT INTO held VALUES (?)", [(3,), (4,)])
        case "batched":
            with driver.batched():
                driver.run_many("INSERT INTO held VALUES (?)", [(3,), (4,)])
                driver.request_transaction_id()
        case "copy":
            driver.insert("held", {"x": "int4"}, [(n,) for n in range(50)])
    started, updated = time.monotonic(), 0
    while not updated and time.monotonic() - started < IN_TIME:
        try:
            updated = other.run("UPDATE held SET x = 5")
        except errors.LockNotAvailable:
            other.rollback()
    assert updated == 1
    other.commit()
    with pytest.raises(psycopg.Error):
        driver.commit()
    for item in (driver, other):
        item.close()
    engine.dispose()


async def after_silence(work: Callable[[], Awaitable[T]]) -> T:
    """The answer of the second call; the first one finds the connection silent."""
    async with asyncio.timeout(IN_TIME):
        with pytest.raises(Unavailable):
            await work()
        return await work()


@pytest.mark.long
async def test_silent_connections_of_the_results_neither_lose_nor_duplicate_rows(
    relay: Relay, postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # another reader would have a separate connection
    monkeypatch.setattr(store_module, "READERS", 1)
    migrate_results(postgres_url)
    results = open_results(through(relay, postgres, postgres_url), durable=True)
    await results.open_attempt(RUN, "a")
    pushed = 0
    assert await results.page(RUN, NONE, offset=0, limit=100) == []  # connects
    for size in (1, 20, 3, 50):
        relay.silence()
        rows = [PushedRow(b'{"n":%d}' % (pushed + number)) for number in range(size)]
        commit = partial(results.commit, [AttemptBatch(RUN, "a", rows)])
        assert await after_silence(commit) == [True]
        pushed += size
        relay.silence()
        page = await after_silence(partial(results.page, RUN, NONE, offset=0, limit=100))
        assert [row.data for row in page] == [b'{"n":%d}' % number for number in range(pushed)]
    await results.close()


async def test_a_silent_connection_of_signals_is_replaced(
    relay: Relay, postgres: PostgresServer, postgres_url: str
) -> None:
    signals = PostgresSignals(through(relay, postgres, postgres_url))
    direct = PostgresSignals(postgres_url)
    async with signals.listen() as listener:
        signals.notify("work")
        assert await listener.wait(frozenset({"work"}), 10) == "work"
        relay.silence()
        async with asyncio.timeout(IN_TIME):
            while await listener.wait(frozenset({"work"}), 0.1) is None:
                direct.notify("work")
            signals.notify("mine")
            assert await listener.wait(frozenset({"mine"}), IN_TIME) == "mine"
    signals.close()
    direct.close()
