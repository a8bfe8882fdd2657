from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fyke.domain.results.query.model import parse_query
from fyke.domain.results.service import RunResults, RunRows
from fyke.errors import RunNotFound
from fyke.kit.ids import new_ulid
from fyke.model.results import ROWS_LOST_AT, Header
from fyke.model.run import RunState
from support.memory import (
    MemoryResults,
    MemoryStorage,
    a_run,
    a_version,
    add_account,
    caller_of,
)

pytestmark = pytest.mark.anyio

SCHEMA = '[{"name":"title","type":"string","description":"Title"},{"name":"n","type":"integer"}]'


class Setup:
    def __init__(self, rows: int = 0, schema: str = "") -> None:
        self.storage = MemoryStorage()
        self.rows = MemoryResults()
        self.account = add_account(self.storage)
        self.caller = caller_of(self.account)
        self.run = a_run(self.account.id)
        tx = self.storage.tx
        tx.runs.rows[self.run.id] = self.run
        version = a_version(self.run.worker_id, output_schema=schema)
        tx.workers.version_rows[self.run.worker_id, version.number] = version
        self.results = RunResults(self.storage, self.rows)
        self.rows.push(self.run.id, *(b'{"i":%d}' % i for i in range(1, rows + 1)))

    def ended(self, *, results: int, at: int = 1000, hidden: str = "") -> RunRows:
        run = replace(self.run, state=RunState.SUCCEEDED, results=results, finished_at=at)
        return RunRows(run, frozenset([hidden] if hidden else []), "")

    async def page(self, index: int, size: int):
        return await self.results.page(self.caller, self.run.id, index, size)


async def test_pages_are_numbered_from_one():
    setup = Setup(rows=25)
    page = await setup.page(3, 10)
    assert [json.loads(r.data)["i"] for r in page.rows] == [21, 22, 23, 24, 25]
    assert (page.count, page.page_index, page.page_size) == (25, 3, 10)


@pytest.mark.parametrize("index", [1, 0, -5])
async def test_lower_numbers_mean_the_first_page(index: int):
    page = await Setup(rows=25).page(index, 10)
    assert (page.page_index, page.rows[0].position, len(page.rows)) == (1, 1, 10)


async def test_a_page_after_the_end_has_no_rows_and_the_same_count():
    page = await Setup(rows=25).page(10**12, 1000)
    assert (page.rows, page.count) == ([], 25)
    assert page.headers == [Header("i", "i", "integer")]


async def test_a_page_has_no_row_that_its_count_lacks(monkeypatch: pytest.MonkeyPatch):
    setup = Setup(rows=3)
    totals = setup.rows.totals

    async def counted(*arguments):
        found = await totals(*arguments)
        setup.rows.push(setup.run.id, b'{"i":4}')
        return found

    monkeypatch.setattr(setup.rows, "totals", counted)
    page = await setup.page(1, 10)
    assert (page.count, len(page.rows)) == (3, 3)


async def test_a_run_without_rows():
    page = await Setup().page(1, 0)
    assert (page.rows, page.count, page.headers, page.page_size) == ([], 0, [], 1)


async def test_rows_of_hidden_attempts_are_neither_shown_nor_counted():
    setup = Setup(rows=3)
    setup.rows.push(setup.run.id, b'{"error":1}', attempt_id="failed")
    setup.storage.tx.runs.hidden[setup.run.id] = frozenset({"failed"})
    page = await setup.page(1, 10)
    assert (page.count, len(page.rows)) == (3, 3)
    assert page.headers == [Header("i", "i", "integer")]


async def test_another_accounts_run_does_not_exist():
    setup = Setup(rows=1)
    stranger = caller_of(add_account(setup.storage, "stranger"))
    for ref in (setup.run.id, new_ulid(), "nonsense"):
        with pytest.raises(RunNotFound):
            await setup.results.page(stranger, ref, 1, 10)
        with pytest.raises(RunNotFound):
            await setup.results.source(stranger, ref)
    with pytest.raises(RunNotFound):
        await setup.results.source_of(new_ulid())
    assert (await setup.results.source_of(setup.run.id)).run == setup.run


async def test_columns_declared_by_the_worker_take_precedence():
    setup = Setup(rows=1, schema=SCHEMA)
    setup.rows.declared[setup.run.id] = [Header("Number", "i", "integer")]
    assert (await setup.page(1, 10)).headers == [Header("Number", "i", "integer")]


async def test_without_declared_columns_those_of_the_output_schema_are_used():
    setup = Setup(rows=1, schema=SCHEMA)
    assert (await setup.page(1, 10)).headers == [
        Header("Title", "title", "text"),
        Header("n", "n", "integer"),
    ]


@pytest.mark.parametrize("schema", ["", "[]", "{broken", '{"a":1}'])
async def test_without_an_output_schema_columns_are_derived_from_the_first_rows(schema: str):
    setup = Setup(rows=1, schema=schema)
    assert (await setup.page(1, 10)).headers == [Header("i", "i", "integer")]


async def test_derived_columns_are_the_same_on_every_page():
    setup = Setup(rows=99)
    setup.rows.push(setup.run.id, b'{"seen":1}', b'{"unseen":1}')
    for index, size in ((1, 10), (2, 10), (1, 100), (1, 1000), (101, 1)):
        page = await setup.page(index, size)
        assert [h.key for h in page.headers] == ["i", "seen"]
    source = await setup.results.source(setup.caller, setup.run.id)
    assert [h.key for h in await setup.results.headers_of(source)] == ["i", "seen"]


async def test_the_first_page_is_not_read_twice_for_its_columns():
    setup = Setup(rows=30)
    await setup.page(1, 100)
    assert setup.rows.limits == []
    await setup.page(1, 10)
    assert setup.rows.limits == [100]


async def test_rows_are_readable_without_their_version():
    setup = Setup(rows=1)
    setup.storage.tx.workers.version_rows.clear()
    assert (await setup.page(1, 10)).count == 1


async def test_a_walk_returns_every_visible_row_once_in_order():
    setup = Setup(rows=5000)
    setup.rows.push(setup.run.id, b"{}", attempt_id="failed")
    walked = [
        position
        async for block in setup.results.walk(setup.run.id, frozenset({"failed"}))
        for position in block.positions
    ]
    assert walked == list(range(1, 5001))
    assert max(setup.rows.limits) == 4096


async def test_an_order_is_walked_in_blocks_that_fit_into_memory():
    setup = Setup(rows=0)
    sizes = [2**20, *([2] * 9000), 9 * 2**20, *([300_000] * 40)]
    texts = [b'{"i":%d,"x":"%s"}' % (n, b"x" * size) for n, size in enumerate(sizes)]
    setup.rows.push(setup.run.id, *texts)
    source = await setup.results.source(setup.caller, setup.run.id)
    found, walked = [], []
    async for block in setup.results.walk_selected(source, parse_query(sort="-i")):
        assert len(block) <= 4096 and (len(block.data) < 2**21 or len(block) == 1)
        found += block.texts()
        walked += block.positions
    assert found == texts[::-1]
    assert walked == list(range(len(texts), 0, -1))


@pytest.mark.parametrize("sort", ["", "-i"])
async def test_a_walk_fails_when_the_run_is_deleted_meanwhile(sort: str):
    setup = Setup(rows=20_000)
    source = await setup.results.source(setup.caller, setup.run.id)
    blocks = setup.results.walk_selected(source, parse_query(sort=sort))
    await anext(blocks)
    setup.rows.rows.clear()
    with pytest.raises(RunNotFound):
        async for _ in blocks:
            pass


@pytest.mark.parametrize("sort", ["", "-i"])
async def test_a_run_whose_rows_are_being_deleted_has_no_empty_results(sort: str):
    setup = Setup(rows=0)
    source = setup.ended(results=3)
    with pytest.raises(RunNotFound):
        await setup.results.totals(source)
    with pytest.raises(RunNotFound):
        async for _ in setup.results.walk_selected(source, parse_query(sort=sort)):
            pass


async def test_an_ended_run_whose_rows_are_hidden_now_has_none():
    setup = Setup(rows=3)
    assert (await setup.results.totals(setup.ended(results=3, hidden="a"))).rows == 0


async def test_an_ended_run_whose_rows_were_lost_has_none():
    setup = Setup(rows=0)
    setup.storage.tx.installation.replace(ROWS_LOST_AT, "2000")
    assert (await setup.results.totals(setup.ended(results=3, at=2000))).rows == 0
    with pytest.raises(RunNotFound):
        await setup.results.totals(setup.ended(results=3, at=2001))


async def test_blocks_shrink_when_rows_are_large():
    setup = Setup(rows=200)
    setup.rows.push(setup.run.id, *[b'{"a":"%s"}' % (b"x" * 200_000)] * 300)
    sizes = [len(block.data) async for block in setup.results.walk(setup.run.id, frozenset())]
    assert setup.rows.limits[-1] <= 5
    assert max(sizes[3:]) < 2 * 2**20
