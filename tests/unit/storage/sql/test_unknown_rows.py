"""Rows of a state that was lost are removed from a restored pair of files."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from fyke.model.results import AttemptBatch, Header, Row
from fyke.storage.sql.consistency import check_files
from fyke.storage.sql.results.store import open_results
from fyke.storage.sql.unknown_rows import RemovedRows, remove_unknown_rows
from support.prepared import leased_in, rows_in
from support.rows import everything, numbers, plain, upsert
from support.sealed import sealed_run_in


@pytest.fixture
def leases(tmp_path: Path) -> list[tuple[str, str]]:
    """Run and attempt of two leased subtasks."""
    rows_in(tmp_path)
    return leased_in(tmp_path)


def test_rows_of_unknown_attempts_are_removed_and_the_others_stay_without_gaps(
    tmp_path: Path, leases: list[tuple[str, str]]
) -> None:
    state, rows = tmp_path / "state.db", tmp_path / "rows.db"
    run = leases[0][0]
    first, second = (attempt for _, attempt in leases)

    async def push() -> None:
        store = open_results(f"sqlite:///{rows}", durable=False)
        for of, attempt in ((run, first), (run, "lost"), (run, second), ("gone", "other")):
            await store.open_attempt(of, attempt)
        for of, attempt, pushed in (
            (run, first, plain(1, 2)),
            (run, "lost", [*plain(1, 2), upsert(b'{"n":7}', "seven")]),
            (run, second, [upsert(b'{"n":3}', "three")]),
            (run, "lost", plain(8)),
            (run, first, plain(4)),
            ("gone", "other", plain(1, 2, 3)),
        ):
            header = [Header(attempt, attempt, "text")]
            assert await store.commit([AttemptBatch(of, attempt, pushed, header)]) == [True]
        await store.close()

    async def read() -> tuple[list[Row], list[str]]:
        store = open_results(f"sqlite:///{rows}", durable=False)
        # an upsert still finds its row, and one of the lost attempt makes a new one
        await store.commit([AttemptBatch(run, second, [upsert(b'{"x":1}', "three")])])
        await store.commit([AttemptBatch(run, second, [upsert(b'{"n":7}', "seven")])])
        found = await everything(store, run)
        assert await store.page(run, frozenset(), offset=2, limit=9) == found[2:]
        declared = [header.key for header in await store.headers(run)]
        await store.delete_run("unrelated")
        await store.close()
        return found, declared

    asyncio.run(push())
    assert remove_unknown_rows(state, rows) == RemovedRows(rows=7, attempts=1, runs=1)
    assert check_files(state, rows) == []
    found, declared = asyncio.run(read())
    assert numbers(found) == [1, 2, 3, 4, 7]
    assert [row.position for row in found] == [1, 2, 3, 4, 5]
    assert found[2].data == b'{"n":3,"x":1}'
    assert declared == [first, second]
    with contextlib.closing(sqlite3.connect(rows)) as connection:
        left = connection.execute("SELECT count(*) FROM results_rows").fetchone()
    assert left == (5,), "the rows of the run that is gone are removed with the next deletion"
    assert remove_unknown_rows(state, rows) == RemovedRows()


def test_rows_that_a_known_attempt_has_upserted_too_stay(
    tmp_path: Path, leases: list[tuple[str, str]]
) -> None:
    state, rows = tmp_path / "state.db", tmp_path / "rows.db"
    run = leases[0][0]
    first, second = (attempt for _, attempt in leases)

    async def push() -> None:
        store = open_results(f"sqlite:///{rows}", durable=False)
        for attempt in ("lost", "gone", first, second):
            await store.open_attempt(run, attempt)
        for attempt, keys in (("lost", "1234"), ("gone", "125"), (first, "2356"), (second, "26")):
            pushed = [upsert(b'{"n":%s,"%s":1}' % (k.encode(), attempt.encode()), k) for k in keys]
            assert await store.commit([AttemptBatch(run, attempt, pushed)]) == [True]
        await store.close()

    async def read(hidden: str) -> list[Row]:
        store = open_results(f"sqlite:///{rows}", durable=False)
        found = await everything(store, run, frozenset({hidden}))
        assert (await store.totals(run, frozenset({hidden}))).rows == len(found)
        await store.close()
        return found

    asyncio.run(push())
    with contextlib.closing(sqlite3.connect(rows, isolation_level=None)) as connection:
        shares = connection.execute("SELECT count(*) FROM results_shares").fetchone()
        # rows 2 and 6 have several known attempts, 3 and 5 have one; 1 and 4 have none
        assert remove_unknown_rows(state, rows) == RemovedRows(rows=2, attempts=2)
        assert check_files(state, rows) == []
        assert shares != connection.execute("SELECT count(*) FROM results_shares").fetchone()
    found = asyncio.run(read(""))
    assert numbers(found) == [2, 3, 5, 6]
    assert [row.position for row in found] == [1, 2, 3, 4]
    assert {row.attempt_id for row in found} == {first}
    assert b'"lost":1' in found[0].data
    assert numbers(asyncio.run(read(first))) == [2, 6]
    assert numbers(asyncio.run(read(second))) == [2, 3, 5, 6]


def test_rows_of_a_release_without_shares_are_removed(
    tmp_path: Path, leases: list[tuple[str, str]]
) -> None:
    run, rows = leases[0][0], tmp_path / "rows.db"

    async def push() -> None:
        store = open_results(f"sqlite:///{rows}", durable=False)
        await store.open_attempt(run, "lost")
        await store.commit([AttemptBatch(run, "lost", plain(1))])
        await store.close()

    asyncio.run(push())
    with contextlib.closing(sqlite3.connect(rows)) as connection:
        connection.execute("DROP TABLE results_shares")
    assert remove_unknown_rows(tmp_path / "state.db", rows) == RemovedRows(1, 1)


def test_files_without_our_tables_are_left_alone(tmp_path: Path) -> None:
    for name in ("state.db", "rows.db"):
        sqlite3.connect(tmp_path / name).close()
    assert remove_unknown_rows(tmp_path / "state.db", tmp_path / "rows.db") == RemovedRows()


def test_rows_in_files_stay(tmp_path: Path, leases: list[tuple[str, str]]) -> None:
    [(run, first), _] = leases
    asyncio.run(sealed_run_in(tmp_path, run, first, "lost"))
    asyncio.run(sealed_run_in(tmp_path, "gone", "other"))
    state, rows = tmp_path / "state.db", tmp_path / "rows.db"
    assert remove_unknown_rows(state, rows) == RemovedRows(rows=10, attempts=0, runs=1)
    with contextlib.closing(sqlite3.connect(rows)) as connection:
        found = connection.execute("SELECT run_id, rows, sealed FROM results_runs").fetchall()
    assert found == [(run, 20, 20), (None, 10, 10)]
