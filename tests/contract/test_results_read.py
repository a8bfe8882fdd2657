"""The contract of ``Results``: totals, pages, orders, scans of the log."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.results.query.model import parse_query
from fyke.domain.results.query.orders import OrderRequest
from fyke.domain.results.service import RunResults
from fyke.model.log import LogFilter, NewLogEntry
from fyke.model.results import AttemptBatch, Header, PushedRow, Row, RowBlock, RunTotals
from fyke.storage.sql.results import read, write
from fyke.storage.sql.results.delete import DeletedRun, remove_step
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.frames import CachedFrames
from fyke.storage.sql.results.store import SqlResults
from support import reference_order
from support.exports import block_of
from support.memory import MemoryStorage
from support.results_address import DIALECTS, STORES, ResultsAddress, address_of
from support.rows import NONE, RUN, everything, numbers, plain
from support.sealed import Rows, seal_before_reads
from support.stores import open_rows

pytestmark = pytest.mark.anyio


CASES = [
    *((store, Rows.HOT) for store in STORES),
    *((store, rows) for store in DIALECTS for rows in (Rows.SEALED, Rows.HALF_REMOVED)),
]


def _case(store: str, rows: Rows) -> Any:
    marks = [pytest.mark.needs("postgres")] if store == "postgresql" else []
    return pytest.param((store, rows), id=f"{store}-{rows}", marks=marks)


@pytest.fixture(params=[_case(*case) for case in CASES])
def case(request: pytest.FixtureRequest) -> tuple[str, Rows]:
    """A store, and where its rows are when they are read."""
    store, rows = request.param
    return store, rows


@pytest.fixture
def where(case: tuple[str, Rows]) -> Rows:
    return case[1]


@pytest.fixture
def results_address(
    case: tuple[str, Rows], request: pytest.FixtureRequest, tmp_path: Path
) -> ResultsAddress:
    return address_of(case[0], request, tmp_path)


@pytest.fixture
def results(results: SqlResults, where: Rows, monkeypatch: pytest.MonkeyPatch) -> SqlResults:
    """The store of a runner, whose runs are sealed before their rows are read, or are not."""
    seal_before_reads(results, where, monkeypatch)
    return results


async def test_totals_count_visible_rows_and_bytes(results: SqlResults) -> None:
    for attempt, data in (("a", b'{"n":1}'), ("b", b'{"n":"four"}')):
        await results.open_attempt(RUN, attempt)
        await results.commit([AttemptBatch(RUN, attempt, [PushedRow(data)])])
    assert await results.totals(RUN, NONE) == RunTotals(2, 7 + 12)
    assert await results.totals(RUN, frozenset({"a", "unknown"})) == RunTotals(1, 12)
    assert await results.totals(RUN, frozenset({"a", "b"})) == RunTotals(0, 0)


async def test_rows_of_attempts_that_the_state_does_not_know_are_not_shown(
    results_address: ResultsAddress, where: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempt ``lost`` was made by an earlier state that no longer exists, for the same run."""
    known, lookups = {"a"}, []

    async def lookup(attempt_ids: Sequence[str]) -> frozenset[str]:
        lookups.append(sorted(attempt_ids))
        return known.intersection(attempt_ids)

    address = results_address
    async with open_rows(address.url, lookup, blobs=address.blobs) as store:
        seal_before_reads(store, where, monkeypatch)
        for attempt in ("lost", "a"):
            await store.open_attempt(RUN, attempt)
            await store.commit([AttemptBatch(RUN, attempt, plain(1, 2, 3))])
        for _ in range(2):
            assert (await store.totals(RUN, NONE)).rows == 3
            walked = await everything(store)
            assert [row.attempt_id for row in walked] == ["a"] * 3
            assert numbers(walked) == [1, 2, 3]
            assert await store.page(RUN, NONE, offset=0, limit=9) == walked
            assert await store.page(RUN, NONE, offset=2, limit=9) == walked[2:]
            assert await store.page(RUN, frozenset("a"), offset=0, limit=9) == []
            assert (await store.totals(RUN, frozenset("a"))).rows == 0
        assert lookups == [["a", "lost"]], "each attempt is looked up once"
        known.add("b")
        await store.open_attempt(RUN, "b")
        await store.commit([AttemptBatch(RUN, "b", plain(4))])
        assert numbers(await everything(store)) == [1, 2, 3, 4]
        assert (await store.totals(RUN, NONE)).rows == 4
        assert lookups == [["a", "lost"], ["b"]]
        assert (await store.totals("another run", NONE)).rows == 0


async def test_an_unknown_run_is_empty_everywhere(results: SqlResults) -> None:
    assert await results.totals("?", frozenset({"x"})) == RunTotals(0, 0)
    assert await results.page("?", frozenset({"x"}), offset=0, limit=5) == []
    assert await results.rows_after("?", NONE, position=0, limit=5) == []
    assert await results.block_after("?", NONE, position=0, limit=5) == RowBlock([], b"[]")
    assert await results.headers("?") == []
    assert await results.log_tail("?", 5) == []
    assert await results.log_after("?", 0, 5) == []


# --- pages ----------------------------------------------------------------------------------


@pytest.fixture
async def mixed(results: SqlResults) -> SqlResults:
    """Store 3,000 rows of three attempts, interleaved."""
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


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [NONE, frozenset("b"), frozenset("ac"), frozenset({"none"})])
async def test_pages_at_any_offset_agree_with_a_walk(
    mixed: SqlResults, hidden: frozenset[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for closed, shallow in itertools.product((False, True), (0, read.SHALLOW)):
        monkeypatch.setattr(read, "SHALLOW", shallow)
        for attempt in hidden if closed else ():
            await mixed.close_attempt(attempt)
        walked = await everything(mixed, hidden=hidden)
        assert {row.attempt_id for row in walked} == set("abc") - hidden
        assert numbers(walked) == sorted(numbers(walked))
        assert (await mixed.totals(RUN, hidden)).rows == len(walked)
        for offset in (0, 1, 99, 100, 777, len(walked) - 1, len(walked), 2**40):
            page = await mixed.page(RUN, hidden, offset=offset, limit=50)
            assert page == walked[offset : offset + 50], (closed, shallow)


async def test_pages_include_rows_added_meanwhile(
    mixed: SqlResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages follow a growing run, with hidden and with closed attempts."""
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


async def test_blocks_of_large_rows_are_short(
    results: SqlResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "BLOCK_BYTES", 1000)
    await results.open_attempt(RUN, "a")
    rows = plain(*("x" * (2000 if 40 <= n < 50 else 5) for n in range(100)))
    await results.commit([AttemptBatch(RUN, "a", rows)])
    sizes, position = [], 0
    while (block := await results.block_after(RUN, NONE, position=position, limit=50)).positions:
        assert block.positions == list(range(position + 1, block.positions[-1] + 1))
        sizes.append(len(block.data))
        position = block.positions[-1]
    assert position == 100 and 2000 < max(sizes) < 2100


@pytest.mark.parametrize("position", [0, 5, 2990, 3000])
async def test_a_block_has_the_rows_of_a_read_row_by_row(mixed: SqlResults, position: int) -> None:
    for hidden in (NONE, frozenset({"a"}), frozenset({"a", "b"})):
        rows = await mixed.rows_after(RUN, hidden, position=position, limit=20)
        block = await mixed.block_after(RUN, hidden, position=position, limit=20)
        assert block == block_of(rows[: len(block.positions)])
        assert bool(block.positions) == bool(rows)


async def test_a_block_skips_many_hidden_rows(results: SqlResults) -> None:
    for attempt, count in (("a", 1), ("b", 50), ("c", 2)):
        await results.open_attempt(RUN, attempt)
        await results.commit([AttemptBatch(RUN, attempt, plain(*range(count)))])
    for limit in (1, 7, 100):
        block = await results.block_after(RUN, frozenset({"b"}), position=1, limit=limit)
        assert block.positions == [52, 53][:limit]
    last = await results.block_after(RUN, frozenset({"b", "c"}), position=1, limit=5)
    assert last == RowBlock([], b"[]")


@pytest.mark.parametrize("change", ["push", "delete"])
async def test_a_block_is_whole_while_its_run_changes(results: SqlResults, change: str) -> None:
    """After each statement of the read, a row is pushed or the first row is removed."""
    await results.open_attempt(RUN, "a")
    await results.commit([AttemptBatch(RUN, "a", plain(*range(6)))])
    loop, removed = asyncio.get_running_loop(), itertools.count()

    def change_rows(driver: Driver) -> None:
        if change == "push":
            write.commit(driver, [AttemptBatch(RUN, "a", plain("new"))])
        else:
            [(number,)] = driver.query("SELECT number FROM results_runs")
            remove_step(driver, DeletedRun(number, 6, 0, next(removed)), 1)

    class Interrupted:
        def __init__(self, driver: Driver) -> None:
            self.driver, self.joined = driver, driver.joined

        def query(self, sql: str, params: Sequence[Any]) -> list[Any]:
            return self.change(self.driver.query(sql, params))

        def query_within(self, size: int, sql: str, params: Sequence[Any]) -> list[Any]:
            rows = self.driver.query_within(size, sql, params)
            return self.change(rows) if rows else rows

        def change(self, rows: list[Any]) -> list[Any]:
            asyncio.run_coroutine_threadsafe(results._write(change_rows), loop).result(30)
            return rows

    def work(driver: Driver) -> RowBlock:
        interrupted: Any = Interrupted(driver)
        return read.block_after(interrupted, CachedFrames(None), RUN, NONE, position=0, limit=50)

    block = await results._read(work)
    assert len(block.positions) == len(json.loads(block.data))
    if change == "push":
        assert block.positions == list(range(1, 8)), "the row of the first statement is included"


async def test_a_thousand_attempts_can_be_hidden(mixed: SqlResults) -> None:
    hidden = frozenset({"a", *(f"gone-{n}" for n in range(3000))})
    walked = await everything(mixed, hidden=hidden)
    assert {row.attempt_id for row in walked} == {"b", "c"}


async def test_readers_do_not_wait_for_a_writer(mixed: SqlResults) -> None:
    """A commit in progress is neither visible nor waited for."""
    assert (await mixed.totals(RUN, NONE)).rows == 3000  # a journal is moved before
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


async def test_rows_are_read_by_position(results: SqlResults) -> None:
    await results.open_attempt(RUN, "A")
    await results.commit([AttemptBatch(RUN, "A", plain(*range(1, 2001)))])
    assert numbers(await results.rows_at(RUN, [7, 2000, 1, 5000])) == [7, 2000, 1]
    assert await results.rows_at(RUN, []) == []
    assert await results.rows_at("01OTHER", [1]) == []
    many = [p * 7919 % 2000 + 1 for p in range(1024)]
    assert numbers(await results.rows_at(RUN, many)) == many


@pytest.mark.parametrize("max_bytes", [0, 1, 99, 20_000, 2**20, 2**30])
async def test_the_first_rows_at_positions_have_a_limit(
    results: SqlResults, max_bytes: int
) -> None:
    """Rows of all sizes: many in a frame, and some that are a frame of their own."""
    sizes = [(p * 7919 % 97) * (3000 if p % 60 == 0 else 2) + 8 for p in range(600)]
    texts = [b'{"n":"%s"}' % (b"x" * (size - 8)) for size in sizes]
    await results.open_attempt(RUN, "A")
    for begin in range(0, 600, 100):
        rows = [PushedRow(text) for text in texts[begin : begin + 100]]
        await results.commit([AttemptBatch(RUN, "A", rows)])
    positions = [p * 7919 % 600 + 1 for p in range(600)]
    ends = itertools.accumulate(sizes[position - 1] for position in positions)
    count = max(1, sum(end <= max_bytes for end in ends))
    expected = [texts[position - 1] for position in positions[:count]]
    assert await results.data_at(RUN, positions, max_bytes=max_bytes) == expected
    missing = [*positions[:2], 601, *positions[2:]]
    expected = expected[:2]
    assert await results.data_at(RUN, missing, max_bytes=max_bytes) == expected
    assert await results.data_at(RUN, missing[2:], max_bytes=max_bytes) == []
    assert await results.data_at("01OTHER", [1], max_bytes=max_bytes) == []
    assert await results.data_at(RUN, [], max_bytes=max_bytes) == []


# --- headers --------------------------------------------------------------------------------


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


# --- orders ---------------------------------------------------------------------------------
MIXED = [
    *(json.dumps({"v": value}) for value in ("a", "B", "é", "", "Z", "z", "10", "9", "\u0000")),
    *(f'{{"v":{number}}}' for number in ("10", "9", "1e1", "9.5", "-1", "-1.0", "1e-400", "2e300")),
    *(f'{{"v":{number}}}' for number in ("9007199254740993", "9007199254740992", "9" * 400)),
    *(f'{{"v":{number}}}' for number in ("9.50", "9.5000000000000000001", "0.1", "-0", "1e-5")),
    *(json.dumps({"v": text}, ensure_ascii=False) for text in ("中文", "中", "Ж", "😀", "x" * 600)),
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
        choice = parse_query(sort=sort, filters=filters).selection
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


# --- scans of the log -----------------------------------------------------------------------


async def logged(results: SqlResults, *lines: tuple[int, str]) -> None:
    await results.open_attempt(RUN, "a")
    entries = [NewLogEntry(level, "1", text, 5) for level, text in lines]
    assert await results.commit([AttemptBatch(RUN, "a", log=entries)]) == [True]


async def scanned(results: SqlResults, log_filter: LogFilter, **options: Any) -> list[int]:
    place = {"low": 0, "high": 10**6, "limit": 100, "cut": 50} | options
    return [line.position for line in await results.log_scan(RUN, log_filter, **place)]


async def test_a_scan_reads_its_range_from_one_end(results: SqlResults) -> None:
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


async def test_a_scan_filters_by_severity_and_text(results: SqlResults) -> None:
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
    for text, positions in {
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
        assert await scanned(results, LogFilter(text=text)) == positions, text


async def test_a_scan_and_a_log_filter_match_the_same_lines(results: SqlResults) -> None:
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
        log_filter = LogFilter(dice.randint(1, 4), text)
        expected = [entry.position for entry in entries if log_filter.matches(entry)]
        assert await scanned(results, log_filter, limit=1000) == expected, log_filter


async def test_a_scan_shortens_long_values_and_states_their_length(results: SqlResults) -> None:
    await logged(results, (2, "\u00e9" * 2**20), (2, "short"))
    long, short = await results.log_scan(RUN, LogFilter(), low=0, high=9, limit=9, cut=10)
    assert (long.content, long.length, long.cut) == ("\u00e9" * 10, 2**20, True)
    assert (short.content, short.length, short.cut) == ("short", 5, False)
    assert (long.type, long.group, long.timestamp) == (2, "1", 5)
