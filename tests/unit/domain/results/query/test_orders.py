"""Row orders: computed once, shared, and cached within a limit."""

from __future__ import annotations

import asyncio
import threading
from array import array
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from fyke.domain.results.query import orders, sorter
from fyke.domain.results.query.model import parse_query
from fyke.domain.results.query.orders import OrderRequest, RowOrders
from fyke.errors import Unavailable
from fyke.model.results import RowBlock
from support.exports import block_of, rows_of

pytestmark = pytest.mark.anyio


class Rows:
    """The rows of a run in pages; ``walks`` counts how often they were read."""

    def __init__(self, *numbers: int, page: int = 3) -> None:
        self.rows = rows_of(*({"n": n} for n in numbers))
        self.page = page
        self.walks = 0
        self.pages = 0

    async def walk(self, run_id: str, hidden: frozenset[str]) -> AsyncGenerator[RowBlock, None]:
        self.walks += 1
        for at in range(0, len(self.rows), self.page):
            self.pages += 1
            yield block_of(self.rows[at : at + self.page])


def request(sort: str = "", *filters: str, ended: bool = True, bound: int = 0) -> OrderRequest:
    choice = parse_query(sort=sort, filters=filters).selection
    return OrderRequest("account", "run", frozenset(), choice, ended, bound)


async def test_without_a_sort_matching_rows_keep_their_order() -> None:
    order = await RowOrders(Rows(3, 1, 2, 5, 4).walk, None).get(request("", "n:gt:2"))
    assert (list(order.positions), order.bound) == ([1, 4, 5], 5)


async def test_rows_without_the_field_come_last_in_both_directions() -> None:
    rows = Rows(3, 1, 2)
    rows.rows = rows_of({"n": 3}, {"x": 0}, {"n": 1}, {"x": 0}, {"n": None})
    made = RowOrders(rows.walk, None)
    assert list((await made.get(request("n"))).positions) == [5, 3, 1, 2, 4]
    assert list((await made.get(request("-n"))).positions) == [1, 3, 5, 2, 4]


@pytest.mark.parametrize(("bound", "pages"), [(3, 2), (4, 2), (6, 3), (7, 3)])
async def test_an_upper_bound_excludes_later_rows_and_ends_the_read(bound: int, pages: int) -> None:
    rows = Rows(7, 6, 5, 4, 3, 2, 1)
    order = await RowOrders(rows.walk, None).get(request("n", bound=bound))
    assert list(order.positions) == list(range(bound, 0, -1))
    assert (order.bound, rows.pages) == (bound, pages)


async def test_requests_for_one_order_share_its_computation() -> None:
    rows = Rows(2, 1)
    made = RowOrders(rows.walk, None)
    found = await asyncio.gather(*(made.get(request("n")) for _ in range(5)))
    assert rows.walks == 1 and all(item is found[0] for item in found)
    await made.get(request("-n"))
    assert rows.walks == 2


async def test_a_cancelled_request_does_not_cancel_the_computation_for_others() -> None:
    made = RowOrders(Rows(2, 1).walk, None)
    gone, kept = (asyncio.create_task(made.get(request("n"))) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert list((await kept).positions) == [2, 1]


async def test_an_order_of_an_ended_run_or_with_a_bound_stays_cached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = Rows(2, 1)
    made = RowOrders(rows.walk, None)
    ended, active = request("n"), request("n", ended=False)
    await made.get(ended)
    await made.get(active)
    await made.get(active)
    assert rows.walks == 2
    monkeypatch.setattr(orders, "FRESH_SECONDS", -1.0)
    await made.get(ended)
    await made.get(request("n", ended=False, bound=2))
    assert rows.walks == 2
    await made.get(active)
    assert rows.walks == 3


async def test_the_cache_is_bounded_and_keeps_the_last_order() -> None:
    rows = Rows(*range(30), page=10)
    made = RowOrders(rows.walk, None, limit=65)
    for field in ("n", "-n", "x", "n"):
        assert len((await made.get(request(field))).positions) == 30
    assert sum(len(order.positions) for order, _ in made._cache.values()) == made._count == 60
    small = RowOrders(rows.walk, None, limit=1)
    await small.get(request("n"))
    before = rows.walks
    await small.get(request("n", bound=30))
    assert rows.walks == before


async def test_a_disk_failure_is_reported_and_the_next_request_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorter, "RUN_KEYS", 1)
    scratch = tmp_path / "scratch"
    made = RowOrders(Rows(2, 1).walk, scratch)
    with pytest.raises(Unavailable, match="could not be sorted: No such file or directory"):
        await made.get(request("n"))
    scratch.mkdir()
    assert list((await made.get(request("n"))).positions) == [2, 1]


async def test_the_first_positions_do_not_wait_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "FIRST", 2)
    monkeypatch.setattr(sorter, "FIRST", 2)
    sorting, proceed = threading.Event(), threading.Event()
    whole = orders._Builder.positions

    def positions(builder: orders._Builder) -> array[int]:
        sorting.set()
        assert proceed.wait(30)
        return whole(builder)

    monkeypatch.setattr(orders._Builder, "positions", positions)
    rows = Rows(4, 2, 5, 1, 3)
    made = RowOrders(rows.walk, tmp_path)
    first = await made.get(request("n"), first=2)
    assert (list(first.positions), first.bound, first.count) == ([4, 2], 5, 5)
    third = asyncio.create_task(made.get(request("n"), first=3))
    assert await asyncio.to_thread(sorting.wait, 30)
    assert not third.done()
    proceed.set()
    order = await third
    assert (list(order.positions), order.count, rows.walks) == ([4, 2, 5, 1, 3], 5, 1)
    assert await made.get(request("n"), first=2) is order


async def test_a_failure_of_the_rest_is_reported_to_those_who_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "FIRST", 1)
    monkeypatch.setattr(sorter, "FIRST", 1)

    def full(builder: orders._Builder) -> array[int]:
        raise OSError(28, "No space left on device")

    made = RowOrders(Rows(2, 1).walk, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(orders._Builder, "positions", full)
        assert list((await made.get(request("n"), first=1)).positions) == [2]
        with pytest.raises(Unavailable, match="No space left"):
            await made.get(request("n"))
    assert list((await made.get(request("n"))).positions) == [2, 1]
