"""An outage of PostgreSQL and its end."""

from __future__ import annotations

import time

import pytest

from fyke.contracts.state import Transaction
from fyke.errors import Unavailable
from fyke.storage.sql.state.schema import migrate
from fyke.storage.sql.state.storage import open_storage
from support import records
from support.postgres import running_postgres

pytestmark = [pytest.mark.anyio, pytest.mark.needs("postgres")]


@pytest.mark.long
async def test_an_outage_is_reported_in_time_and_ends_without_a_restart() -> None:
    with running_postgres() as server:
        url = server.new_database()
        migrate(url)
        notified: list[str] = []
        storage = open_storage(url, durable=True, notify=notified.append, hiding=frozenset())
        first = records.account()

        def add(tx: Transaction) -> None:
            tx.accounts.add(first)
            tx.notify("work")

        await storage.write(add)
        # a restart between two calls leaves dead connections in the pool, without effect
        server.stop()
        server.start()
        assert await storage.read(lambda tx: tx.accounts.all()) == [first]
        server.stop()
        server.start()
        second = records.account()
        await storage.write(lambda tx: tx.accounts.add(second))
        server.stop()
        started = time.monotonic()
        for call in (storage.read, storage.write):
            with pytest.raises(Unavailable):
                await call(lambda tx: tx.accounts.all())
        assert time.monotonic() - started < 4
        server.start()
        assert await storage.read(lambda tx: tx.accounts.all()) == [first, second]
        assert notified == ["work"]
        await storage.close()


async def test_a_server_that_is_killed_inside_a_transaction_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # the server starts within the transaction, however long that takes here
    monkeypatch.setattr("fyke.storage.sql.state.storage.RETRY_SECONDS", 120.0)
    with running_postgres() as server:
        url = server.new_database()
        migrate(url)
        notified: list[str] = []
        storage = open_storage(url, durable=True, notify=notified.append, hiding=frozenset())
        tries: list[int] = []

        def work(tx: Transaction) -> None:
            tries.append(1)
            tx.accounts.add(records.account())
            tx.notify("work")
            if len(tries) == 1:
                server.stop()
                server.start()
            tx.accounts.add(records.account())

        await storage.write(work)
        assert len(tries) == 2
        assert len(await storage.read(lambda tx: tx.accounts.all())) == 2
        assert notified == ["work"]
        await storage.close()
