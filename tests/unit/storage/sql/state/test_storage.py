"""Retries and errors of the state's storage, provoked for real where that can be done."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from fyke.contracts.state import Transaction
from fyke.errors import Unavailable
from fyke.storage.sql.state.storage import TRIES, SqlStorage, open_storage
from support import records
from support.prepared import state_in

pytestmark = pytest.mark.anyio


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqlStorage]:
    url = state_in(tmp_path)
    notified: list[str] = []
    opened = open_storage(
        url, durable=False, notify=notified.append, hiding=frozenset(), clock=lambda: 7
    )
    yield opened
    await opened.close()


def busy(code: int = sqlite3.SQLITE_BUSY) -> DBAPIError:
    cause = sqlite3.OperationalError("database is locked")
    cause.sqlite_errorcode = code
    return OperationalError("s", {}, cause)


async def test_a_conflict_repeats_the_work(storage: SqlStorage) -> None:
    account = records.account()
    tries: list[int] = []

    def work(tx: Transaction) -> str:
        tx.accounts.add(account)
        tries.append(1)
        if len(tries) < 3:
            raise busy()
        return "done"

    assert await storage.write(work) == "done"
    assert len(tries) == 3
    assert await storage.read(lambda tx: len(tx.accounts.all())) == 1


class _LockTimeout(Exception):
    sqlstate = "55P03"  # of PostgreSQL


@pytest.mark.parametrize(("urgent", "expected"), [(False, 2), (True, 1)])
async def test_an_urgent_write_waits_once_for_a_lock(
    storage: SqlStorage, urgent: bool, expected: int
) -> None:
    tries: list[int] = []

    def work(tx: Transaction) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("s", {}, _LockTimeout())

    with pytest.raises(Unavailable) if urgent else contextlib.nullcontext():
        await storage.write(work, urgent=urgent)
    assert len(tries) == expected


@pytest.mark.slow
async def test_a_permanent_conflict_is_unavailable(storage: SqlStorage) -> None:
    tries: list[int] = []

    def work(tx: Transaction) -> None:
        tries.append(1)
        raise busy()

    with pytest.raises(Unavailable):
        await storage.write(work)
    assert len(tries) == TRIES


async def test_a_full_disk_is_unavailable_at_once(storage: SqlStorage) -> None:
    tries: list[int] = []

    def work(tx: Transaction) -> None:
        tries.append(1)
        raise busy(sqlite3.SQLITE_FULL)

    with pytest.raises(Unavailable, match="full"):
        await storage.write(work)
    assert len(tries) == 1


async def test_a_database_that_cannot_grow_is_unavailable_and_recovers(
    storage: SqlStorage,
) -> None:
    with storage.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(Unavailable, match="full"):
        await storage.write(
            lambda tx: [
                tx.accounts.add(records.account(name="n" * 9000 + str(n)))
                for n in range(99)  # also if a migration has left free pages
            ]
        )
    assert await storage.read(lambda tx: tx.accounts.all()) == []
    with storage.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    await storage.write(lambda tx: tx.accounts.add(records.account()))
    assert len(await storage.read(lambda tx: tx.accounts.all())) == 1


async def test_an_error_of_the_platform_is_raised_unchanged(storage: SqlStorage) -> None:
    run = records.run("unknown", "unknown")
    with pytest.raises(DBAPIError, match="FOREIGN KEY"):
        await storage.write(lambda tx: tx.runs.add(run, []))


async def test_the_clock_can_be_replaced(storage: SqlStorage) -> None:
    assert await storage.read(lambda tx: tx.now) == 7
