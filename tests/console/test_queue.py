"""The queue: held starts and waiting runs with their reasons, and actions on held starts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.queue.stream import QueueStream
from fyke.domain.runs.service import StartRequest
from fyke.model.billing import Prices
from fyke.model.node_registry import Node
from fyke.model.run import Origin
from fyke.model.runner import Capacity
from support.app import MACHINE, RUNNER, App, open_app
from support.pages import Page, Visitor, visitor

pytestmark = pytest.mark.anyio


def request(worker: Any, n: int = 0) -> StartRequest:
    custom = {"urls": [{"url": f"https://example.org/{n}"}]}
    wanted = {"parameters": {"system": {}, "custom": custom}}
    return StartRequest(worker.id, None, wanted, "", Origin.WEB)


async def hold(app: App, worker: Any, number: int) -> list[str]:
    """Queue two starts; return their numbers, oldest first."""
    items = [await app.services.queue.enqueue(app.owner, request(worker, n)) for n in range(number)]
    return [str(item.number) for item in items]


def held(page: Page) -> list[str]:
    return [str(checkbox.get("value")) for checkbox in page.all("//input[@name='item']")]


async def test_the_pool_of_a_waiting_run_is_named_once_if_it_was_asked_for(
    app: App, owner: Visitor
) -> None:
    node = Node("n1", "eu", {}, "", "J", ephemeral=False, joined_at=1)
    await app.storage.write(lambda tx: tx.nodes.add(node))
    worker = await app.publish()
    asked = request(worker)
    asked.input["parameters"]["system"]["pool"] = "eu"  # type: ignore[index]
    for one in (asked, request(worker)):
        await app.services.runs.start(app.owner, one)
    page = await owner.get("/queue")
    assert page.all("//*[@id='waits']//td[@data-label='Reason']/div//text()") == [
        "no machine of the pool eu is connected; it has the nodes n1",
        "no machine is connected; start one with fyke up",
    ]


async def test_an_empty_queue_shows_the_used_capacity(app: App, owner: Visitor) -> None:
    page = await owner.get("/queue")
    assert "No starts are held" in page.text and "The queue is empty" in page.text
    assert page.text.count("no machine is connected") == 1
    await app.register_runner()
    await app.services.accounts.set_plan(app.owner, "owner", "pro")
    page = await owner.get("/queue")
    assert "0 of 10 concurrent runs · 0 of 8 cores and 0 MiB of 8 GiB memory" in page.text


async def test_waiting_runs_are_listed_in_order_with_their_reasons(
    app: App, owner: Visitor
) -> None:
    worker = await app.publish()
    runs = [await app.services.runs.start(app.owner, request(worker, n)) for n in range(3)]
    numbers = await hold(app, worker, 2)
    page = await owner.get("/queue")
    assert page.all("//*[@id='waits']//tbody//td[@data-label='Run']/a/@title") == [
        r.id for r in runs
    ]
    assert page.all("//*[@id='waits']/p/text()") == [
        "No machine is connected; start one with fyke up"
    ]
    assert not page.all("//*[@id='waits']//td[@data-label='Reason']")
    assert "urls: https://example.org/0" in page.text
    assert held(page) == numbers[::-1]
    assert page.text.count("waits for activation") == 2
    assert held(await owner.get("/queue?order=oldest")) == numbers


async def test_the_queue_shows_what_fills_the_runners_and_what_is_particular_to_a_run(
    app: App, owner: Visitor
) -> None:
    await app.register_runner()
    worker = await app.publish()
    for n in range(5):
        await app.services.runs.start(app.owner, request(worker, n))
    room = Capacity(cpus=9, memory_mb=10**6, slots=1)
    await app.storage.write(lambda tx: tx.runs.lease(RUNNER, room, tx.now + 60_000, node=MACHINE))
    await app.services.accounts.set_plan(app.owner, "owner", "pro")
    page = await owner.get("/queue")
    shown = [" ".join(text.split()) for text in page.all("//*[@id='gauges']//strong/text()")]
    assert shown == ["1 of 10", "0.125 of 8", "512 MiB of 8 GiB"]
    titles = [title.strip() for title in page.all("//main//h2/@id")]
    assert titles.index("waits-title") < titles.index("held-title")
    filling = [cell.strip() for cell in page.all("//*[@id='filling']//tbody/tr[1]/td/text()")]
    assert filling == [worker.title or worker.path, "1", "0.125", "512 MiB"]
    assert page.all("//*[@id='waits']/p/text()") == [
        "The machine with the most room has 7.875 cores and 7.5 GiB free. "
        "Each needs 0.125 cores and 512 MiB. Most runs wait for this."
    ]
    prepared, first, *others = page.all("//*[@id='waits']//td[@data-label='Reason']/div/text()")
    assert prepared.startswith("a machine has taken it")
    assert first.endswith("a machine has room for it: it begins in a moment")
    assert others == ["after one older subtask", "after 2 older subtasks", "after 3 older subtasks"]


async def test_a_queue_that_moves_has_an_estimate(app: App, owner: Visitor) -> None:
    await app.register_runner()
    worker = await app.publish()
    for n in range(3):
        await app.services.runs.start(app.owner, request(worker, n))
        await app.execute([{"n": n}])
    for n in range(5):
        await app.services.runs.start(app.owner, request(worker, n))
    assert "At the present pace" not in (await owner.get("/queue")).text  # none is active
    room = Capacity(cpus=9, memory_mb=10**6, slots=1)
    await app.storage.write(lambda tx: tx.runs.lease(RUNNER, room, tx.now + 60_000, node=MACHINE))
    _common, estimate = (await owner.get("/queue")).all("//*[@id='waits']/p/text()")
    assert estimate.startswith("At the present pace, one run every")


async def test_chosen_items_are_activated_or_discarded(app: App, owner: Visitor) -> None:
    worker = await app.publish()
    first, second, third = await hold(app, worker, 3)
    done = await owner.post("/queue/activate", {"item": [first, second]})
    page = await owner.get(done.location)
    assert "2 runs were started." in page.text and held(page) == [third]
    await owner.post("/queue/release", {"item": third})
    page = await owner.get("/queue")
    assert "One item was discarded." in page.text and held(page) == []
    nothing = await owner.post("/queue/activate", {})
    assert "No items selected" in (await owner.get(nothing.location)).text


async def test_an_activated_item_that_no_longer_exists_is_reported_and_the_others_start(
    app: App, owner: Visitor
) -> None:
    first, second = await hold(app, await app.publish(), 2)
    await app.services.queue.release(app.owner, [first], "")
    page = await owner.post("/queue/activate", {"item": [first, second]}, status=200)
    assert "One run was started." in page.text
    assert "item is not in waiting state" in page.text
    assert held(page) == []


@pytest.fixture
async def poor(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates, prices=Prices(cpu_hour=Decimal(8))) as app:
        yield app


async def test_without_balance_an_item_keeps_waiting_with_a_link_to_usage(poor: App) -> None:
    async with visitor(poor) as owner:
        [number] = await hold(poor, await poor.publish(), 1)
        page = await owner.post("/queue/activate", {"item": number}, status=200)
        assert "USD are free; credit the account" in page.text and held(page) == [number]
        assert page.all("//td//a[@href='/usage']")


async def test_items_that_leave_the_queue_are_streamed(app: App) -> None:
    first, second = await hold(app, await app.publish(), 2)
    stream: QueueStream = app.services.queue_stream
    events = stream.follow(app.owner)
    update = await anext(events)
    assert update.board is not None and update.board.held == 2 and not update.ended
    [result] = await app.services.queue.activate(app.owner, [first])
    while (update := await anext(events)).board is None:
        pass
    assert [listed.item.number for listed in update.board.items] == [int(second)]
    assert update.items_changed and update.board.waiting == 1
    [gone] = update.ended
    assert gone.run_id == result.run_id and "activated as run" in gone.reason_text


async def test_items_that_left_before_the_stream_opened_are_streamed_too(app: App) -> None:
    first, second = await hold(app, await app.publish(), 2)
    await app.services.queue.activate(app.owner, [first])
    stream: QueueStream = app.services.queue_stream
    update = await anext(stream.follow(app.owner, shown=[int(first), int(second)]))
    assert update.items_changed and [item.number for item in update.ended] == [int(first)]
    unchanged = await anext(stream.follow(app.owner, shown=[int(second)]))
    assert not unchanged.items_changed and not unchanged.ended


async def test_a_stream_resumes_from_the_last_event_of_the_browser(
    app: App, owner: Visitor
) -> None:
    first, second = await hold(app, await app.publish(), 2)
    page = await owner.get("/queue")
    [address] = page.all("//@*[contains(., '/queue/live')]")
    assert f"shown={second}-{first}" in address
