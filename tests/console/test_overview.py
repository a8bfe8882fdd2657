"""The overview: separate cards, and first steps for an empty account."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fyke.console.pages import overview
from fyke.domain.runs.service import StartRequest
from fyke.errors import Unavailable
from fyke.model.billing import UsageKey, UsageSums
from fyke.model.run import Origin, Outcome
from support.app import App
from support.pages import Visitor, visitor

pytestmark = pytest.mark.anyio
INPUT = {"parameters": {"system": {}, "custom": {"urls": [{"url": "https://example.org"}]}}}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page waits for its cards however busy the machine is."""
    monkeypatch.setattr(overview, "CARD_WAIT", 30)


async def start(app: App, worker: Any) -> str:
    request = StartRequest(worker.id, None, INPUT, "", Origin.WEB)
    return (await app.services.runs.start(app.owner, request)).id


async def test_an_empty_account_shows_three_ways_to_start(owner: Visitor) -> None:
    page = await owner.get("/")
    ways = page.all("//a[contains(@class, 'begin')]")
    assert [way.get("href") for way in ways] == ["/store", "/dev/upload", "/docs"]
    assert page.one("//*[contains(@class, 'first-run')]//a").get("href") == "/welcome"
    cards = page.all("//*[@class='overview']/section/@id")
    assert cards == ["card-health"]  # the others would say nothing


async def test_the_cards_show_the_state_of_the_account(app: App, owner: Visitor) -> None:
    first, second = await app.publish("first"), await app.publish("second")
    await start(app, first)
    await app.execute([{"n": 1}])
    assert "without rows" not in (await owner.get("/")).text
    failed = await start(app, second)
    await app.execute([], Outcome.TIMEOUT, "Timeout: <b>slow</b>")
    await start(app, first)
    await app.begin()
    waits = await start(app, first)
    page = await owner.get("/")
    assert not page.all("//a[contains(@class, 'begin')]")
    figures = {
        card: [" ".join(dd.itertext()).strip() for dd in page.all(f"//*[@id='card-{card}']//dd")]
        for card in ("now", "day", "usage")
    }
    assert figures["now"] == ["1", "1", "0"]
    assert figures["day"] == ["1", "1", "0", "2"]
    assert figures["usage"] == ["2", "1"]  # no money, because no prices are set
    counted = {name: page.all(f"//*[@id='card-{name}']//dd/a/@href") for name in ("now", "day")}
    day = ("succeeded", "failed", "active")  # none was aborted
    assert counted["day"] == [f"/runs?state={state}&from=24h" for state in day]
    assert counted["now"] == ["/runs?state=running", "/queue"]  # none is held
    assert page.all(f"//*[@id='card-day']//a[@href='/runs/{failed}']")
    bars = page.all("//*[@id='card-day']//run-brush/svg//path[@class]/@class")
    assert {"good", "bad", "open"} <= {str(name) for name in bars}
    assert "Timeout: <b>slow</b>" in page.one("//*[@id='card-day']//p[@title]").text
    assert page.all(f"//*[@id='card-now']//li/a[@href='/runs/{waits}']")
    assert "no runner is alive" in page.text
    links = page.all("//*[@id='card-workers']//li/span/a/@href")
    assert links == ["/w/owner/first", "/w/owner/second"]
    bars = page.all("//*[@id='card-workers']//li[2]//svg/a/@href")
    assert bars == [f"/runs/{failed}"]
    assert "The last run: 1 failed" in page.text
    assert "Bars: the last 30 runs." in page.text


async def test_a_card_alone_looks_as_on_the_overview(owner: Visitor) -> None:
    page = await owner.get("/overview/day")
    assert page.all("//div[@class='overview']/section[@id='card-day']")


async def test_equal_failures_are_shown_once(app: App, owner: Visitor) -> None:
    worker, other = await app.publish("first"), await app.publish("second")
    for fails in (worker, other, worker):
        last = await start(app, fails)
        await app.execute([], Outcome.TIMEOUT, "Timeout: slow")
    page = await owner.get("/")
    links = page.all("//*[@id='card-day']//ul[contains(@class, 'failures')]/li/a/@href")
    assert len(links) == 2 and links[0] == f"/runs/{last}"
    [times] = page.all("//*[@id='card-day']//li/span[contains(., 'times')]")
    assert " ".join(times.text_content().split()).startswith("2 times, last")


async def test_runs_that_run_are_shown_before_those_that_wait(app: App, owner: Visitor) -> None:
    worker = await app.publish("first")
    running = await start(app, worker)
    await app.begin()
    waiting = [await start(app, worker) for _ in range(overview.FEW + 2)]
    links = (await owner.get("/")).all("//*[@id='card-now']//li/a/@href")
    assert links[0] == f"/runs/{running}" and len(links) == overview.FEW
    assert set(links[1:]) < {f"/runs/{run}" for run in waiting}


async def test_the_slowest_workers_of_the_week_lead_to_their_trends(
    app: App, owner: Visitor
) -> None:
    assert "No runs have ended in this time." in (await owner.get("/overview/slow")).text
    quick, slow = await app.publish("quick"), await app.publish("slow")
    today = int(f"{datetime.now(UTC):%Y%m%d}")
    week_ago = int(f"{datetime.now(UTC) - timedelta(days=7):%Y%m%d}")

    def work(tx: Any) -> None:
        for worker, day, runs, run_ms in (
            (quick, today, 9, 900_000), (slow, today, 2, 480_000), (slow, week_ago, 1, 60_000),
        ):  # fmt: skip
            key = UsageKey(app.owner.account_id, day, worker.id)
            tx.usage.add(key, UsageSums(runs=runs, run_ms=run_ms))

    await app.storage.write(work)
    page = await owner.get("/overview/slow")
    names = page.all("//*[@id='card-slow']//li//a/@href")
    assert names == ["/w/owner/slow/trends", "/w/owner/quick/trends"]
    lines = [" ".join(item.itertext()).split() for item in page.all("//*[@id='card-slow']//li")]
    assert " ".join(lines[0]) == "owner/slow 2 runs · week before: 1 min 4 min"
    assert "before" not in " ".join(lines[1])
    assert page.one("//*[@id='card-slow']//p").text.endswith("from start to end.")
    all_link = page.one("//*[@id='card-slow']/div[1]/a").get("href")
    sums = await owner.get(all_link.partition("#")[0])
    cells = sums.all("//th[@aria-sort='descending']/ancestor::table//tbody/tr/th//a/text()")
    assert cells == ["owner/slow", "owner/quick"]
    assert sums.all("//td[@data-label='Time per run']/span/@title") == ["240000 ms", "100000 ms"]


async def test_health_is_shown_to_the_operator_only(app: App, owner: Visitor) -> None:
    assert "80 GiB of 100 GiB are free" in (await owner.get("/")).text
    async with visitor(app, app.other.user_id) as someone:
        page = await someone.get("/")
        assert not page.all("//*[@id='card-health']")
        await someone.get("/overview/health", status=404)


async def test_a_failed_card_shows_its_error_and_the_others_are_shown(
    app: App, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: Any) -> Any:
        raise Unavailable("The database is busy")

    async def broken(*_: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(app.services.overview, "next_runs", down)
    monkeypatch.setattr(app.services.health, "all", broken)
    page = await owner.get("/")
    for card, reason in (("next", "The database is busy"), ("health", "Internal error")):
        shown = " ".join(page.one(f"//*[@id='card-{card}']").itertext())
        assert "This card is currently not available." in shown and reason in shown
        assert page.all(f"//*[@id='card-{card}']//a[@href='/overview/{card}'][@hx-get]")
    assert "secret detail" not in page.raw
    assert "Other ways to start" in page.text


async def test_a_slow_card_is_loaded_by_a_separate_request(
    app: App, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = asyncio.Event()

    async def slow(*_: Any) -> Any:
        await released.wait()
        return []

    monkeypatch.setattr(overview, "CARD_WAIT", 0.05)
    monkeypatch.setattr(app.services.health, "all", slow)
    page = await owner.get("/")
    waiting = page.one("//*[@id='card-health']")
    assert (waiting.get("hx-get"), waiting.get("hx-trigger")) == ("/overview/health", "load")
    assert waiting.xpath(".//noscript//a/@href") == ["/overview/health"]
    released.set()
    part = await owner.get("/overview/health", part=True)
    assert part.tree.get("id") == "card-health" or part.all("//*[@id='card-health']")
    alone = await owner.get("/overview/health")
    assert alone.one("//h1").text == "Health of the installation"
    await owner.get("/overview/nonsense", status=404)


async def test_successes_without_rows_are_counted_apart(app: App, owner: Visitor) -> None:
    worker = await app.publish("reader")
    for rows in ([{"n": 1}], [], []):
        await start(app, worker)
        await app.execute(rows)
    shown = " ".join((await owner.get("/")).all("//*[@id='card-day']//dd")[0].itertext())
    assert " ".join(shown.split()) == "3 2 without rows"
