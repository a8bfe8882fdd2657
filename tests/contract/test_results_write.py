"""The contract of ``Results``: attempts, commits, upserts."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

import pytest

from fyke.errors import NotStorable, Unavailable
from fyke.model.log import LogType, NewLogEntry
from fyke.model.results import (
    MAX_ROW_BYTES,
    AttemptBatch,
    Header,
    PushedRow,
    Row,
    RunTotals,
)
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.store import SqlResults
from support.rows import NONE, RUN, everything, lines, numbers, plain, upsert

pytestmark = pytest.mark.anyio


# --- rows -----------------------------------------------------------------------------------


async def test_rows_get_consecutive_positions_in_order(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    await results.open_attempt(RUN, "b")
    batches = [
        AttemptBatch(RUN, "a", plain(0, 1)),
        AttemptBatch(RUN, "b", plain(2)),
        AttemptBatch(RUN, "a", plain(3)),
    ]
    assert await results.commit(batches) == [True, True, True]
    assert await results.commit([AttemptBatch(RUN, "b", plain(4))]) == [True]
    rows = await everything(results)
    assert numbers(rows) == [0, 1, 2, 3, 4]
    assert [row.position for row in rows] == [1, 2, 3, 4, 5]
    assert [row.attempt_id for row in rows] == ["a", "a", "b", "a", "b"]
    assert {row.run_id for row in rows} == {RUN}


async def test_each_run_has_its_own_positions(results: SqlResults) -> None:
    await results.open_attempt("one", "a")
    await results.open_attempt("two", "b")
    await results.commit([AttemptBatch("one", "a", plain(1)), AttemptBatch("two", "b", plain(2))])
    await results.commit([AttemptBatch("two", "b", plain(3))])
    assert [row.position for row in await everything(results, "one")] == [1]
    assert numbers(await everything(results, "two")) == [2, 3]


async def test_empty_commits_return_nothing_new(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    assert await results.commit([]) == []
    assert await results.commit([AttemptBatch(RUN, "a"), AttemptBatch(RUN, "b")]) == [True, False]


AS_THEY_CAME = [
    b'{"n":1234567890123456789012345678901234567890}',
    b'{"n":-0.0,"f":1.10,"g":1e400,"h":1E-7,"i":100000000000000000000.00}',
    '{"n":"\u00e4\u6f22\U0001f41f\u2028","\u00fc":"\u0627"}'.encode(),
    b'{"n":"\\u0000","":null,"\\ud800":"\\udfff"}',
    b'{"n":[[],{},{"deep":[1,2,{"x":[]}]}],"quote":"a\\"b\\\\c"}',
    b'{"n":"' + b"x" * 300_000 + b'"}',
    b"{}",
]


async def test_data_is_returned_unchanged(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    batch = AttemptBatch(RUN, "a", [PushedRow(data) for data in AS_THEY_CAME])
    assert await results.commit([batch]) == [True]
    many = AttemptBatch(RUN, "a", [PushedRow(data) for data in AS_THEY_CAME * 10])
    assert await results.commit([many]) == [True]  # large batches are written in another way
    assert [row.data for row in await everything(results)] == AS_THEY_CAME * 11


@pytest.mark.parametrize("count", [1, 8], ids=["one", "eight"])
async def test_the_largest_rows_are_stored(results: SqlResults, count: int) -> None:
    largest = b'{"n":"' + b"x" * (MAX_ROW_BYTES - 8) + b'"}'
    await results.open_attempt(RUN, "a")
    pushed = [*plain(1), *[PushedRow(largest)] * count, upsert(largest)]
    assert await results.commit([AttemptBatch(RUN, "a", pushed)]) == [True]
    assert [row.data for row in await everything(results)] == [pushed[0].data] + (
        [largest] * (count + 1)
    )


@pytest.mark.slow
async def test_a_thousand_batches_from_eight_attempts_at_once(
    results: SqlResults, second: SqlResults
) -> None:
    """Two processes, eight attempts: no gaps, no lost or duplicate rows, each attempt in order."""
    attempts = [f"attempt-{n}" for n in range(8)]
    for attempt in attempts:
        await results.open_attempt(RUN, attempt)

    async def push(attempt: str, store: SqlResults) -> None:
        for batch in range(125):
            values = [f"{attempt}:{batch * 3 + n}" for n in range(3)]
            assert await store.commit([AttemptBatch(RUN, attempt, plain(*values))]) == [True]

    await asyncio.gather(*(push(name, (results, second)[n % 2]) for n, name in enumerate(attempts)))
    rows = await everything(results)
    assert [row.position for row in rows] == list(range(1, 3001))
    for attempt in attempts:
        own = [value for row, value in zip(rows, numbers(rows), strict=True)
               if row.attempt_id == attempt]  # fmt: skip
        assert own == [f"{attempt}:{n}" for n in range(375)]


# --- closed attempts ------------------------------------------------------------------------


async def test_unopened_and_closed_attempts_store_nothing(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    await results.open_attempt(RUN, "closed")
    assert await results.commit([AttemptBatch(RUN, "closed", plain(0))]) == [True]
    assert await results.close_attempt("closed") == 1
    full = {"headers": [Header("l", "k", "text")], "log": [NewLogEntry(2, "g", "c", 1)]}
    answers = await results.commit(
        [
            AttemptBatch(RUN, "closed", plain(1), **full),
            AttemptBatch(RUN, "a", plain(2)),
            AttemptBatch(RUN, "unopened", plain(3), **full),
            AttemptBatch("another run", "a", plain(4), **full),
        ]
    )
    assert answers == [False, True, False, False]
    assert numbers(await everything(results)) == [0, 2]
    assert await results.headers(RUN) == []
    assert await results.log_tail(RUN, 9) == []
    assert await results.totals("another run", NONE) == RunTotals(0, 0)


async def test_opening_and_closing_can_be_repeated(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    await results.commit([AttemptBatch(RUN, "a", plain(1, 2))])
    await results.open_attempt(RUN, "a")
    await results.open_attempt("other", "a")
    assert numbers(await everything(results)) == [1, 2]
    assert [await results.close_attempt("a") for _ in range(3)] == [2, 2, 2]
    await results.open_attempt(RUN, "a")
    assert await results.commit([AttemptBatch(RUN, "a", plain(3))]) == [False]


async def test_an_attempt_closed_before_it_opened_stays_closed(results: SqlResults) -> None:
    assert await results.close_attempt("late") == 0
    await results.open_attempt(RUN, "late")
    assert await results.commit([AttemptBatch(RUN, "late", plain(1))]) == [False]
    assert await results.totals(RUN, NONE) == RunTotals(0, 0)


async def push_until_refused(
    results: SqlResults, run: str, attempt: str, closed: asyncio.Event
) -> tuple[int, list[list[bool]]]:
    """Return the number of acknowledged rows, and the results of pushes after the close."""
    acknowledged, late_answers = 0, []
    while True:
        late = closed.is_set()
        outcome = await results.commit([AttemptBatch(run, attempt, plain(1, 2))])
        if late:
            late_answers.append(outcome)
        if outcome == [False]:
            return acknowledged, late_answers
        acknowledged += 2


@pytest.mark.slow
async def test_no_row_is_stored_after_a_concurrent_close(
    results: SqlResults, second: SqlResults
) -> None:
    """The number that closing returns is final and equals that of acknowledged rows."""
    for race in range(30):
        run, attempt, closed = f"race-{race}", f"racer-{race}", asyncio.Event()
        await results.open_attempt(run, attempt)
        pushing = asyncio.create_task(push_until_refused(results, run, attempt, closed))
        await asyncio.sleep(random.random() * 0.02)
        owned = await second.close_attempt(attempt)
        closed.set()
        acknowledged, late_answers = await pushing
        assert owned == acknowledged
        assert [True] not in late_answers
        assert len(await everything(second, run)) == owned


# --- upserts --------------------------------------------------------------------------------


async def test_an_upsert_merges_fields_and_keeps_the_position(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    await results.open_attempt(RUN, "b")
    await results.commit(
        [AttemptBatch(RUN, "a", [*plain(0), upsert(b'{"id":1,"n":1,"old":1.10}'), *plain(2)])]
    )
    big = b'{"n":1234567890123456789012345678901234567890,"new":[1e5]}'
    assert await results.commit([AttemptBatch(RUN, "b", [upsert(big)])]) == [True]
    rows = await everything(results)
    assert [row.position for row in rows] == [1, 2, 3]
    merged = b'{"id":1,"n":1234567890123456789012345678901234567890,"old":1.10,"new":[1e5]}'
    assert rows[1] == Row(RUN, 2, "a", merged)
    expected = sum(len(row.data) for row in rows)
    assert await results.totals(RUN, NONE) == RunTotals(3, expected)
    assert await results.totals(RUN, frozenset({"a"})) == RunTotals(1, len(merged), kept=1)
    assert await results.close_attempt("a") == 3
    assert await results.close_attempt("b") == 0


async def test_upserts_are_not_merged_into_rows_of_an_attempt_that_has_released_them(
    results: SqlResults,
) -> None:
    for attempt in "abc":
        await results.open_attempt(RUN, attempt)
    await results.commit([AttemptBatch(RUN, "a", [upsert(b'{"a":1}'), *plain(0)])])
    await results.commit([AttemptBatch(RUN, "c", [upsert(b'{"c":1}', "2")])])
    await results.close_attempt("a")
    for _ in range(2):
        await results.release_upserts("a")
    await results.release_upserts("unknown")
    await results.commit([AttemptBatch(RUN, "b", [upsert(b'{"b":1}')])])
    await results.commit([AttemptBatch(RUN, "b", [upsert(b'{"b":2}'), upsert(b'{"b":3}', "2")])])
    rows = [(row.attempt_id, row.data) for row in await everything(results)]
    assert rows == [
        ("a", b'{"a":1}'), ("a", plain(0)[0].data), ("c", b'{"c":1,"b":3}'), ("b", b'{"b":2}'),
    ]  # fmt: skip


async def test_one_commit_can_upsert_a_row_many_times(results: SqlResults) -> None:
    for attempt in ("a", "b"):
        await results.open_attempt(RUN, attempt)
    await results.commit(
        [
            AttemptBatch(RUN, "a", [upsert(b'{"n":%d,"f%d":%d}' % (n, n, n)) for n in range(3)]),
            AttemptBatch(RUN, "b", [upsert(b'{"n":9}'), *plain("x"), upsert(b'{"n":2}', "2")]),
            AttemptBatch(RUN, "a", [upsert(b'{"last":true}')]),
        ]
    )
    rows = await everything(results)
    assert rows[0].data == b'{"n":9,"f0":0,"f1":1,"f2":2,"last":true}'
    assert [row.attempt_id for row in rows] == ["a", "b", "b"]
    assert await results.totals(RUN, NONE) == RunTotals(3, sum(len(row.data) for row in rows))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("id", "1"), ("id", "1.0")),
        (("id", "True"), ("id", "true")),
        (("ab", "c"), ("a", "bc")),
        (("id", ""), ("id", "\0")),
        (("id", "x" * 1_000_000), ("id", "x" * 1_000_000 + "y")),
        (("\ud800", "\udc00"), ("\ufffd", "\ufffd")),
    ],
)
async def test_upserts_differ_by_key_and_text(
    results: SqlResults, one: tuple[str, str], other: tuple[str, str]
) -> None:
    await results.open_attempt(RUN, "a")
    for _ in range(2):
        rows = [PushedRow(b'{"n":1}', *one), PushedRow(b'{"n":2}', *other)]
        await results.commit([AttemptBatch(RUN, "a", rows)])
    assert numbers(await everything(results)) == [1, 2]


async def test_upserts_stay_within_their_run(results: SqlResults) -> None:
    for run, attempt in (("one", "a"), ("two", "b")):
        await results.open_attempt(run, attempt)
        await results.commit(
            [AttemptBatch(run, attempt, [upsert(b'{"n":"%s"}' % attempt.encode())])]
        )
    assert numbers(await everything(results, "one")) == ["a"]
    assert numbers(await everything(results, "two")) == ["b"]


async def test_random_upserts_agree_with_a_dictionary(
    results: SqlResults, second: SqlResults
) -> None:
    chance = random.Random(7)
    expected: dict[str, dict[str, int]] = {}
    await results.open_attempt(RUN, "a")
    await second.open_attempt(RUN, "b")
    for turn in range(60):
        rows = []
        for _ in range(chance.randrange(1, 40)):
            value = str(chance.randrange(200))
            fields = {chance.choice("pqrst"): turn, "id": int(value)}
            rows.append(upsert(json.dumps(fields).encode(), value))
            expected[value] = expected.get(value, {}) | fields
        store, attempt = chance.choice([(results, "a"), (second, "b")])
        assert await store.commit([AttemptBatch(RUN, attempt, rows)]) == [True]
    stored = await everything(results)
    assert [json.loads(row.data) for row in stored] == list(expected.values())
    assert await results.totals(RUN, NONE) == RunTotals(
        len(expected), sum(len(row.data) for row in stored)
    )


async def test_two_processes_upsert_the_same_row_at_once(
    results: SqlResults, second: SqlResults
) -> None:
    """One row contains every field of every acknowledged upsert."""
    await results.open_attempt(RUN, "a")
    await results.open_attempt(RUN, "b")

    async def push(store: SqlResults, attempt: str) -> None:
        for n in range(60):
            row = upsert(b'{"%s%d":%d}' % (attempt.encode(), n, n))
            assert await store.commit([AttemptBatch(RUN, attempt, [row])]) == [True]

    await asyncio.gather(push(results, "a"), push(second, "b"))
    (row,) = await everything(results)
    assert json.loads(row.data) == {f"{name}{n}": n for name in "ab" for n in range(60)}


# --- headers and logs -----------------------------------------------------------------------


async def test_the_last_header_of_an_attempt_counts(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    first = [Header("Old", "k", "text"), Header("Gone", "g", "text")]
    last = [Header("T\u00eftle \0\ud800", "k", "text"), Header("New", "n", "number")]
    await results.commit([AttemptBatch(RUN, "a", headers=first)])
    await results.commit([AttemptBatch(RUN, "a", plain(1))])
    assert await results.headers(RUN) == first
    await results.commit(
        [AttemptBatch(RUN, "a", headers=first), AttemptBatch(RUN, "a", headers=last)]
    )
    assert await results.headers(RUN) == [
        Header("T\u00eftle \ufffd\ufffd", "k", "text"), Header("New", "n", "number"),
    ]  # fmt: skip
    await results.commit([AttemptBatch(RUN, "a", headers=[])])
    assert await results.headers(RUN) == []


async def test_log_lines_have_positions_of_their_own(results: SqlResults) -> None:
    for attempt in "ab":
        await results.open_attempt(RUN, attempt)
    await results.commit(
        [
            AttemptBatch(RUN, "a", plain(1, 2), log=lines(0, 3)),
            AttemptBatch(RUN, "b", log=lines(3, 5)),
        ]
    )
    await results.commit([AttemptBatch(RUN, "a", log=lines(5, 100))])
    entries = await results.log_after(RUN, 0, 1000)
    assert [entry.position for entry in entries] == list(range(1, 101))
    assert [(e.type, e.group, e.content, e.timestamp) for e in entries] == [
        (e.type, e.group, e.content, e.timestamp) for e in lines(0, 100)
    ]
    assert await results.log_tail(RUN, 7) == entries[-7:]
    assert await results.log_tail(RUN, 1000) == entries
    assert await results.log_after(RUN, 40, 5) == entries[40:45]
    assert await results.log_after(RUN, 100, 5) == []


@pytest.mark.parametrize("count", [1, 100])
async def test_text_that_cannot_be_stored_is_replaced_in_each_database(
    results: SqlResults, count: int
) -> None:
    await results.open_attempt(RUN, "a")
    entry = NewLogEntry(4, "g\0\ud800", "caf\u00e9 \udfff\0 \U0001f41f\n", 0)
    await results.commit([AttemptBatch(RUN, "a", log=[entry] * count)])
    (stored, *_) = await results.log_tail(RUN, 1)
    assert stored.group == "g\ufffd\ufffd"
    assert stored.content == "caf\u00e9 \ufffd\ufffd \U0001f41f\n"


@pytest.mark.parametrize("kind", [0, 5, -1])
async def test_a_batch_with_an_unknown_log_type_is_refused(results: SqlResults, kind: int) -> None:
    await results.open_attempt(RUN, "a")
    with pytest.raises(ValueError, match="log type must be 1"):
        await results.commit([AttemptBatch(RUN, "a", plain(1), log=[NewLogEntry(kind, "", "", 0)])])
    assert await results.totals(RUN, NONE) == RunTotals(0, 0)


@pytest.mark.parametrize("count", [1, 100])
async def test_what_a_database_cannot_store_is_refused_and_keeps_no_other_batch(
    results: SqlResults, count: int
) -> None:
    for attempt in ("bad", "good"):
        await results.open_attempt(RUN, attempt)
    rows = [upsert(b'{"n":1}', str(n)) for n in range(count)]  # which are never in a journal
    lines = [NewLogEntry(LogType.INFO, "", "text", 2**63)] * count  # a column has 63 bits
    bad, good = AttemptBatch(RUN, "bad", rows, log=lines), AttemptBatch(RUN, "good", rows)
    for batches in ([bad], [bad, good]):
        with pytest.raises(NotStorable):
            await results.commit(batches)
    assert await results.totals(RUN, NONE) == RunTotals(0, 0)
    assert await results.commit([good]) == [True]
    assert (await results.totals(RUN, NONE)).rows == count


async def test_a_table_that_is_away_loses_no_row(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    batch = AttemptBatch(RUN, "a", [upsert(b'{"n":1}', "1")])  # which is never in a journal

    def rename(before: str, after: str) -> Callable[[Driver], int]:
        return lambda driver: driver.run(f"ALTER TABLE {before} RENAME TO {after}")

    await results._write(rename("results_upserts", "restored"))
    for _ in range(2):
        with pytest.raises(Unavailable):
            await results.commit([batch])
    await results._write(rename("restored", "results_upserts"))
    assert await results.commit([batch]) == [True]
    assert (await results.totals(RUN, NONE)).rows == 1
