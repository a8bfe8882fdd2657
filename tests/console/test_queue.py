"""The queue: what is held and what waits, why, and what becomes of what is chosen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.queue.stream import QueueStream
from fyke.domain.runs.service import StartRequest
from fyke.model.billing import Prices
from fyke.model.run import Origin
from support.house import House, open_house
from support.pages import Page, Visitor, visitor

pytestmark = pytest.mark.anyio


def request(worker: Any, n: int = 0) -> StartRequest:
    custom = {"urls": [{"url": f"https://example.org/{n}"}]}
    wanted = {"parameters": {"system": {}, "custom": custom}}
    return StartRequest(worker.id, None, wanted, "", Origin.WEB)


async def hold(house: House, worker: Any, number: int) -> list[str]:
    """Numbers of held starts, oldest first."""
    items = [
        await house.services.queue.hold(house.owner, request(worker, n)) for n in range(number)
    ]
    return [str(item.number) for item in items]


def held(page: Page) -> list[str]:
    return [str(box.get("value")) for box in page.all("//input[@name='item']")]


async def test_an_empty_queue_says_how_much_is_busy(house: House, owner: Visitor) -> None:
    page = await owner.get("/queue")
    assert "No held starts" in page.text and "The queue is empty" in page.text
    assert "no runner is connected" in page.text
    await house.beat()
    await house.services.accounts.set_plan(house.owner, "owner", "pro")
    page = await owner.get("/queue")
    assert "0 of 10 slots busy · 0 of 8 cores and 0 B of 8.59 GB taken" in page.text


async def test_each_that_waits_says_why_and_in_which_order(house: House, owner: Visitor) -> None:
    worker = await house.publish()
    runs = [await house.services.runs.start(house.owner, request(worker, n)) for n in range(3)]
    numbers = await hold(house, worker, 2)
    page = await owner.get("/queue")
    assert page.all("//*[@id='waits']//tbody//td[@data-label='Run']/a/@title") == [
        r.id for r in runs
    ]
    reasons = page.all("//*[@id='waits']//td[@data-label='Reason']/div/text()")
    assert reasons == ["no runner is alive; start one with fyke up"] * 3
    assert "urls: https://example.org/0" in page.text
    assert held(page) == numbers[::-1]
    assert page.text.count("waits for activation") == 2
    assert held(await owner.get("/queue?order=oldest")) == numbers


async def test_chosen_items_are_activated_or_let_go(house: House, owner: Visitor) -> None:
    worker = await house.publish()
    first, second, third = await hold(house, worker, 3)
    done = await owner.post("/queue/activate", {"item": [first, second]})
    page = await owner.get(done.location)
    assert "2 runs were started." in page.text and held(page) == [third]
    await owner.post("/queue/release", {"item": third})
    page = await owner.get("/queue")
    assert "One item was discarded." in page.text and held(page) == []
    nothing = await owner.post("/queue/activate", {})
    assert "No items selected" in (await owner.get(nothing.location)).text


async def test_an_item_that_is_gone_says_so_and_the_others_go_on(
    house: House, owner: Visitor
) -> None:
    first, second = await hold(house, await house.publish(), 2)
    await house.services.queue.release(house.owner, [first], "")
    page = await owner.post("/queue/activate", {"item": [first, second]}, status=200)
    assert "One run was started." in page.text
    assert "item is not in waiting state" in page.text
    assert held(page) == []


@pytest.fixture
async def poor(tmp_path: Path, templates: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, templates, prices=Prices(cpu_hour=Decimal(8))) as house:
        yield house


async def test_without_balance_an_item_waits_and_leads_to_the_usage(poor: House) -> None:
    async with visitor(poor) as owner:
        [number] = await hold(poor, await poor.publish(), 1)
        page = await owner.post("/queue/activate", {"item": number}, status=200)
        assert "Insufficient balance" in page.text and held(page) == [number]
        assert page.all("//td//a[@href='/usage']")


async def test_what_leaves_the_queue_is_told_to_who_looks_at_it(house: House) -> None:
    first, second = await hold(house, await house.publish(), 2)
    following: QueueStream = house.services.queue_following
    told = following.follow(house.owner)
    news = await anext(told)
    assert news.board is not None and news.board.held == 2 and not news.gone
    [result] = await house.services.queue.activate(house.owner, [first])
    while (news := await anext(told)).board is None:
        pass
    assert [listed.item.number for listed in news.board.items] == [int(second)]
    assert news.held_moved and news.board.waiting == 1
    [gone] = news.gone
    assert gone.run_id == result.run_id and "activated as run" in gone.reason


async def test_what_left_before_the_stream_began_is_told_too(house: House) -> None:
    first, second = await hold(house, await house.publish(), 2)
    await house.services.queue.activate(house.owner, [first])
    following: QueueStream = house.services.queue_following
    news = await anext(following.follow(house.owner, shown=[int(first), int(second)]))
    assert news.held_moved and [item.number for item in news.gone] == [int(first)]
    unchanged = await anext(following.follow(house.owner, shown=[int(second)]))
    assert not unchanged.held_moved and not unchanged.gone


async def test_a_stream_goes_on_from_what_the_browser_was_told(
    house: House, owner: Visitor
) -> None:
    first, second = await hold(house, await house.publish(), 2)
    page = await owner.get("/queue")
    [address] = page.all("//@*[contains(., '/queue/live')]")
    assert f"shown={second}-{first}" in address
