"""The contract of ``Results``: a deleted run is hidden at once and removed in small steps."""

from __future__ import annotations

import asyncio

import pytest

from fyke.model.results import AttemptBatch, Header, PushedRow, Row, RunTotals
from fyke.storage.sql.results import delete
from fyke.storage.sql.results.store import SqlResults
from support.rows import NONE, RUN, everything, lines, numbers, plain, upsert

pytestmark = pytest.mark.anyio
TABLES = ("runs", "attempts", "headers", "rows", "log", "upserts")


@pytest.mark.slow
async def test_deleting_a_run_leaves_the_others(results: SqlResults) -> None:
    for run, attempt in (("before", "a"), (RUN, "b"), ("after", "c")):
        await results.open_attempt(run, attempt)
        rows = [upsert(b'{"n":%d}' % n, str(n)) for n in range(2500)]
        batch = AttemptBatch(run, attempt, rows, [Header("l", "k", "text")], lines(0, 3))
        await results.commit([batch])
    await results.delete_run(RUN)
    await results.delete_run("unknown")
    assert await results.totals(RUN, NONE) == RunTotals(0, 0)
    assert await everything(results) == []
    assert await results.headers(RUN) == []
    assert await results.log_tail(RUN, 9) == []
    assert await results.commit([AttemptBatch(RUN, "b", plain(1))]) == [False]
    for run in ("before", "after"):
        assert numbers(await everything(results, run)) == list(range(2500))
        assert len(await results.log_tail(run, 9)) == 3
        assert len(await results.headers(run)) == 1


async def test_a_deleted_run_can_start_again(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    await results.commit([AttemptBatch(RUN, "a", [upsert(b'{"n":1}'), *plain(2)])])
    await results.delete_run(RUN)
    await results.open_attempt(RUN, "again")
    await results.commit([AttemptBatch(RUN, "again", [upsert(b'{"n":3}')])])
    assert await everything(results) == [Row(RUN, 1, "again", b'{"n":3}')]


async def test_deletion_empties_all_tables(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    rows = [upsert(b'{"n":1}', str(n)) for n in range(1500)]
    batch = AttemptBatch(RUN, "a", rows, [Header("l", "k", "text")], lines(0, 2000))
    await results.commit([batch])
    await results.delete_run(RUN)
    assert await _counts(results) == dict.fromkeys(TABLES, 0)


async def test_a_late_line_of_the_platform_leaves_nothing_of_a_deleted_run(
    results: SqlResults,
) -> None:
    await results.open_attempt(RUN, "a")
    await results.delete_run(RUN)
    await results.open_attempt(RUN, RUN)
    assert await results.commit([AttemptBatch(RUN, RUN, log=lines(0, 1))]) == [False]
    assert await _counts(results) == dict.fromkeys(TABLES, 0)


async def test_an_attempt_that_was_closed_before_brings_no_deleted_run_back(
    results: SqlResults,
) -> None:
    await results.close_attempt("late")
    await results.delete_run(RUN)
    await results.open_attempt(RUN, "late")
    assert await results.commit([AttemptBatch(RUN, "late", plain(1))]) == [False]
    assert (await _counts(results))["runs"] == 0


async def _counts(results: SqlResults) -> dict[str, int]:
    counted = {}
    for table in TABLES:
        statement = f"SELECT count(*) FROM results_{table}"
        rows = await results._read(lambda driver, statement=statement: driver.query(statement))
        counted[table] = rows[0][0]
    return counted


async def test_others_can_write_while_a_large_run_is_deleted(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    await results.open_attempt("other", "b")
    for _ in range(10):
        await results.commit(
            [AttemptBatch(RUN, "a", [PushedRow(b'{"n":"' + b"x" * 500 + b'"}')] * 2000)]
        )
    deleting = asyncio.create_task(results.delete_run(RUN))
    commits = 0
    while not deleting.done():
        assert await results.commit([AttemptBatch("other", "b", plain(commits))]) == [True]
        commits += 1
    await deleting
    assert commits >= 5
    assert numbers(await everything(results, "other")) == list(range(commits))


async def test_an_interrupted_deletion_is_finished_by_the_next(
    results: SqlResults, second: SqlResults
) -> None:
    await results.open_attempt(RUN, "a")
    await results.commit([AttemptBatch(RUN, "a", plain(*range(3000)))])
    await results._write(lambda driver: delete.mark_deleted(driver, RUN))
    assert await everything(results) == []
    await second.delete_run("some other run")
    left = await results._read(lambda driver: driver.query("SELECT count(*) FROM results_rows"))
    assert left[0][0] == 0
