"""Failure of the disk, on a real SQLite that really has no room."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from fyke.errors import Unavailable
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, PushedRow, RunTotals
from fyke.storage.sql.results.delete import next_step
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.store import SqlResults, open_results
from support.prepared import rows_in

pytestmark = pytest.mark.anyio

NONE: frozenset[str] = frozenset()


@pytest.fixture
async def results(tmp_path: Path, anyio_backend: str) -> AsyncIterator[SqlResults]:
    url = rows_in(tmp_path)
    store = open_results(url, durable=True)
    await store.open_attempt("r", "a")
    yield store
    await store.close()


async def pragma(results: SqlResults, text: str) -> int:
    """Ask in the writing connection, outside of any transaction of its own."""
    driver = results._writer._driver
    assert driver is not None
    answer = await asyncio.get_running_loop().run_in_executor(
        results._writing, driver.query, f"PRAGMA {text}"
    )
    return int(answer[0][0])


def batch(size: int, count: int) -> AttemptBatch:
    return AttemptBatch("r", "a", [PushedRow(b'{"n":"' + b"x" * size + b'"}')] * count)


async def test_a_full_disk_is_unavailable_and_nothing_is_stored(results: SqlResults) -> None:
    assert await results.commit([batch(10, 1)]) == [True]
    pages = await pragma(results, "page_count")
    await pragma(results, f"max_page_count={pages + 4}")
    with pytest.raises(Unavailable, match="full"):
        await results.commit([batch(10, 1), batch(4000, 50)])
    assert await results.totals("r", NONE) == RunTotals(1, 18)
    assert await results.commit([batch(10, 1)]) == [True]  # what still fits is still taken
    await pragma(results, "max_page_count=1000000")
    assert await results.commit([batch(4000, 50)]) == [True]
    rows = await results.page("r", NONE, offset=0, limit=100)
    assert [row.position for row in rows] == list(range(1, 53))


async def test_durable_means_a_flush_per_commit(results: SqlResults, tmp_path: Path) -> None:
    assert await pragma(results, "synchronous") == 2  # FULL
    quick = open_results(f"sqlite:///{tmp_path / 'rows.db'}", durable=False)
    await quick.open_attempt("r", "b")
    assert await pragma(quick, "synchronous") == 1  # NORMAL
    await quick.close()


async def test_a_long_locked_database_is_unavailable(results: SqlResults, tmp_path: Path) -> None:
    await pragma(results, "busy_timeout=50")
    other = sqlite3.connect(tmp_path / "rows.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await results.commit([batch(10, 1)])
    other.execute("ROLLBACK")
    other.close()
    assert await results.commit([batch(10, 1)]) == [True]


async def test_an_error_rolls_back_the_commit(results: SqlResults) -> None:
    def half(driver: Driver) -> None:
        driver.run("UPDATE results_runs SET rows = 99")
        raise KeyError("half way")

    with pytest.raises(KeyError, match="half way"):
        await results._write(half)
    await results.commit([batch(1, 1)])
    (row,) = await results.page("r", NONE, offset=0, limit=9)
    assert row.position == 1


async def test_a_number_costs_no_statement_and_a_repeated_batch_writes_nothing(
    results: SqlResults,
) -> None:
    seen: list[str] = []

    async def statements(sent: AttemptBatch) -> list[str]:
        seen.clear()
        assert await results.commit([sent]) == [True]
        return [statement.split()[0] for statement in seen]

    await results._write(lambda driver: driver._connection.set_trace_callback(seen.append))
    numbered = replace(batch(1, 1), number=1)
    usual = ["BEGIN", "SELECT", "INSERT", "UPDATE", "UPDATE", "COMMIT"]
    assert await statements(batch(1, 1)) == await statements(numbered) == usual
    assert await statements(numbered) == ["BEGIN", "SELECT", "COMMIT"]


async def test_readers_cannot_write(results: SqlResults) -> None:
    with pytest.raises(Unavailable, match="readonly"):
        await results._read(lambda driver: driver.run("DELETE FROM results_runs"))
    assert await results.totals("r", NONE) == RunTotals(0, 0)


async def test_a_commit_of_logs_leaves_rows_unchanged(results: SqlResults) -> None:
    entry = NewLogEntry(1, "g", "c", 1)
    assert await results.commit([AttemptBatch("r", "a", log=[entry])]) == [True]
    assert await results.totals("r", NONE) == RunTotals(0, 0)


def test_the_size_of_deletion_steps_follows_their_duration() -> None:
    assert next_step(1000, 0.02) == 1000
    assert next_step(1000, 0.001) == 2000
    assert next_step(1000, 10.0) == 250
    assert next_step(10, 10.0) == 10
    assert next_step(20_000, 0.0001) == 20_000
