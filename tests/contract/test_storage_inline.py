"""The contract of reads in the event loop: what they see, and what they refuse."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from fyke.contracts.inline import InlineStorage, NotInline
from fyke.contracts.state import Transaction
from fyke.storage.sql.inline import MAX_VALUE_BYTES, InlineConnection
from fyke.storage.sql.state.storage import SqlStorage
from support import records
from support.prepared import state_in
from support.stores import SQLITE, open_state

pytestmark = pytest.mark.anyio

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
ACCOUNT = records.account()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(state_in(tmp_path).removeprefix(SQLITE))


@pytest.fixture
async def storage(file: Path) -> AsyncIterator[SqlStorage]:
    async with open_state(f"{SQLITE}{file}") as storage:
        await storage.write(lambda tx: tx.accounts.add(ACCOUNT))
        yield storage


@pytest.fixture
async def inline(storage: SqlStorage) -> InlineStorage:
    opened = await storage.inline()
    assert opened is not None
    return opened


async def test_postgresql_is_not_read_inline(postgres_state_url: str) -> None:
    async with open_state(postgres_state_url) as storage:
        assert await storage.inline() is None


async def test_a_read_sees_the_last_commit(storage: SqlStorage, inline: InlineStorage) -> None:
    for zone in ("Asia/Tokyo", "Europe/Paris"):
        await storage.write(lambda tx: tx.accounts.set_time_zone(ACCOUNT.id, zone))  # noqa: B023
        read = await inline.read(lambda tx: tx.accounts.get(ACCOUNT.id))
        assert read == await storage.read(lambda tx: tx.accounts.get(ACCOUNT.id))
        assert read is not None
        assert read.time_zone == zone


async def test_a_read_is_one_snapshot(file: Path, inline: InlineStorage) -> None:
    def work(tx: Transaction) -> bool:
        before = tx.accounts.all()
        with closing(sqlite3.connect(file)) as other, other:
            other.execute("DELETE FROM accounts")
        return tx.accounts.all() == before

    assert await inline.read(work)
    assert await inline.read(lambda tx: tx.accounts.all()) == []


async def test_every_commit_changes_the_version(
    file: Path, storage: SqlStorage, inline: InlineStorage
) -> None:
    seen = {inline.version()}
    with closing(sqlite3.connect(file)) as other:
        for number in range(20):
            if number % 2:
                await storage.write(
                    lambda tx: tx.accounts.set_time_zone(ACCOUNT.id, f"Etc/GMT-{number}")  # noqa: B023
                )
            else:
                with other:
                    other.execute("UPDATE accounts SET balance_micros = ?", (number + 1,))
            seen.add(inline.version())
    assert len(seen) == 21


async def test_every_change_that_is_shown_with_a_run_changes_its_revision(
    file: Path, storage: SqlStorage, inline: InlineStorage
) -> None:
    """Each column of the run and of its worker; columns that are never shown are listed here."""
    worker = records.worker(ACCOUNT.id)
    run = records.run(ACCOUNT.id, worker.id)
    await storage.write(lambda tx: tx.workers.add(worker))
    await storage.write(lambda tx: tx.runs.add(run, []))
    not_shown = {"input_json", "description", "search_text", "icon"}
    revision = inline.revision(run.id)
    assert revision is not None
    with closing(sqlite3.connect(file)) as other:
        for table, key in (("runs", run.id), ("workers", worker.id)):
            columns = [row[1] for row in other.execute(f"PRAGMA table_info({table})")]
            for column in set(columns) - {"id", "worker_id"}:
                with other:
                    statement = (
                        f"UPDATE {table} SET {column} = coalesce({column}, '') || '1' WHERE id = ?"
                    )
                    other.execute(statement, (key,))
                changed = inline.revision(run.id)
                assert (changed == revision) == (column in not_shown), column
                revision = changed


async def test_a_revision_is_that_of_one_run(
    file: Path, storage: SqlStorage, inline: InlineStorage
) -> None:
    worker = records.worker(ACCOUNT.id)
    run, other_run = (records.run(ACCOUNT.id, worker.id) for _ in range(2))
    await storage.write(lambda tx: tx.workers.add(worker))
    for added in (run, other_run):
        await storage.write(lambda tx: tx.runs.add(added, []))  # noqa: B023
    revision = inline.revision(run.id)
    assert inline.revision(other_run.id) != revision
    with closing(sqlite3.connect(file)) as other:
        with other:
            other.execute("UPDATE runs SET results = 7 WHERE id = ?", (other_run.id,))
            other.execute("UPDATE accounts SET balance_micros = 7")
        assert inline.revision(run.id) == revision
        with other:
            other.execute("DELETE FROM runs WHERE id = ?", (run.id,))
    assert inline.revision(run.id) is None


async def test_reads_and_what_is_not_committed_change_no_version(
    file: Path, storage: SqlStorage, inline: InlineStorage
) -> None:
    before = inline.version()
    await inline.read(lambda tx: tx.accounts.all())
    await storage.read(lambda tx: tx.accounts.all())
    with closing(sqlite3.connect(file)) as other:
        other.execute("UPDATE accounts SET balance_micros = 7")
        assert inline.version() == before
        assert await inline.read(lambda tx: tx.accounts.all()) == [ACCOUNT]
        other.rollback()
    assert inline.version() == before


async def test_an_error_of_the_work_is_raised_and_ends_the_snapshot(
    storage: SqlStorage, inline: InlineStorage
) -> None:
    def fail(tx: Transaction) -> None:
        tx.accounts.all()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await inline.read(fail)
    await storage.write(lambda tx: tx.accounts.set_time_zone(ACCOUNT.id, "Asia/Tokyo"))
    assert [account.time_zone for account in await inline.read(lambda tx: tx.accounts.all())] == [
        "Asia/Tokyo"
    ]


async def test_nothing_is_written_inline(inline: InlineStorage) -> None:
    with pytest.raises(NotInline):
        await inline.write(lambda tx: None)
    with pytest.raises(NotInline):
        await inline.read(lambda tx: tx.accounts.set_time_zone(ACCOUNT.id, "Asia/Tokyo"))


@pytest.mark.parametrize(("size", "fits"), [(MAX_VALUE_BYTES // 2, True), (8_000_000, False)])
async def test_large_values_are_not_read_inline(
    file: Path, inline: InlineStorage, size: int, fits: bool
) -> None:
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("UPDATE accounts SET time_zone = ?", ("x" * size,))
    if fits:
        [account] = await inline.read(lambda tx: tx.accounts.all())
        assert len(account.time_zone) == size
    else:
        with pytest.raises(NotInline):
            await inline.read(lambda tx: tx.accounts.all())


async def test_a_long_statement_is_interrupted(file: Path, inline: InlineStorage) -> None:
    connection = InlineConnection(file)
    with closing(connection), pytest.raises(NotInline), connection.snapshot():
        connection.raw.execute(ENDLESS).fetchone()


async def test_many_short_reads_are_not_one_long_one(inline: InlineStorage) -> None:
    """SQLite counts the steps of earlier executions of a statement, too."""
    version = inline.version()
    assert {inline.version() for _ in range(40_000)} == {version}


async def test_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "rollback.db"  # not in WAL mode, so that a writer locks readers out
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (a)")
        with closing(InlineConnection(file)) as connection:
            other.execute("BEGIN EXCLUSIVE")
            started = time.monotonic()
            with pytest.raises(NotInline):
                connection.version()
            with pytest.raises(NotInline), connection.snapshot():
                connection.raw.execute("SELECT a FROM t").fetchone()
            assert time.monotonic() - started < 1
