"""The suite of the ``Results`` contract, on both databases."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.results.query.model import query_of
from fyke.domain.results.query.orders import OrderRequest
from fyke.domain.results.service import RunResults
from fyke.model.log import LogFilter, NewLogEntry
from fyke.model.results import AttemptBatch, Header, PushedRow, Row, RunTotals
from fyke.storage.sql.results import delete, read, write
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.store import SqlResults, open_results
from support import reference_order
from support.memory import MemoryStorage
from support.prepared import rows_in

pytestmark = pytest.mark.anyio

NONE: frozenset[str] = frozenset()
RUN = "01RUN"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_results_url"))
    url = rows_in(tmp_path)
    return url


@pytest.fixture
async def results(url: str, anyio_backend: str) -> AsyncIterator[SqlResults]:
    store = open_results(url, durable=False)
    yield store
    await store.close()


@pytest.fixture
async def second(url: str, anyio_backend: str) -> AsyncIterator[SqlResults]:
    """Another process's view of the same database."""
    store = open_results(url, durable=False)
    yield store
    await store.close()


def plain(*values: object) -> list[PushedRow]:
    return [PushedRow(json.dumps({"n": value}).encode()) for value in values]


def upsert(data: bytes, value: str = "1", key: str = "id") -> PushedRow:
    return PushedRow(data, key, value)


def numbers(rows: list[Row]) -> list[object]:
    return [json.loads(row.data)["n"] for row in rows]


async def everything(results: SqlResults, run: str = RUN, hidden: frozenset[str] = NONE):
    """All visible rows, walked in small steps."""
    found: list[Row] = []
    while more := await results.rows_after(
        run, hidden, position=found[-1].position if found else 0, limit=97
    ):
        found += more
    return found


# --- rows ------------------------------------------------------------------------------------


async def test_rows_get_positions_without_gaps_in_the_order_they_came(results: SqlResults) -> None:
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


async def test_each_run_counts_for_itself(results: SqlResults) -> None:
    await results.open_attempt("one", "a")
    await results.open_attempt("two", "b")
    await results.commit([AttemptBatch("one", "a", plain(1)), AttemptBatch("two", "b", plain(2))])
    await results.commit([AttemptBatch("two", "b", plain(3))])
    assert [row.position for row in await everything(results, "one")] == [1]
    assert numbers(await everything(results, "two")) == [2, 3]


async def test_totals_count_rows_and_bytes_of_what_is_visible(results: SqlResults) -> None:
    for attempt, data in (("a", b'{"n":1}'), ("b", b'{"n":"four"}')):
        await results.open_attempt(RUN, attempt)
        await results.commit([AttemptBatch(RUN, attempt, [PushedRow(data)])])
    assert await results.totals(RUN, NONE) == RunTotals(2, 7 + 12)
    assert await results.totals(RUN, frozenset({"a", "unknown"})) == RunTotals(1, 12)
    assert await results.totals(RUN, frozenset({"a", "b"})) == RunTotals(0, 0)


async def test_an_unknown_run_is_empty_everywhere(results: SqlResults) -> None:
    assert await results.totals("?", frozenset({"x"})) == RunTotals(0, 0)
    assert await results.page("?", frozenset({"x"}), offset=0, limit=5) == []
    assert await results.rows_after("?", NONE, position=0, limit=5) == []
    assert await results.headers("?") == []
    assert await results.log_tail("?", 5) == []
    assert await results.log_after("?", 0, 5) == []


async def test_empty_commits_are_answered(results: SqlResults) -> None:
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


async def test_data_comes_back_byte_for_byte(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    batch = AttemptBatch(RUN, "a", [PushedRow(data) for data in AS_THEY_CAME])
    assert await results.commit([batch]) == [True]
    many = AttemptBatch(RUN, "a", [PushedRow(data) for data in AS_THEY_CAME * 10])
    assert await results.commit([many]) == [True]  # large batches take another way
    assert [row.data for row in await everything(results)] == AS_THEY_CAME * 11


async def test_a_thousand_batches_from_eight_attempts_at_once(
    results: SqlResults, second: SqlResults
) -> None:
    """Two processes, eight attempts: no gap, none lost, none doubled, each attempt in order."""
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


# --- the fence -------------------------------------------------------------------------------


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


async def test_opening_and_closing_may_be_repeated(results: SqlResults) -> None:
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
    """Rows acknowledged, and the answers to pushes that began after the attempt was closed."""
    acknowledged, late_answers = 0, []
    while True:
        late = closed.is_set()
        taken = await results.commit([AttemptBatch(run, attempt, plain(1, 2))])
        if late:
            late_answers.append(taken)
        if taken == [False]:
            return acknowledged, late_answers
        acknowledged += 2


async def test_closing_races_with_pushing_and_never_lets_a_row_slip(
    results: SqlResults, second: SqlResults
) -> None:
    """The count that closing returns is final, and is exactly what was acknowledged."""
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


# --- upserts ---------------------------------------------------------------------------------


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
    assert await results.totals(RUN, frozenset({"a"})) == RunTotals(0, 0)
    assert await results.close_attempt("a") == 3
    assert await results.close_attempt("b") == 0


async def test_one_commit_may_upsert_the_same_row_many_times(results: SqlResults) -> None:
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
async def test_upserts_are_distinguished_by_key_and_text(
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
    found = await everything(results)
    assert [json.loads(row.data) for row in found] == list(expected.values())
    assert await results.totals(RUN, NONE) == RunTotals(
        len(expected), sum(len(row.data) for row in found)
    )


async def test_two_processes_upsert_the_same_row_at_once(
    results: SqlResults, second: SqlResults
) -> None:
    """Every field of every acknowledged upsert is there, in one single row."""
    await results.open_attempt(RUN, "a")
    await results.open_attempt(RUN, "b")

    async def push(store: SqlResults, attempt: str) -> None:
        for n in range(60):
            row = upsert(b'{"%s%d":%d}' % (attempt.encode(), n, n))
            assert await store.commit([AttemptBatch(RUN, attempt, [row])]) == [True]

    await asyncio.gather(push(results, "a"), push(second, "b"))
    (row,) = await everything(results)
    assert json.loads(row.data) == {f"{name}{n}": n for name in "ab" for n in range(60)}


# --- reading ---------------------------------------------------------------------------------


@pytest.fixture
async def mixed(results: SqlResults) -> SqlResults:
    """3,000 rows of three attempts, interleaved."""
    for attempt in "abc":
        await results.open_attempt(RUN, attempt)
    for start in range(0, 3000, 100):
        await results.commit(
            [
                AttemptBatch(RUN, "abc"[n % 3], plain(*range(n, min(n + 7, start + 100))))
                for n in range(start, start + 100, 7)
            ]
        )
    return results


@pytest.mark.parametrize("shallow", [0, read.SHALLOW])
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("hidden", [NONE, frozenset("b"), frozenset("ac"), frozenset({"none"})])
async def test_pages_at_any_depth_agree_with_the_walk(
    mixed: SqlResults,
    hidden: frozenset[str],
    closed: bool,
    shallow: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(read, "SHALLOW", shallow)
    if closed:
        for attempt in hidden:
            await mixed.close_attempt(attempt)
    walked = await everything(mixed, hidden=hidden)
    assert {row.attempt_id for row in walked} == set("abc") - hidden
    assert numbers(walked) == sorted(numbers(walked))
    assert (await mixed.totals(RUN, hidden)).rows == len(walked)
    for offset in (0, 1, 99, 100, 777, len(walked) - 1, len(walked), 2**40):
        page = await mixed.page(RUN, hidden, offset=offset, limit=50)
        assert page == walked[offset : offset + 50]


async def test_pages_follow_a_run_that_grows(
    mixed: SqlResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hidden or not, closed or not: rows that were read before must not delay the next page."""
    monkeypatch.setattr(read, "SHALLOW", 0)
    hidden = frozenset("ab")
    await mixed.close_attempt("a")
    for turn in range(3):
        visible = (await mixed.totals(RUN, hidden)).rows
        page = await mixed.page(RUN, hidden, offset=visible - 2, limit=50)
        assert numbers(page)[-1] == (await everything(mixed, hidden=hidden))[-1].position - 1
        assert len(page) == 2
        growing = [
            AttemptBatch(RUN, name, plain(3000 + 2 * turn + n)) for n, name in enumerate("bc")
        ]
        assert await mixed.commit(growing) == [True, True]
    await mixed.close_attempt("b")
    walked = await everything(mixed, hidden=hidden)
    assert await mixed.page(RUN, hidden, offset=900, limit=200) == walked[900:1100]


async def test_limits_are_exact(mixed: SqlResults) -> None:
    assert await mixed.page(RUN, NONE, offset=5, limit=0) == []
    assert numbers(await mixed.page(RUN, NONE, offset=5, limit=1)) == [5]
    assert numbers(await mixed.rows_after(RUN, NONE, position=2999, limit=5)) == [2999]
    assert await mixed.rows_after(RUN, NONE, position=3000, limit=5) == []


async def test_a_thousand_hidden_attempts_are_no_trouble(mixed: SqlResults) -> None:
    hidden = frozenset({"a", *(f"gone-{n}" for n in range(3000))})
    walked = await everything(mixed, hidden=hidden)
    assert {row.attempt_id for row in walked} == {"b", "c"}


async def test_readers_do_not_wait_for_a_writer(mixed: SqlResults) -> None:
    """A commit that is still under way is neither seen nor waited for."""
    entered, leave = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(driver: Driver) -> None:
        write.commit(driver, [AttemptBatch(RUN, "a", plain(3000))])
        loop.call_soon_threadsafe(entered.set)
        asyncio.run_coroutine_threadsafe(leave.wait(), loop).result(30)

    writing = asyncio.create_task(mixed._write(slow))
    await entered.wait()
    assert (await mixed.totals(RUN, NONE)).rows == 3000
    assert len(await everything(mixed)) == 3000
    leave.set()
    await writing
    assert (await mixed.totals(RUN, NONE)).rows == 3001


# --- headers and logs ------------------------------------------------------------------------


async def test_the_last_declaration_of_an_attempt_counts(results: SqlResults) -> None:
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


async def test_headers_are_merged_by_key_in_order_of_opening(results: SqlResults) -> None:
    for attempt in ("z", "a"):
        await results.open_attempt(RUN, attempt)
    late = AttemptBatch(RUN, "a", headers=[Header("Second", "k", "x"), Header("Only", "o", "text")])
    early = AttemptBatch(RUN, "z", headers=[Header("First", "k", "text")])
    await results.commit([late])
    await results.commit([early])
    assert await results.headers(RUN) == [
        Header("First", "k", "text"), Header("Only", "o", "text"),
    ]  # fmt: skip


def lines(start: int, stop: int) -> list[NewLogEntry]:
    return [NewLogEntry(n % 4 + 1, f"g{n}", f"line {n}", 1_700_000_000_000 + n)
            for n in range(start, stop)]  # fmt: skip


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
    found = await results.log_after(RUN, 0, 1000)
    assert [entry.position for entry in found] == list(range(1, 101))
    assert [(e.type, e.group, e.content, e.timestamp) for e in found] == [
        (e.type, e.group, e.content, e.timestamp) for e in lines(0, 100)
    ]
    assert await results.log_tail(RUN, 7) == found[-7:]
    assert await results.log_tail(RUN, 1000) == found
    assert await results.log_after(RUN, 40, 5) == found[40:45]
    assert await results.log_after(RUN, 100, 5) == []


@pytest.mark.parametrize("count", [1, 100])
async def test_text_that_no_database_can_store_is_replaced_alike(
    results: SqlResults, count: int
) -> None:
    await results.open_attempt(RUN, "a")
    entry = NewLogEntry(4, "g\0\ud800", "caf\u00e9 \udfff\0 \U0001f41f\n", 0)
    await results.commit([AttemptBatch(RUN, "a", log=[entry] * count)])
    (found, *_) = await results.log_tail(RUN, 1)
    assert found.group == "g\ufffd\ufffd"
    assert found.content == "caf\u00e9 \ufffd\ufffd \U0001f41f\n"


@pytest.mark.parametrize("kind", [0, 5, -1])
async def test_a_log_type_that_does_not_exist_is_refused_whole(
    results: SqlResults, kind: int
) -> None:
    await results.open_attempt(RUN, "a")
    with pytest.raises(ValueError, match="log type must be 1"):
        await results.commit([AttemptBatch(RUN, "a", plain(1), log=[NewLogEntry(kind, "", "", 0)])])
    assert await results.totals(RUN, NONE) == RunTotals(0, 0)


# --- deleting --------------------------------------------------------------------------------


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


async def test_a_deleted_run_may_begin_anew(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    await results.commit([AttemptBatch(RUN, "a", [upsert(b'{"n":1}'), *plain(2)])])
    await results.delete_run(RUN)
    await results.open_attempt(RUN, "again")
    await results.commit([AttemptBatch(RUN, "again", [upsert(b'{"n":3}')])])
    assert await everything(results) == [Row(RUN, 1, "again", b'{"n":3}')]


async def test_nothing_is_left_in_any_table(results: SqlResults) -> None:
    await results.open_attempt(RUN, "a")
    rows = [upsert(b'{"n":1}', str(n)) for n in range(1500)]
    batch = AttemptBatch(RUN, "a", rows, [Header("l", "k", "text")], lines(0, 2000))
    await results.commit([batch])
    await results.delete_run(RUN)
    for table in ("runs", "attempts", "headers", "rows", "log", "upserts"):
        statement = f"SELECT count(*) FROM results_{table}"
        counted = await results._read(lambda driver, statement=statement: driver.query(statement))
        assert counted[0][0] == 0, table


async def test_writers_get_in_while_a_large_run_goes(results: SqlResults) -> None:
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
    await results._write(lambda driver: delete.hide(driver, RUN))
    assert await everything(results) == []
    await second.delete_run("some other run")
    left = await results._read(lambda driver: driver.query("SELECT count(*) FROM results_rows"))
    assert left[0][0] == 0


async def test_rows_at_positions_come_as_they_are_named(results: SqlResults) -> None:
    await results.open_attempt(RUN, "A")
    await results.commit([AttemptBatch(RUN, "A", plain(*range(1, 2001)))])
    assert numbers(await results.rows_at(RUN, [7, 2000, 1, 5000])) == [7, 2000, 1]
    assert await results.rows_at(RUN, []) == []
    assert await results.rows_at("01OTHER", [1]) == []
    many = [p * 7919 % 2000 + 1 for p in range(1024)]
    assert numbers(await results.rows_at(RUN, many)) == many


MIXED = [
    *(json.dumps({"v": value}) for value in ("a", "B", "é", "", "Z", "z", "10", "9", "\u0000")),
    *(f'{{"v":{number}}}' for number in ("10", "9", "1e1", "9.5", "-1", "-1.0", "1e-400", "2e300")),
    *(f'{{"v":{other}}}' for other in ("null", "true", "false", "[1]", "[]", "{}", '{"a":1}')),
    '{"w":1}',
]


@pytest.mark.parametrize("sort", ["v", "-v", "w", "v.a"])
async def test_sorted_rows_have_one_order_on_every_database(
    results: SqlResults, tmp_path: Path, sort: str
) -> None:
    chance = random.Random(11)
    texts = [chance.choice(MIXED).encode() for _ in range(700)]
    await results.open_attempt(RUN, "A")
    await results.commit([AttemptBatch(RUN, "A", [PushedRow(text) for text in texts])])
    rows = [Row(RUN, position, "A", text) for position, text in enumerate(texts, 1)]
    reading = RunResults(MemoryStorage(), results, tmp_path)
    for filters in ((), ("v:ge:9", "v:ne:true"), ("v:contains:1",)):
        choice = query_of(sort=sort, filters=filters).choice
        order = await reading._orders.get(OrderRequest("A", RUN, NONE, choice, True))
        kept = [
            row
            for row in rows
            if all(
                reference_order.meets(row.data, f.field, f.operator, f.value)
                for f in choice.filters
            )
        ]
        expected = reference_order.ordered(kept, sort.removeprefix("-"), descending=sort[0] == "-")
        assert list(order.positions) == expected


# --- looking into the log --------------------------------------------------------------------


async def logged(results: SqlResults, *lines: tuple[int, str]) -> None:
    await results.open_attempt(RUN, "a")
    entries = [NewLogEntry(level, "1", text, 5) for level, text in lines]
    assert await results.commit([AttemptBatch(RUN, "a", log=entries)]) == [True]


async def scanned(results: SqlResults, wanted: LogFilter, **more: Any) -> list[int]:
    place = {"low": 0, "high": 10**6, "limit": 100, "cut": 50} | more
    return [line.position for line in await results.log_scan(RUN, wanted, **place)]


async def test_a_scan_keeps_to_its_stretch_and_to_one_end_of_it(results: SqlResults) -> None:
    await logged(results, *((2, f"line {n}") for n in range(1, 10)))
    await results.open_attempt("another", "z")
    await results.commit([AttemptBatch("another", "z", log=[NewLogEntry(2, "1", "line x", 5)])])
    every = LogFilter()
    assert await results.log_count(RUN) == 9
    assert await results.log_count("unknown") == 0
    assert await scanned(results, every, low=2, high=6) == [3, 4, 5, 6]
    assert await scanned(results, every, low=2, high=6, limit=2) == [3, 4]
    assert await scanned(results, every, low=2, high=6, limit=2, newest=True) == [5, 6]
    assert await scanned(results, every, low=9) == []
    assert await results.log_scan("unknown", every, low=0, high=9, limit=9, cut=9) == []


async def test_a_scan_asks_for_severity_and_text(results: SqlResults) -> None:
    await logged(
        results,
        (1, "debug"),
        (2, "Got 100% of a_b"),
        (4, "got 100 percent of axb"),
        (3, "STRASSE straße \u0130"),
        (2, "what! a [bracket] and a back\\slash"),
    )
    assert await scanned(results, LogFilter(level=3)) == [3, 4]
    assert await scanned(results, LogFilter(text="GOT 100")) == [2, 3]
    assert await scanned(results, LogFilter(level=4, text="got")) == [3]
    for text, found in {
        "100%": [2],
        "a_b": [2],
        "%": [2],
        "t!": [5],
        "[b": [5],
        "k\\s": [5],
        "stra\u00dfe": [4],
        "STRA\u00dfE": [4],
        "\u00c4": [],
        "nothing": [],
        "'; --": [],
    }.items():
        assert await scanned(results, LogFilter(text=text)) == found, text


async def test_the_store_and_a_follower_want_the_same_lines(results: SqlResults) -> None:
    dice = random.Random(7)
    letters = "aAbB%_!\\ßÄä'\" \u0130i"
    lines = [
        (dice.randint(1, 4), "".join(dice.choices(letters, k=dice.randint(0, 6))))
        for _ in range(300)
    ]
    await logged(results, *lines)
    entries = await results.log_after(RUN, 0, 1000)
    for _ in range(60):
        text = "".join(dice.choices(letters, k=dice.randint(1, 2)))
        wanted = LogFilter(dice.randint(1, 4), text)
        expected = [entry.position for entry in entries if wanted.wants(entry)]
        assert await scanned(results, wanted, limit=1000) == expected, wanted


async def test_a_scan_cuts_long_values_and_states_their_length(results: SqlResults) -> None:
    await logged(results, (2, "\u00e9" * 2**20), (2, "short"))
    long, short = await results.log_scan(RUN, LogFilter(), low=0, high=9, limit=9, cut=10)
    assert (long.content, long.length, long.cut) == ("\u00e9" * 10, 2**20, True)
    assert (short.content, short.length, short.cut) == ("short", 5, False)
    assert (long.type, long.group, long.timestamp) == (2, "1", 5)
