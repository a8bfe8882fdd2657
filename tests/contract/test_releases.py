"""The database of each release can be migrated, and all its rows can be read afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect

from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import open_results
from fyke.storage.sql.state.check import check
from fyke.storage.sql.state.schema import migrate
from fyke.storage.sql.state.storage import open_storage
from support import full_state
from support.release_database import HEADER, LINE, RELEASES, ROW, fill, load
from support.schema_shape import shape

RELEASED = sorted(folder.name for folder in RELEASES.iterdir())


@pytest.mark.parametrize("release", RELEASED)
def test_the_database_of_a_release_can_be_migrated(
    release: str, database_url: str, fresh_url: str, tmp_path: Path
) -> None:
    sqlite = database_url.startswith("sqlite")
    results_url = f"sqlite:///{tmp_path / 'rows.db'}" if sqlite else database_url
    load(RELEASES / release, database_url, results_url)
    upgraded, fresh, results = (
        make_engine(url, durable=False) for url in (database_url, fresh_url, results_url)
    )
    assert empty_tables(upgraded) == empty_tables(results) == []

    assert migrate(database_url).up_to_date
    migrate_results(results_url)
    if not sqlite:
        migrate_results(fresh_url)  # in the same database
    assert shape(upgraded) == shape(fresh)
    assert check(upgraded) == []
    for engine in (upgraded, fresh, results):
        engine.dispose()
    asyncio.run(read_back(database_url, results_url))


def test_the_next_release_will_have_a_row_in_every_table(database_url: str, tmp_path: Path) -> None:
    sqlite = database_url.startswith("sqlite")
    results_url = f"sqlite:///{tmp_path / 'rows.db'}" if sqlite else database_url
    fill(database_url, results_url)
    for url in (database_url, results_url):
        engine = make_engine(url, durable=False)
        assert empty_tables(engine) == []
        assert (url != database_url) or check(engine) == []
        engine.dispose()


def empty_tables(engine: Engine) -> list[str]:
    """The tables without rows; before the migration every table of a release must have rows."""
    with engine.connect() as connection:
        return [
            name
            for name in inspect(connection).get_table_names()
            if connection.exec_driver_sql(f"SELECT 1 FROM {name}").first() is None
        ]


async def read_back(state: str, results: str) -> None:
    storage = open_storage(state, durable=False, notify=str, hiding=frozenset())
    await storage.write(full_state.read)  # it tries to claim a month again
    await storage.close()
    store = open_results(results, durable=False)
    rows = await store.rows_after("run", frozenset(), position=0, limit=9)
    assert [row.data for row in rows] == [ROW, ROW]
    assert await store.headers("run") == [HEADER]
    assert [entry.content for entry in await store.log_after("run", 0, 9)] == [LINE.content]
    await store.close()


def test_there_is_a_database_of_the_first_release() -> None:
    assert "0.1.0" in RELEASED
