"""The contract of ``Results``: a batch with a number is stored once, however often it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from fyke.model.results import AttemptBatch, Header, RunTotals
from fyke.storage.sql.results import delete
from fyke.storage.sql.results.store import SqlResults
from support.results_address import ResultsAddress
from support.rows import NONE, RUN, everything, lines, numbers, plain, upsert
from support.stores import open_rows

pytestmark = pytest.mark.anyio

WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def batch(number: int, *values: object, attempt: str = "a", **more: Any) -> AttemptBatch:
    return AttemptBatch(RUN, attempt, plain(*values), number=number, **more)


@pytest.fixture
async def store(second: SqlResults) -> SqlResults:
    """The store of a process that stores batches of other machines, with two open attempts."""
    for attempt in "ab":
        await second.open_attempt(RUN, attempt)
    return second


@pytest.fixture
async def other(store: SqlResults, results_address: ResultsAddress) -> AsyncIterator[SqlResults]:
    """The store of another such process."""
    address = results_address
    async with open_rows(address.url, journal=address.journal, blobs=address.blobs) as opened:
        yield opened


async def test_the_last_batch_is_stored_once(store: SqlResults, other: SqlResults) -> None:
    sent = batch(1, 1, 2, log=lines(0, 3), headers=[Header("l", "k", "text")])
    for process in (store, store, other):
        assert await process.commit([sent]) == [True]
    assert numbers(await everything(store)) == [1, 2]
    assert await store.log_count(RUN) == 3
    assert (await store.totals(RUN, NONE)).rows == await store.close_attempt("a") == 2


async def test_an_older_batch_is_not_stored_again(store: SqlResults) -> None:
    old, new = [Header("old", "k", "text")], [Header("new", "k", "text")]
    sent = [batch(1, 1, headers=old), batch(2, 2, log=lines(0, 1), headers=new), batch(3, 3)]
    for item in sent:
        assert await store.commit([item]) == [True]
    assert await store.commit(sent[:1]) == [True]
    assert await store.commit(sent[1:2]) == [True]
    assert numbers(await everything(store)) == [1, 2, 3]
    assert await store.headers(RUN) == new
    assert await store.log_count(RUN) == 1


async def test_a_commit_may_have_stored_and_new_batches(store: SqlResults) -> None:
    await store.commit([batch(1, 1), batch(1, "b1", attempt="b")])
    again = [
        batch(1, 1),
        batch(2, 2),
        batch(1, "b1", attempt="b"),
        batch(2, 2),  # twice in one commit
        batch(3, 3),
        batch(1, "unopened", attempt="c"),
    ]
    assert await store.commit(again) == [True] * 5 + [False]
    rows = await everything(store)
    assert numbers(rows) == [1, "b1", 2, 3]
    assert [row.position for row in rows] == [1, 2, 3, 4]
    assert await store.commit([batch(3, 3), batch(4, 4)]) == [True, True]
    assert numbers(await everything(store)) == [1, "b1", 2, 3, 4]


async def test_numbers_may_be_left_out(store: SqlResults) -> None:
    for number in (3, 4, 900):
        assert await store.commit([batch(number, number)]) == [True]
    assert await store.commit([batch(899, "never sent"), batch(900, 900)]) == [True, True]
    assert numbers(await everything(store)) == [3, 4, 900]


async def test_each_attempt_has_its_own_numbers(store: SqlResults) -> None:
    for number in (1, 2):
        for attempt in "ab":
            sent = batch(number, f"{attempt}{number}", attempt=attempt)
            assert await store.commit([sent]) == [True]
    assert numbers(await everything(store)) == ["a1", "b1", "a2", "b2"]
    assert [await store.close_attempt(attempt) for attempt in "ab"] == [2, 2]


async def test_batches_without_a_number_are_always_stored(store: SqlResults) -> None:
    line = AttemptBatch(RUN, "a", log=lines(0, 1))
    await store.commit([batch(5, 5)])
    assert await store.commit([line, line]) == [True, True]
    assert await store.commit([line]) == [True]
    assert await store.log_count(RUN) == 3
    assert await store.commit([batch(5, 5), batch(6, 6)]) == [True, True]
    assert numbers(await everything(store)) == [5, 6]


async def test_a_repeated_upsert_does_not_replace_a_later_one(store: SqlResults) -> None:
    first = AttemptBatch(RUN, "a", [upsert(b'{"n":1,"a":1}')], number=1)
    await store.commit([first])
    await store.commit([AttemptBatch(RUN, "b", [upsert(b'{"n":2}')], number=1)])
    assert await store.commit([first]) == [True]
    assert await store.commit([first, batch(2, "new")]) == [True, True]
    rows = await everything(store)
    assert [row.data for row in rows] == [b'{"n":2,"a":1}', b'{"n": "new"}']
    assert await store.totals(RUN, NONE) == RunTotals(2, sum(len(row.data) for row in rows))


async def test_a_closed_attempt_knows_what_was_stored_before(store: SqlResults) -> None:
    await store.commit([batch(1, 1), batch(2, 2)])
    assert await store.close_attempt("a") == 2
    answers = await store.commit([batch(1, 1), batch(2, 2), batch(3, 3), batch(0, 0)])
    assert answers == [True, True, False, False]
    assert await store.commit([batch(3, 3)]) == [False]
    await store.close_attempt("c")  # which was never opened
    assert await store.commit([batch(1, 1, attempt="c")]) == [False]
    assert numbers(await everything(store)) == [1, 2]
    assert await store.close_attempt("a") == 2


async def test_another_run_of_a_stored_batch_is_refused(store: SqlResults) -> None:
    await store.open_attempt("other", "c")
    await store.commit([batch(1, 1)])
    assert await store.commit([replace(batch(1, 1), run_id="other")]) == [False]
    assert await everything(store, "other") == []


async def test_a_batch_of_a_deleted_run_brings_nothing_back(
    store: SqlResults, other: SqlResults
) -> None:
    sent = batch(1, 1, log=lines(0, 1), headers=[Header("l", "k", "text")])
    await store.commit([sent])
    for attempt in "ab":
        await store.close_attempt(attempt)
    await store._write(lambda driver: delete.mark_deleted(driver, RUN))
    assert await other.commit([sent, batch(2, 2)]) == [False, False]  # not removed yet
    await store.delete_run(RUN)
    assert await other.commit([sent, batch(2, 2)]) == [False, False]
    for table in ("runs", "attempts", "headers", "rows", "log"):
        query = f"SELECT count(*) FROM results_{table}"
        assert await store._read(lambda driver, query=query: driver.query(query)) == [(0,)]


async def test_a_batch_that_two_processes_send_at_once_is_stored_once(
    store: SqlResults, other: SqlResults
) -> None:
    for number in range(1, 21):
        sent = batch(number, number, log=lines(0, 1))
        answers = await asyncio.gather(*(process.commit([sent]) for process in (store, other)))
        assert answers == [[True], [True]]
    assert numbers(await everything(store)) == list(range(1, 21))
    assert await store.log_count(RUN) == 20


@pytest.mark.parametrize("results_address", ["postgresql"], indirect=True)
async def test_numbers_are_compared_under_the_lock_of_the_run(
    store: SqlResults, other: SqlResults, results_address: ResultsAddress
) -> None:
    """Both processes have sent the batch before one of them has the lock."""
    url = results_address.url.replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1 FROM results_runs FOR UPDATE")
        sends = [asyncio.create_task(p.commit([batch(1, 1)])) for p in (store, other)]
        while await store._read(lambda driver: driver.query(WAITING)) != [(2,)]:
            assert not any(send.done() for send in sends)
    assert await asyncio.gather(*sends) == [[True], [True]]
    assert numbers(await everything(store)) == [1]


async def test_attempts_of_several_runs_are_opened_by_a_commit(store: SqlResults) -> None:
    sent = [AttemptBatch(run, f"{run} {n}", plain(n)) for run in ("two", "one") for n in (2, 1)]
    opening = {each.attempt_id for each in sent}
    assert await store.commit([batch(1, 0), *sent], opening) == [True] * 5
    for run in ("one", "two"):
        assert numbers(await everything(store, run)) == [2, 1]
    assert numbers(await everything(store)) == [0]


@pytest.mark.parametrize("results_address", ["postgresql"], indirect=True)
async def test_a_commit_opens_attempts_under_the_lock_of_their_run(
    store: SqlResults, results_address: ResultsAddress
) -> None:
    """Else it would hold an attempt while it waits for the run, and might open one of a run that
    is deleted meanwhile.
    """
    await store.close_attempt("closed")  # before it is opened
    url = results_address.url.replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1 FROM results_runs FOR UPDATE")
        sent = [batch(1, 1, attempt=attempt) for attempt in ("closed", "new")]
        send = asyncio.create_task(store.commit(sent, {"closed", "new"}))
        while await store._read(lambda driver: driver.query(WAITING)) != [(1,)]:
            assert not send.done()
        closed = "FROM results_attempts WHERE attempt_id = 'closed'"
        assert connection.execute(f"SELECT 1 {closed} FOR UPDATE NOWAIT").fetchall() == [(1,)]
        connection.execute("UPDATE results_runs SET run_id = NULL")
    assert await send == [False, False]
    attempts = "SELECT attempt_id, run FROM results_attempts WHERE attempt_id IN ('closed', 'new')"
    assert await store._read(lambda driver: driver.query(attempts)) == [("closed", None)]


async def test_every_batch_of_a_runner_is_stored(results: SqlResults) -> None:
    """Also with a journal, whose records have numbers of their own: upserts are in none of them."""
    await results.open_attempt(RUN, "a")
    for value in range(30):
        rows = [upsert(b'{"n":%d}' % value, str(value))] if value % 3 == 0 else plain(value)
        sent = AttemptBatch(RUN, "a", rows, number=value * 2 + 1)
        if await results.append(sent) is None:
            assert await results.commit([sent]) == [True]
        if value % 10 == 0:
            await results.totals(RUN, NONE)  # moves the journal
    assert numbers(await everything(results)) == list(range(30))
    assert await results.close_attempt("a") == 30
