"""Usage: the chart and its table, breakdowns, a range that is too long, and the ledger."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.runs.service import StartRequest
from fyke.model.billing import Prices, UsageKey, UsageSums
from fyke.model.run import Origin, Outcome
from support.app import App, open_app
from support.pages import Page, Visitor, visitor

pytestmark = pytest.mark.anyio


@pytest.fixture
async def priced(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates, prices=Prices(cpu_hour=Decimal(800_000))) as app:
        yield app


@pytest.fixture
async def buyer(priced: App) -> AsyncIterator[Visitor]:
    async with visitor(priced) as someone:
        yield someone


async def spend(app: App, number: int = 1) -> list[str]:
    worker = await app.publish()
    await app.services.accounts.credit(app.owner, "owner", Decimal(10**7), Decimal(1))
    made = []
    for _ in range(number):
        wanted = {"parameters": {"system": {}, "custom": {"urls": [{"url": "https://a.example"}]}}}
        request = StartRequest(worker.id, None, wanted, "", Origin.WEB)
        made.append((await app.services.runs.start(app.owner, request)).id)
        await app.execute([{"n": 1}], Outcome.SUCCEEDED)
    return made


def table(page: Page, number: int) -> list[list[str]]:
    rows = page.all(f"(//table)[{number}]/tbody/tr")
    return [[" ".join(cell.itertext()).strip() for cell in row] for row in rows]


async def test_the_chart_and_the_table_show_the_same_values(app: App, owner: Visitor) -> None:
    def work(tx: Any) -> None:
        for day, runs in ((20260201, 4), (20260203, 8), (20260203, 2)):
            key = UsageKey(app.owner.account_id, day, f"w{runs}")
            tx.usage.add(
                key, UsageSums(runs=runs, failed=1, results=runs * 3, run_ms=runs * 60_000)
            )

    await app.storage.write(work)
    page = await owner.get("/usage?from=2026-02-01&until=2026-02-10")
    assert [row[:4] for row in table(page, 1)] == [
        ["Feb 3, 2026", "10", "2", "30"], ["Feb 1, 2026", "4", "1", "12"],
    ]  # fmt: skip
    [total] = page.all("//tfoot/tr")
    assert [" ".join(c.itertext()).strip() for c in total][:4] == ["Total", "14", "3", "42"]
    bars = page.all("//*[local-name()='rect'][@class='chart-bar']")
    assert [bar.get("height") for bar in bars] == ["40.0", "100.0"]
    assert [bar.xpath("string(*)") for bar in bars] == ["Feb 1, 2026: 4", "Feb 3, 2026: 10"]
    chart = page.one("//figure/*[local-name()='svg'][@role='img']")
    assert "The table below contains the same figures" in chart.get("aria-label")
    months = await owner.get("/usage?from=2026-01-01&until=2026-03-31&by=month&show=results")
    assert [row[:2] for row in table(months, 1)] == [["February 2026", "14"]]
    assert months.all("//*[@class='chart-bar']/*/text()") == ["February 2026: 42"]


async def test_a_period_without_runs_has_an_explanation(owner: Visitor) -> None:
    page = await owner.get("/usage?from=2020-01-01&until=2020-01-31")
    assert "No runs in this period" in page.text and not page.all("//table")


async def test_a_range_that_is_too_long_is_refused_with_the_longest_one(owner: Visitor) -> None:
    page = await owner.get("/usage?from=2024-01-01&until=2026-01-01", status=422)
    assert page.all("//*[@id='faults']//a/@href") == ["#f-until"]
    assert page.value("from") == "2024-01-01" and page.value("until") == "2026-01-01"
    [longest] = page.all("//a[text()[contains(., 'longest period')]]/@href")
    shown = await owner.get(longest)
    assert shown.value("until") == "2024-12-31"
    wrong = await owner.get("/usage?from=soon", status=422)
    assert wrong.all("//*[@id='faults']//a/@href") == ["#f-from"]
    assert not wrong.all("//a[text()[contains(., 'longest period')]]")


async def test_usage_is_split_by_worker_task_and_key(priced: App, buyer: Visitor) -> None:
    await spend(priced, 2)
    page = await buyer.get("/usage")
    assert page.all("//*[@aria-labelledby='split']//tbody/tr/th/a/@href") == ["/w/owner/reader"]
    spent = page.one("(//table)[1]/tfoot//td[@data-label='Spent']/span").get("title")
    by_key = await buyer.get("/usage?part=key")
    [row] = by_key.all("//*[@aria-labelledby='split']//tbody/tr")
    assert " ".join(row.xpath("th")[0].itertext()).strip() == "local"
    assert row.xpath("td[@data-label='Spent']/span/@title") == [spent]
    assert "without a task" in (await buyer.get("/usage?part=task")).text


async def test_a_run_shows_its_quantities_in_the_units_of_their_prices(
    priced: App, buyer: Visitor
) -> None:
    [run] = await spend(priced)
    page = await buyer.get(f"/runs/{run}/usage")
    cpu, *_others = page.all("//table[contains(@class,'cost-table')]/tbody/tr")
    quantity, price = (
        " ".join(cpu.xpath(f"td[@data-label='{name}']")[0].text_content().split())
        for name in ("Quantity", "Price")
    )
    assert re.search(r"s ?0\.0*[1-9]\d* core-hours$", quantity)
    assert price == "$800,000.00 per core-hour"


async def test_the_ledger_is_loaded_separately_and_links_to_runs(
    priced: App, buyer: Visitor
) -> None:
    [run] = await spend(priced)
    page = await buyer.get("/usage")
    lazy = page.one("//*[@id='ledger']")
    assert (lazy.get("hx-get"), lazy.get("hx-trigger")) == ("/usage/ledger", "load")
    part = await buyer.get("/usage/ledger", part=True)
    kinds = [r.text for r in part.all("//td[@data-label='Kind']")]
    assert kinds == ["Run usage", "Credited"]
    assert part.all("//td[@data-label='Run']/a/@href") == [f"/runs/{run}"]
    whole = await buyer.get("/usage/ledger?holds=1")
    assert [r.text for r in whole.all("//td[@data-label='Kind']")] == [
        "Run usage", "Released", "Reserved", "Credited",
    ]  # fmt: skip
    [link] = whole.all("//a[@download]/@href")
    rows = list(csv.DictReader(io.StringIO((await buyer.http.get(link)).text)))
    assert [row["kind"] for row in rows] == ["usage", "release", "hold", "credit"]
    none = await buyer.get("/usage/ledger?from=2020-01-01&until=2020-01-02")
    assert "No ledger entries" in none.text


async def test_the_ledger_is_paged(priced: App, buyer: Visitor, monkeypatch: Any) -> None:
    monkeypatch.setattr("fyke.console.pages.usage.LEDGER_ROWS", 2)
    await spend(priced, 3)
    seen, path = [], "/usage/ledger"
    while True:
        page = await buyer.get(path)
        seen += [cell.text for cell in page.all("//td[@data-label='Kind']")]
        further = page.all("//a[@rel='next']/@href")
        if not further:
            break
        path = further[0]
    assert seen == ["Run usage"] * 3 + ["Credited"]
