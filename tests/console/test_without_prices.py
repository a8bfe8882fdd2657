"""Where no prices are set, no page speaks of money, and each empty page says what to do next."""

from __future__ import annotations

import csv
import io
import re

import pytest

from support.app import App
from support.bare_seed import seed_bare
from support.pages import Visitor

pytestmark = pytest.mark.anyio

MONEY = re.compile(
    r"[^.]{0,40}(?:\$\d|\bUSD\b|\bUS dollars\b|(?i:\b(?:balance|costs?|spent|spending|charged?)\b))"
)
# Documentation, where an operator sets prices, what happened at any time, and a page whose first
# line says that runs are free.
OTHER = ("/docs", "/guide", "/admin/plans", "/admin/settings", "/settings/audit", "/usage/ledger")


async def test_no_page_speaks_of_money(app: App, owner: Visitor) -> None:
    pages = app.asgi().state.console.pages
    plain = [p.path for p in pages if p.method == "GET" and not p.part and "{" not in p.path]
    addresses = [address for address in plain if not address.startswith(OTHER)]
    found = []
    for address in [*addresses, *await seed_bare(app)]:
        answer = await owner.http.get(address, headers={"accept-language": "en"})
        if answer.status_code != 200 or address.startswith(OTHER):
            continue
        page = await owner.get(address)
        text = " ".join(" ".join(page.all("//main")[0].itertext()).split())
        found += [f"{address}: {match[0]}" for match in MONEY.finditer(text)]
    assert not found, "\n".join(found)


async def test_the_list_of_runs_as_csv_has_no_costs(app: App, owner: Visitor) -> None:
    await seed_bare(app)
    answer = await owner.http.get("/runs/export")
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert "traffic_bytes" in head and "usage_usd" not in head
    assert len(rows) == 2 and {len(row) for row in rows} == {len(head)}


async def test_the_ledger_says_that_runs_are_free(owner: Visitor) -> None:
    page = await owner.get("/usage/ledger")
    assert "Runs are free on this installation." in page.text
    assert "Ledger" not in (await owner.get("/usage")).text


async def test_a_cap_that_was_set_stays_in_the_forms(app: App, owner: Visitor) -> None:
    """Otherwise the next save would remove it."""
    worker = await app.publish("reader", public=False)
    assert not (await owner.get(f"/w/{worker.path}/settings")).all("//*[@name='max_total_charge']")
    await app.services.run_options.change(app.owner, worker.id, {"max_total_charge": "2.5"})
    page = await owner.get(f"/w/{worker.path}/settings")
    assert page.value("max_total_charge") == "2.5"


@pytest.mark.parametrize(
    ("address", "way"),
    [
        ("/runs", "/store"),
        ("/schedules", "/store?for=task"),
        ("/store", "/dev/upload"),
        ("/tasks", "/store?for=task"),
        ("/usage", "/store"),
        ("/settings/webhooks", "/settings/webhooks/new"),
    ],
)
async def test_an_empty_page_leads_to_the_next_step(owner: Visitor, address: str, way: str) -> None:
    page = await owner.get(address)
    assert way in page.all("//main//*[@class='empty']//a/@href")


async def test_the_next_step_depends_on_what_there_is(app: App, owner: Visitor) -> None:
    *_, task = sorted(
        a for a in await seed_bare(app) if a.startswith("/tasks/") and a.count("/") < 3
    )
    assert (await owner.get("/schedules")).all("//*[@class='empty']//a/@href") == ["/tasks"]
    runs = await owner.get(task)
    assert runs.all(f"//*[@class='empty']//form[@action='{task}/run']")
    history = await owner.get(f"{task}/history")
    assert history.all("//*[@class='empty']//a/@href") == [f"{task}/schedule"]
