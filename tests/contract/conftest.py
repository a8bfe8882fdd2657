"""Both databases for the suites of storage contracts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from fyke.contracts.state import Transaction
from fyke.model.run import Outcome
from fyke.storage.sql.results.store import SqlResults
from fyke.storage.sql.state.storage import SqlStorage
from support.prepared import rows_in, state_in
from support.results_address import DIALECTS, STORES, ResultsAddress, address_of
from support.run_endings import Setup
from support.stores import open_rows, open_state

T = TypeVar("T")
HIDING = frozenset({Outcome.EXIT_CODE.value, Outcome.SIGNAL.value})


def url_of(request: pytest.FixtureRequest, sqlite: Callable[[], str], postgresql: str) -> str:
    """The URL that ``sqlite`` returns, or that of the fixture ``postgresql``."""
    return sqlite() if request.param == "sqlite" else str(request.getfixturevalue(postgresql))


@pytest.fixture(params=DIALECTS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once per dialect."""
    return url_of(request, lambda: f"sqlite:///{tmp_path / 'state.db'}", "postgres_url")


@pytest.fixture(params=DIALECTS)
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with the newest tables, all empty, once per dialect."""
    return url_of(request, lambda: state_in(tmp_path), "postgres_state_url")


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> str:
    """The URL of a second database with the newest tables, of the same dialect."""
    if database_url.startswith("sqlite"):
        (tmp_path / "fresh").mkdir()
        return state_in(tmp_path / "fresh")
    url: str = request.getfixturevalue("postgres_state_url")
    return url


@dataclass
class State:
    """A storage under test, with the topics that it notified."""

    url: str
    storage: SqlStorage
    notified: list[str] = field(default_factory=list)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self.storage.write(work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self.storage.read(work)


@pytest.fixture
async def state(state_url: str) -> AsyncIterator[State]:
    notified: list[str] = []
    async with open_state(state_url, notified.append, hiding=HIDING) as storage:
        yield State(state_url, storage, notified)


@pytest.fixture(params=STORES)
def results_address(request: pytest.FixtureRequest, tmp_path: Path) -> ResultsAddress:
    """Tables without rows, once per implementation of the store."""
    return address_of(str(request.param), request, tmp_path)


@pytest.fixture(params=DIALECTS)
def results_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with the tables of the results and no rows, once per dialect."""
    return url_of(request, lambda: rows_in(tmp_path), "postgres_results_url")


@pytest.fixture
async def results(results_address: ResultsAddress) -> AsyncIterator[SqlResults]:
    """The store of a runner."""
    address = results_address
    async with open_rows(
        address.url,
        journal=address.journal,
        runner=True,
        durable=address.durable,
        blobs=address.blobs,
    ) as store:
        yield store


@pytest.fixture
async def second(results_address: ResultsAddress) -> AsyncIterator[SqlResults]:
    """A store on the same database, like that of another process."""
    address = results_address
    async with open_rows(address.url, journal=address.journal, blobs=address.blobs) as store:
        yield store


@pytest.fixture
async def setup(
    request: pytest.FixtureRequest, state_url: str, tmp_path: Path
) -> AsyncIterator[Setup]:
    """Services over both stores, once per dialect."""
    if state_url.startswith("sqlite"):
        url = rows_in(tmp_path)
    else:  # a separate database: one with a changed schema cannot be reused
        url = request.getfixturevalue("postgres_results_url")
    async with open_rows(url) as results:
        setup = Setup(None, results)
        async with open_state(state_url, setup.notified.append, hiding=HIDING) as setup.storage:
            yield setup
