"""Commits on PostgreSQL whose response is lost are looked up."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fyke.contracts.state import Transaction
from fyke.errors import OutcomeUnknown
from fyke.storage import deadlines, postgres
from fyke.storage.deadlines import Deadline
from fyke.storage.sql import dialects
from fyke.storage.sql.state import commits
from fyke.storage.sql.state.schema import migrate
from fyke.storage.sql.state.storage import SqlStorage, open_storage
from support import records
from support.postgres import PostgresServer, running_postgres
from support.postgres_relay import Relay

pytestmark = pytest.mark.anyio


class Writer:
    """Adds an account with each transaction, and counts how often its work has run."""

    def __init__(self, storage: SqlStorage, notified: list[str]) -> None:
        self.storage, self.notified = storage, notified
        self.runs = 0

    def _add(self, tx: Transaction) -> str:
        self.runs += 1
        account = records.account()
        tx.accounts.add(account)
        tx.notify("work")
        return account.id

    async def write(self) -> str:
        return await self.storage.write(self._add)

    async def stored(self) -> list[str]:
        return [a.id for a in await self.storage.read(lambda tx: tx.accounts.all())]


@asynccontextmanager
async def open_writer(relay: Relay, server: PostgresServer, url: str) -> AsyncIterator[Writer]:
    migrate(url)
    notified: list[str] = []
    relayed = url.replace(str(server.socket_dir), str(relay.folder))
    storage = open_storage(relayed, durable=True, notify=notified.append, hiding=frozenset())
    try:
        yield Writer(storage, notified)
    finally:
        await storage.close()


@pytest.fixture
async def writer(
    relay: Relay, postgres: PostgresServer, postgres_url: str, anyio_backend: str
) -> AsyncIterator[Writer]:
    async with open_writer(relay, postgres, postgres_url) as writer:
        yield writer


@pytest.mark.parametrize(("cut", "runs"), [("before", 2), ("after", 1)])
async def test_a_connection_cut_at_the_commit_returns_the_stored_result(
    writer: Writer, relay: Relay, cut: str, runs: int
) -> None:
    added = []
    for number in range(1, 4):
        writer.runs = 0
        relay.cut = cut
        added.append(await writer.write())
        assert (writer.runs, relay.cuts, len(writer.notified)) == (runs, number, number)
    assert sorted(await writer.stored()) == sorted(added)


async def test_a_transaction_that_wrote_nothing_leaves_no_mark(
    writer: Writer, relay: Relay, postgres: PostgresServer, postgres_url: str
) -> None:
    relay.cut = "before"
    assert await writer.storage.write(lambda tx: tx.accounts.all()) == []
    assert relay.cuts == 1
    with postgres.admin(postgres_url.partition("@/")[2].partition("?")[0]) as connection:
        assert connection.execute("SELECT * FROM commit_marks").fetchall() == []


async def test_a_transaction_that_only_locked_rows_leaves_no_mark(
    writer: Writer, postgres: PostgresServer, postgres_url: str
) -> None:
    added = await writer.write()
    with postgres.admin(postgres_url.partition("@/")[2].partition("?")[0]) as connection:
        before = connection.execute("SELECT * FROM commit_marks").fetchall()
        assert len(before) == 1
        for _ in range(8):  # in each thread
            account = await writer.storage.write(lambda tx: tx.accounts.lock(added))
            assert account is not None
        assert connection.execute("SELECT * FROM commit_marks").fetchall() == before


async def test_a_dropped_commit_is_looked_up_after_its_session_was_ended(
    writer: Writer, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Deadline(statement=2, silence=1, lock=1)
    monkeypatch.setattr(deadlines, "IDLE_SECONDS", 2.0)
    monkeypatch.setattr(postgres.TimedConnection, "silence", short.silence)
    monkeypatch.setattr(dialects, "REQUEST", short)
    relay.cut = "swallow"
    async with asyncio.timeout(15):
        added = await writer.write()
    assert writer.runs == 2
    assert await writer.stored() == [added]


async def test_a_long_outage_leaves_the_outcome_unknown(
    writer: Writer, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await writer.write()
    monkeypatch.setattr(commits, "LOOKUP_SECONDS", 0.5)
    relay.cut, relay.down_after_cut = "after", True
    with pytest.raises(OutcomeUnknown, match="may have taken place"):
        await writer.write()
    relay.down = False
    assert len(await writer.stored()) == 2


async def test_writers_are_not_blocked_while_a_commit_is_looked_up(
    writer: Writer, relay: Relay
) -> None:
    await writer.write()
    relay.cut, relay.down_after_cut = "before", True
    doubtful = asyncio.create_task(writer.write())
    while not relay.cuts:
        await asyncio.sleep(0.01)
    relay.down = False
    async with asyncio.timeout(20):
        others = await asyncio.gather(*[writer.write() for _ in range(8)])
        added = await doubtful
    assert sorted([*others, added]) == sorted((await writer.stored())[1:])


@pytest.mark.needs("postgres")
async def test_a_commit_during_a_server_crash_is_looked_up_after_the_restart() -> None:
    with (
        running_postgres() as server,
        tempfile.TemporaryDirectory(prefix="relay", dir="/tmp") as folder,
    ):
        with server.admin() as connection:  # a crash forgets uncommitted transactions
            connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
            connection.execute("SELECT pg_reload_conf()")
        relay = Relay(Path(folder), server.socket_dir)
        lines = await relay.start()
        async with open_writer(relay, server, server.new_database()) as writer:
            first = await writer.write()
            relay.cut, relay.down_after_cut = "before", True
            writing = asyncio.create_task(writer.write())
            async with asyncio.timeout(10):
                while not relay.cuts:
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            with server.admin() as connection:  # other transactions get the same ids
                for _ in range(20):
                    connection.execute("SELECT pg_current_xact_id()")
            relay.down = False
            assert await asyncio.wait_for(writing, 30)
            assert (await writer.stored())[0] == first
            assert len(await writer.stored()) == 2
        lines.close()
        relay.drop()
