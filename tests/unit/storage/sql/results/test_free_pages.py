"""``rows.db`` becomes smaller when runs are deleted or sealed."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results import drivers
from fyke.storage.sql.results.store import SqlResults
from support.prepared import rows_in, state_in
from support.rows import everything
from support.stores import open_rows

pytestmark = pytest.mark.anyio

KEPT = 8


@pytest.fixture(autouse=True)
def few_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "FREE_PAGES_KEPT", KEPT)
    monkeypatch.setattr(drivers, "_PAGES_RELEASED", 20)


def pages(file: Path) -> tuple[int, int]:
    """All and free pages of the file, after a checkpoint, with its size."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        count, free = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count")
        )
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert file.stat().st_size == count * 4096
    return count, free


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlResults]:
    async with open_rows(rows_in(tmp_path), blobs=tmp_path / "blobs") as store:
        yield store


async def push(store: SqlResults, run: str) -> None:
    """400 rows that take a page each."""
    await store.open_attempt(run, f"of {run}")
    rows = [PushedRow(b'{"n":"%s"}' % (b"x" * 3000)) for _ in range(400)]
    assert await store.commit([AttemptBatch(run, f"of {run}", rows)]) == [True]
    await store.close_attempt(f"of {run}")


async def test_a_deleted_run_gives_its_pages_back(store: SqlResults, tmp_path: Path) -> None:
    for run in ("first", "second", "third"):
        await push(store, run)
    before = pages(tmp_path / "rows.db")[0]
    rows = await everything(store, "third")
    await store.delete_run("second")
    after, free = pages(tmp_path / "rows.db")
    assert before - after >= 390 and free == KEPT
    assert await everything(store, "third") == rows


async def test_a_sealed_run_gives_its_pages_back(store: SqlResults, tmp_path: Path) -> None:
    for run in ("first", "second"):
        await push(store, run)
    before = pages(tmp_path / "rows.db")[0]
    rows = await everything(store, "first")
    await store.seal_runs(["first"], 1)
    after, free = pages(tmp_path / "rows.db")
    assert before - after >= 390 and free <= KEPT + 1
    assert await everything(store, "first") == rows


@pytest.mark.parametrize(("create", "mode"), [(rows_in, 2), (state_in, 0)])
def test_only_new_files_of_rows_can_give_pages_back(
    tmp_path: Path, create: Callable[[Path], str], mode: int
) -> None:
    with closing(sqlite3.connect(create(tmp_path).removeprefix("sqlite:///"))) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (mode,)


async def test_the_pages_of_an_older_file_are_used_for_new_rows(tmp_path: Path) -> None:
    url, file = rows_in(tmp_path), tmp_path / "rows.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("PRAGMA auto_vacuum=NONE; VACUUM")
    async with open_rows(url) as store:
        await push(store, "first")
        before = pages(file)[0]
        await store.delete_run("first")
        assert pages(file)[0] == before and pages(file)[1] >= 390
        await push(store, "second")
        assert pages(file)[0] <= before + 1
    with closing(sqlite3.connect(file)) as connection:  # as docs/how-to/retention.md says
        connection.executescript("PRAGMA auto_vacuum=INCREMENTAL; VACUUM")
    async with open_rows(url) as store:
        await store.delete_run("second")
        assert pages(file)[0] < before - 390


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[drivers.SqliteDriver]:
    """Of a file with free pages, in a transaction."""
    engine = make_engine(rows_in(tmp_path), durable=False)
    driver = drivers.SqliteDriver(engine, writes=True)
    driver.begin()
    driver.run_many(
        "INSERT INTO results_rows (id, attempt, data) VALUES (?, 1, zeroblob(3000))",
        [(number,) for number in range(1, 100)],
    )
    driver.run("DELETE FROM results_rows")
    yield driver
    driver.close()
    engine.dispose()


def free_pages(driver: drivers.SqliteDriver) -> int:
    [(free,)] = driver.query("PRAGMA freelist_count")
    return int(free)


def test_a_step_ends_after_its_time(
    driver: drivers.SqliteDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "_RELEASE_SECONDS", 0)
    before = free_pages(driver)
    assert driver.release_pages()
    assert free_pages(driver) == before - 1


def test_steps_end_when_no_page_is_released(
    driver: drivers.SqliteDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = driver.query
    monkeypatch.setattr(
        driver, "query", lambda sql: query(sql) if "incremental_vacuum" not in sql else []
    )
    assert free_pages(driver) > KEPT + 20
    assert not driver.release_pages()


def test_the_last_step_says_so(driver: drivers.SqliteDriver) -> None:
    steps = 1
    while driver.release_pages():
        steps += 1
    assert free_pages(driver) == KEPT and steps > 3
    assert not driver.release_pages()
