"""Outages of PostgreSQL: between commits, during a commit, and for some time. A relay between the
store and the server can cut the connection at the critical moment, when COMMIT has been sent. If it
does not arrive, nothing is stored; if it does, everything is. The store must find out which, and no
row may be lost or duplicated.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from fyke.errors import Unavailable
from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.results import store
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import SqlResults, open_results
from support.postgres import PostgresServer, running_postgres
from support.postgres_relay import Relay

pytestmark = pytest.mark.anyio

NONE: frozenset[str] = frozenset()
RUN = "01RUN"


@pytest.fixture
async def results(
    relay: Relay, postgres: PostgresServer, postgres_url: str, anyio_backend: str
) -> AsyncIterator[SqlResults]:
    migrate_results(postgres_url)
    results = open_results(
        postgres_url.replace(str(postgres.socket_dir), str(relay.folder)), durable=True
    )
    await results.open_attempt(RUN, "a")
    yield results
    await results.close()


def rows(*values: int) -> list[AttemptBatch]:
    return [AttemptBatch(RUN, "a", [PushedRow(b'{"n":%d}' % value) for value in values])]


async def stored(results: SqlResults) -> list[int]:
    page = await results.page(RUN, NONE, offset=0, limit=100_000)
    assert [row.position for row in page] == list(range(1, len(page) + 1))
    return [json.loads(row.data)["n"] for row in page]


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("size", [1, 100])
async def test_a_connection_cut_at_the_commit_neither_loses_nor_duplicates_rows(
    results: SqlResults, relay: Relay, cut: str, size: int
) -> None:
    assert await results.commit(rows(*range(size))) == [True]
    relay.cut = cut
    assert await results.commit(rows(*range(size, 2 * size))) == [True]
    assert relay.cuts == 1
    assert await stored(results) == list(range(2 * size))


async def check_random_cuts(results: SqlResults, relay: Relay, commits: int) -> None:
    acknowledged: list[int] = []
    for number in range(commits):
        relay.cut = random.choice(["before", "after", ""])
        if await results.commit(rows(number)) == [True]:
            acknowledged.append(number)
    assert relay.cuts > commits // 3
    assert await stored(results) == acknowledged == list(range(commits))


async def test_fifty_commits_with_random_cuts_lose_no_row(
    results: SqlResults, relay: Relay
) -> None:
    await check_random_cuts(results, relay, 50)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_fifteen_hundred_commits_with_random_cuts_lose_no_row(
    results: SqlResults, relay: Relay
) -> None:
    await check_random_cuts(results, relay, 1500)


async def test_a_stale_connection_is_replaced_without_an_error(
    results: SqlResults, relay: Relay
) -> None:
    await results.commit(rows(0))
    assert await stored(results) == [0]
    relay.drop()
    assert await results.commit(rows(1)) == [True]
    relay.drop()
    assert await stored(results) == [0, 1]


async def test_an_outage_is_reported_as_unavailable_and_ends_by_itself(
    results: SqlResults, relay: Relay
) -> None:
    await results.commit(rows(0))
    relay.down = True
    relay.drop()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await results.commit(rows(99))
        with pytest.raises(Unavailable):
            await stored(results)
    relay.down = False
    assert await results.commit(rows(1)) == [True]
    assert await stored(results) == [0, 1]


async def test_a_read_only_database_is_an_outage_for_commits_only(
    results: SqlResults, relay: Relay, postgres: PostgresServer, postgres_url: str
) -> None:
    database = make_url(postgres_url).database

    def alter(change: str) -> None:
        """Change the setting of new sessions."""
        with postgres.admin() as connection:
            connection.execute(f"ALTER DATABASE {database} {change}")  # type: ignore[call-overload]

    await results.commit(rows(0))
    alter("SET default_transaction_read_only = on")
    relay.drop()
    with pytest.raises(Unavailable):
        await results.commit(rows(99))
    assert await stored(results) == [0]
    alter("RESET default_transaction_read_only")
    assert await results.commit(rows(1)) == [True]
    assert await stored(results) == [0, 1]


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_an_outage_during_a_commit_is_waited_out(
    results: SqlResults, relay: Relay, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome of the commit is unknown, so nothing is reported until it is known, and rows
    that were not stored are stored then, also after more time than an operation is retried for.
    """
    monkeypatch.setattr(store, "RETRY_SECONDS", 0.1)
    await results.commit(rows(0))
    relay.cut, relay.down_after_cut = cut, True
    committing = asyncio.create_task(results.commit(rows(1)))
    done, _ = await asyncio.wait([committing], timeout=0.5)
    assert relay.cuts == 1
    assert not done
    relay.down = False
    assert await asyncio.wait_for(committing, 30) == [True]
    assert await stored(results) == [0, 1]


async def test_closing_ends_the_wait_with_an_unknown_outcome(
    results: SqlResults, relay: Relay
) -> None:
    relay.cut, relay.down_after_cut = "before", True
    committing = asyncio.create_task(results.commit(rows(1)))
    await asyncio.wait([committing], timeout=0.2)
    assert relay.cuts == 1
    await results.close()
    with pytest.raises(Unavailable, match="outcome is unknown"):
        await committing


async def test_a_backend_killed_by_the_server_loses_no_row(
    results: SqlResults, postgres: PostgresServer
) -> None:
    for number in range(10):
        assert await results.commit(rows(number)) == [True]
        with postgres.admin() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
    assert await stored(results) == list(range(10))


@pytest.mark.long
@pytest.mark.needs("postgres")
async def test_a_reused_transaction_number_proves_nothing() -> None:
    """A crashed server forgets the numbers of transactions that were not written, and reuses them
    after its restart.
    """
    with (
        running_postgres() as server,
        tempfile.TemporaryDirectory(prefix="relay", dir="/tmp") as folder,
    ):
        with server.admin() as connection:  # a crash forgets uncommitted transactions
            connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
            connection.execute("SELECT pg_reload_conf()")
        url = server.new_database()
        migrate_results(url)
        relay = Relay(Path(folder), server.socket_dir)
        lines = await relay.start()
        results = open_results(url.replace(str(server.socket_dir), folder), durable=True)
        await results.open_attempt(RUN, "a")
        assert await results.commit(rows(0)) == [True]
        relay.cut, relay.down_after_cut = "before", True
        committing = asyncio.create_task(results.commit(rows(1)))
        async with asyncio.timeout(10):
            while not relay.cuts:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        with server.admin() as connection:  # 20 other committed transactions
            for _ in range(20):
                connection.execute("SELECT pg_current_xact_id()")
        relay.down = False
        assert await asyncio.wait_for(committing, 30) == [True]
        assert await stored(results) == [0, 1]
        await results.close()
        lines.close()
        relay.drop()
