"""Spending caps of an account, per run and month: who may set them, and which runs they stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.accounts.spending import CapChange
from fyke.errors import Forbidden
from fyke.model.account import Role
from fyke.model.attempt import AttemptReport
from fyke.model.audit import AuditAction
from fyke.model.billing import Prices
from fyke.model.runner import AttemptUsage
from fyke.wire.fyke.caps import CapsReport
from support.answers import data_as
from support.api import Api, client, fails, start_body
from support.app import App, open_app

pytestmark = pytest.mark.anyio
CAPS = "/api/fyke/account/caps"
PRICES = Prices(traffic_gb=Decimal(1))  # one byte costs a billionth of a dollar


@pytest.fixture
async def priced(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates, prices=PRICES) as app:
        for name in ("owner", "other"):
            await app.services.accounts.credit(app.owner, name, Decimal(100), Decimal(0))
        yield app


@pytest.fixture
async def priced_api(priced: App) -> AsyncIterator[Api]:
    async with client(priced.asgi()) as http:
        yield Api(http, priced.owner_key)


async def change(api: Api, key: str = "", **caps: Any) -> Any:
    return data_as(CapsReport, await api.send("PUT", CAPS, json=caps, key=key or api.key))


async def test_an_account_has_no_caps_until_its_owner_sets_some(
    priced: App, priced_api: Api
) -> None:
    caps = data_as(CapsReport, await priced_api.get(CAPS))
    assert (caps["run_cap"], caps["month_cap"], caps["left"]) == ("0", "0", None)
    changed = await change(priced_api, run_cap="2.5")
    assert (changed["run_cap"], changed["month_cap"]) == ("2.5", "0")
    changed = await change(priced_api, month_cap=10)
    assert (changed["run_cap"], changed["month_cap"], changed["left"]) == ("2.5", "10", "10")
    own = (await priced_api.get("/api/fyke/account")).json()["data"]
    assert (own["run_cap"], own["month_cap"]) == ("2.5", "10")
    other = data_as(CapsReport, await priced_api.get(CAPS, key=priced.other_key))
    assert other["run_cap"] == "0"
    for wrong, rule in (
        ("-1", "must be from 0 (no cap) to 1,000,000,000,000 US dollars"),
        ("99999999999999", "must be from 0 (no cap) to 1,000,000,000,000 US dollars"),
        ("0.0000001", "must not be finer than a millionth of a US dollar"),
        ("1e20", "must be a number such as 12.5: at most 18 digits"),
    ):
        refused = await priced_api.send("PUT", CAPS, json={"run_cap": wrong})
        fails(refused, 400, 4000, f"run_cap {rule}")
    cleared = await change(priced_api, run_cap=0, month_cap=0)
    assert (cleared["run_cap"], cleared["month_cap"]) == ("0", "0")
    log = await priced.services.audit.page(priced.owner, action=AuditAction.CAPS.value)
    assert [entry.detail for entry in log][-1] == "run_cap 2.5 USD, month_cap none"


async def test_only_owners_and_the_operator_set_caps(priced: App, priced_api: Api) -> None:
    path = "/api/fyke/accounts/other/caps"
    fails(await priced_api.send("PUT", path, json={"run_cap": 1}, key=priced.other_key), 401, 4010)
    caps = data_as(
        CapsReport, await priced_api.send("PUT", path, json={"run_cap": 1, "month_cap": 3})
    )
    assert (caps["run_cap"], caps["month_cap"]) == ("1", "3")
    report = data_as(CapsReport, await priced_api.get(CAPS, key=priced.other_key))
    assert report == caps
    unknown = "/api/fyke/accounts/unknown/caps"
    fails(await priced_api.send("PUT", unknown, json={"run_cap": 1}), 404, 4040)
    for caller in (priced.owner, priced.other):
        member = replace(caller, role=Role.MEMBER)
        with pytest.raises(Forbidden, match="role owner"):
            await priced.services.spending.change(member, CapChange(run=Decimal(1)))


async def report_traffic(app: App, traffic: int) -> dict[str, Any]:
    """Report this many bytes for every active attempt; return the orders for the runner."""
    active_attempts = await app.storage.read(lambda tx: tx.runs.active_attempts())
    reports = [
        AttemptReport(attempt.key, AttemptUsage(traffic_bytes=traffic))
        for attempt in active_attempts
    ]
    return dict((await app.attempts.report(reports, 15_000)).stop)


async def test_the_cap_for_one_run_stops_it(priced: App, priced_api: Api) -> None:
    await change(priced_api, run_cap=2)
    worker = await priced.publish()
    run = (await priced_api.ok("/api/v1/scraper/run", start_body(worker.id)))["run_slug"]
    leases = await priced.begin()
    share = 2 * 10**9 // len(leases)
    assert await report_traffic(priced, share - 10_000) == {}
    stopped = await report_traffic(priced, share + 10_000)
    assert {end.message for end in stopped.values()} == {
        "Stopped: the account's cap of 2 USD for one run was reached"
    }
    for lease in leases:
        await priced.end(lease)
    answer = (await priced_api.get(f"/api/fyke/runs/{run}")).json()
    assert answer["data"]["outcome"] == "charge_cap"


async def test_a_month_whose_cap_is_spent_or_held_refuses_the_start(
    priced: App, priced_api: Api
) -> None:
    await change(priced_api, month_cap=3)
    worker = await priced.publish()
    await priced_api.ok("/api/v1/scraper/run", start_body(worker.id))
    caps = data_as(CapsReport, await priced_api.get(CAPS))
    assert (caps["held"], caps["left"]) == ("3", "0")
    refused = await priced_api.post("/api/v1/scraper/run", start_body(worker.id))
    error = fails(refused, 400, 30001, "cap for", "3 USD", "month_cap", "wait until")
    assert "3 are set aside for active runs" in str(error or refused.json())
    body = {"input": start_body(worker.id)["input"]}
    fails(await priced_api.post(f"/api/v2/workers/{worker.id}/runs", body), 400, 30001, "cap for")
    leases = await priced.begin()
    stopped = await report_traffic(priced, 3 * 10**9)
    assert {end.message for end in stopped.values()} == {
        "Stopped: the 3 USD that were left of the account's cap for the month were used up"
    }
    for lease in leases:
        await priced.end(lease)
    await change(priced_api, month_cap=4)
    await priced_api.ok("/api/v1/scraper/run", start_body(worker.id))


async def test_lowering_a_cap_stops_active_runs(priced: App, priced_api: Api) -> None:
    worker = await priced.publish()
    for _ in range(2):
        body = start_body(worker.id)
        body["input"]["parameters"]["system"] = {"max_total_charge": 20}
        await priced_api.ok("/api/v1/scraper/run", body)
    leases = await priced.begin()
    per_run = len(leases) // 2
    assert await report_traffic(priced, 2 * 10**9 // per_run) == {}  # two dollars each
    await change(priced_api, month_cap=5)
    assert await report_traffic(priced, 2 * 10**9 // per_run) == {}
    stopped = await report_traffic(priced, 25 * 10**8 // per_run)
    assert {end.message for end in stopped.values()} == {
        "Stopped: the account's cap for the month was lowered to 5 USD, which was reached"
    }
    assert len(stopped) == len(leases)
    await change(priced_api, month_cap=0, run_cap=1)
    for lease in leases:
        await priced.end(lease)
