"""Pages and walks of running and ended runs: by cursor, sorted and filtered."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from fyke.domain.results.query import orders
from fyke.domain.results.query.model import PLAIN, Query, parse_query
from fyke.domain.results.service import RowPage, RunResults
from fyke.errors import InvalidFields, RunNotFound
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


class Setup:
    def __init__(self, rows: int = 0, *, ended: bool = True) -> None:
        self.storage, self.rows = MemoryStorage(), MemoryResults()
        account = add_account(self.storage)
        self.caller = caller_of(account)
        self.run = a_run(account.id, state=RunState.SUCCEEDED if ended else RunState.RUNNING)
        self.storage.tx.runs.rows[self.run.id] = self.run
        version = a_version(self.run.worker_id)
        self.storage.tx.workers.version_rows[self.run.worker_id, version.number] = version
        self.results = RunResults(self.storage, self.rows)
        self.push(rows)

    def push(self, rows: int) -> None:
        have = len(self.rows.rows.get(self.run.id, []))
        for n in range(have + 1, have + rows + 1):
            self.rows.push(self.run.id, b'{"i":%d,"m":%d}' % (n, n % 3))

    def end(self) -> None:
        self.storage.tx.runs.rows[self.run.id] = replace(self.run, state=RunState.SUCCEEDED)

    async def page(
        self, query: Query = PLAIN, cursor: str = "", *, index: int = 1, size: int = 10
    ) -> RowPage:
        return await self.results.page(self.caller, self.run.id, index, size, query, cursor)


def numbers(page: RowPage) -> list[int]:
    return [json.loads(row.data)["i"] for row in page.rows]


async def walk(setup: Setup, query: Query = PLAIN, size: int = 10, pushes: int = 0) -> list[int]:
    found: list[int] = []
    cursor: str | None = "*"
    while cursor:
        page = await setup.page(query, cursor, size=size)
        assert page.walking and len(page.rows) <= size
        found += numbers(page)
        cursor = page.next_cursor
        setup.push(pushes)
    return found


async def test_a_walk_by_cursor_returns_every_row_once() -> None:
    for rows in (0, 1, 9, 10, 11, 30, 95):
        assert await walk(Setup(rows)) == list(range(1, rows + 1))


async def test_a_page_without_a_cursor_has_none() -> None:
    page = await Setup(30).page(parse_query(sort="i"))
    assert (page.walking, page.next_cursor) == (False, None)


async def test_a_walk_of_a_running_run_always_has_a_next_cursor() -> None:
    setup = Setup(5, ended=False)
    page = await setup.page(cursor="*")
    assert (numbers(page), page.count) == ([1, 2, 3, 4, 5], 5)
    assert page.next_cursor is not None
    again = await setup.page(cursor=page.next_cursor)
    assert (again.rows, again.next_cursor) == ([], page.next_cursor)
    setup.push(3)
    setup.end()
    last = await setup.page(cursor=page.next_cursor)
    assert (numbers(last), last.next_cursor) == ([6, 7, 8], None)


async def test_sorted_pages_and_the_sorted_walk_have_the_same_order() -> None:
    query = parse_query(sort="-m", filters=["i:gt:5"])
    setup = Setup(50)
    expected = sorted(range(6, 51), key=lambda n: (-(n % 3), n))
    assert await walk(setup, query, size=7) == expected
    pages = [await setup.page(query, index=n, size=20) for n in (1, 2, 3, 4)]
    assert [n for page in pages for n in numbers(page)] == expected
    assert [(page.count, len(page.rows)) for page in pages] == [
        (45, 20),
        (45, 20),
        (45, 5),
        (45, 0),
    ]


@pytest.mark.parametrize("query", [parse_query(sort="-i"), parse_query(filters=["m:ne:0"])])
async def test_rows_pushed_during_a_sorted_walk_do_not_move_others(query: Query) -> None:
    setup = Setup(40, ended=False)
    expected = numbers(await setup.page(query, size=1000))
    assert await walk(setup, query, size=7, pushes=5) == expected


async def test_a_sorted_walk_continues_on_another_server_and_after_the_end_of_the_run() -> None:
    query, setup = parse_query(sort="-i"), Setup(40, ended=False)
    page = await setup.page(query, "*", size=15)
    setup.push(20)
    setup.end()
    setup.results = RunResults(setup.storage, setup.rows)  # another server
    assert page.next_cursor is not None
    rest = await setup.page(query, page.next_cursor, size=100)
    assert numbers(page) + numbers(rest) == list(range(40, 0, -1))
    assert rest.next_cursor is None


async def test_rows_hidden_during_a_walk_do_not_affect_other_rows() -> None:
    query, setup = parse_query(sort="i"), Setup(0, ended=False)
    for n in range(1, 41):
        setup.rows.push(setup.run.id, b'{"i":%d}' % n, attempt_id="bad" if n <= 9 else "good")
    page = await setup.page(query, "*", size=15)
    setup.storage.tx.runs.hidden_attempts = lambda run_id: frozenset({"bad"})
    rest = await setup.page(query, page.next_cursor or "", size=100)
    assert numbers(rest) == list(range(16, 41))


async def test_an_order_of_an_ended_run_is_computed_once(monkeypatch: Any) -> None:
    setup, query = Setup(30), parse_query(sort="i")
    await asyncio.gather(*(setup.page(query, index=n, size=3) for n in range(1, 9)))
    reads = len(setup.rows.limits)
    await setup.page(query, index=5, size=3)
    assert len([limit for limit in setup.rows.limits[reads:] if limit > 100]) == 0


async def test_an_order_of_a_running_run_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    setup, query = Setup(3, ended=False), parse_query(sort="-i")
    assert (await setup.page(query)).count == 3
    setup.push(2)
    assert (await setup.page(query)).count == 3
    monkeypatch.setattr(orders, "FRESH_SECONDS", -1.0)
    assert (await setup.page(query)).count == 5


async def test_clean_rows_have_no_id_and_the_count_includes_empty_ones() -> None:
    setup = Setup(0)
    setup.rows.push(setup.run.id, b'{"i":1,"x":null}', b'{"x":""}', b'{"i":3}')
    page = await setup.page(parse_query(clean=True))
    assert ([row.data for row in page.rows], page.count, page.bare) == (
        [b'{"i":1}', b'{"i":3}'],
        3,
        True,
    )


async def test_headers_are_flattened() -> None:
    setup = Setup(0)
    setup.rows.push(setup.run.id, b'{"a":{"b":1},"c":"x"}')
    page = await setup.page(parse_query(flatten=True))
    assert [(h.key, h.format) for h in page.headers] == [("a.b", "integer"), ("c", "text")]


async def test_a_cursor_and_a_page_number_exclude_each_other() -> None:
    with pytest.raises(InvalidFields, match="cursor replaces the page number"):
        await Setup(5).page(cursor="*", index=2)


async def test_another_accounts_run_is_not_found() -> None:
    setup = Setup(5)
    setup.caller = caller_of(add_account(setup.storage, "stranger"))
    for query in (parse_query(sort="i"), parse_query(fields=["i"])):
        with pytest.raises(RunNotFound):
            await setup.page(query)
    with pytest.raises(RunNotFound):
        await setup.page(cursor="*")
