"""A failover during which new connections reach a standby, until they reach the primary again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import pytest

from fyke.contracts.state import Transaction
from fyke.errors import Unavailable
from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import SqlResults, open_results
from fyke.storage.sql.state.schema import migrate
from fyke.storage.sql.state.storage import SqlStorage, open_storage
from support import records
from support.postgres import PostgresServer, running_postgres
from support.postgres_relay import Relay

pytestmark = pytest.mark.anyio

NONE: frozenset[str] = frozenset()
RUN = "01RUN"


class Address:
    """The address of the database, which leads to the primary or to its standby."""

    def __init__(self, relay: Relay, primary: PostgresServer, standby: PostgresServer) -> None:
        self._relay, self._primary, self._standby = relay, primary, standby

    def url(self, database: str) -> str:
        return database.replace(str(self._primary.socket_dir), str(self._relay.folder))

    def to_standby(self) -> None:
        """Cut all connections; new ones reach the standby, which has what the primary has now."""
        self._standby.wait_for(self._primary)
        self._relay.server = self._standby.socket_dir
        self._relay.drop()

    def to_primary(self) -> None:
        """New connections reach the primary."""
        self._relay.server = self._primary.socket_dir


@pytest.fixture(scope="module")
def standby(postgres: PostgresServer) -> Iterator[PostgresServer]:
    with running_postgres(fsync=False, primary=postgres) as server:
        yield server


@pytest.fixture
def address(relay: Relay, postgres: PostgresServer, standby: PostgresServer) -> Address:
    return Address(relay, postgres, standby)


@pytest.fixture
async def storage(
    address: Address, postgres_url: str, anyio_backend: str
) -> AsyncIterator[SqlStorage]:
    migrate(postgres_url)
    store = open_storage(address.url(postgres_url), durable=True, notify=str, hiding=NONE)
    yield store
    await store.close()


@pytest.fixture
async def results(
    address: Address, postgres_url: str, anyio_backend: str
) -> AsyncIterator[SqlResults]:
    migrate_results(postgres_url)
    store = open_results(address.url(postgres_url), durable=True)
    await store.open_attempt(RUN, "a")
    yield store
    await store.close()


def add(tx: Transaction) -> None:
    tx.accounts.add(records.account())


async def accounts(storage: SqlStorage) -> int:
    return len(await storage.read(lambda tx: tx.accounts.all()))


def row(value: int) -> list[AttemptBatch]:
    return [AttemptBatch(RUN, "a", [PushedRow(b'{"n":%d}' % value)])]


async def stored(results: SqlResults) -> list[int]:
    page = await results.page(RUN, NONE, offset=0, limit=10)
    return [json.loads(row.data)["n"] for row in page]


async def test_the_state_uses_no_standby(storage: SqlStorage, address: Address) -> None:
    await storage.write(add)
    address.to_standby()
    with pytest.raises(Unavailable, match="nothing was changed"):
        await storage.write(add)
    with pytest.raises(Unavailable):
        await accounts(storage)
    address.to_primary()
    await storage.write(add)
    assert await accounts(storage) == 2


async def test_the_results_use_no_standby(results: SqlResults, address: Address) -> None:
    await results.commit(row(0))
    address.to_standby()
    with pytest.raises(Unavailable, match="standby"):
        await results.commit(row(99))
    with pytest.raises(Unavailable):
        await stored(results)
    address.to_primary()
    assert await results.commit(row(1)) == [True]
    assert await stored(results) == [0, 1]
