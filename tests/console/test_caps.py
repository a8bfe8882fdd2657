"""Spending caps: set by the owner or the operator, and shown before a start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fyke.model.billing import Prices
from fyke.model.run import Outcome, RunLimits, RunState
from fyke.model.worker import Worker
from support import records
from support.app import App, open_app
from support.pages import Visitor, visitor

pytestmark = pytest.mark.anyio
PAGE = "/settings/account"


@pytest.fixture
async def priced(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates, prices=Prices(cpu_hour=Decimal(36))) as app:
        await app.services.accounts.credit(app.owner, "owner", Decimal(1000), Decimal(0))
        yield app


@pytest.fixture
async def payer(priced: App) -> AsyncIterator[Visitor]:
    async with visitor(priced) as someone:
        yield someone


async def test_an_owner_sets_caps_for_a_run_and_a_month(priced: App, payer: Visitor) -> None:
    page = await payer.get(PAGE)
    assert (page.value("run_cap"), page.value("month_cap")) == ("", "")
    await payer.post(f"{PAGE}/caps", {"run_cap": "2,5", "month_cap": "100"})
    page = await payer.get(PAGE)
    assert (page.value("run_cap"), page.value("month_cap")) == ("2.5", "100")
    assert "of $100.00" in page.text and "until" in page.text
    page = await payer.post(f"{PAGE}/caps", {"run_cap": "-1", "month_cap": "x"}, status=422)
    assert (page.value("run_cap"), page.value("month_cap")) == ("-1", "x")
    assert "Enter US dollars such as" in page.text
    page = await payer.post(f"{PAGE}/caps", {"run_cap": "0.00000001", "month_cap": ""}, status=422)
    assert "millionth" in page.text
    await payer.post(f"{PAGE}/caps", {"run_cap": "", "month_cap": ""})
    account = await priced.services.accounts.get(priced.owner)
    assert (account.run_cap_micros, account.month_cap_micros) == (0, 0)


async def test_the_operator_sets_the_caps_of_any_account(priced: App, payer: Visitor) -> None:
    await payer.post("/admin/accounts/other/caps", {"run_cap": "", "month_cap": "7.25"})
    found = {
        account.name: account
        for account in await priced.services.accounts.list_accounts(priced.owner)
    }
    assert found["other"].month_cap_micros == 7_250_000
    page = await payer.get("/admin/accounts")
    assert "7.25" in [item.get("value") for item in page.all("//input[@name='month_cap']")]
    page = await payer.post("/admin/accounts/other/caps", {"run_cap": "all"}, status=422)
    assert "The caps of other were not changed" in page.text


async def lived(app: App, worker: Worker, count: int) -> None:
    def work(tx: Any) -> None:
        for number in range(count):
            start = records.START + number
            run = records.run(
                app.owner.account_id,
                worker.id,
                version="v1.0.1",
                state=RunState.SUCCEEDED,
                outcome=Outcome.SUCCEEDED,
                created_at=start,
                started_at=start,
                finished_at=start + 60_000,
                busy_ms=60_000,
                browser_ms=10_000,
            )
            tx.runs.add(replace(run, limits=RunLimits(0.125, 512, 1800, 0, 0)), [])

    await app.storage.write(work)


async def test_the_form_shows_the_usual_cost_and_the_cap(priced: App, payer: Visitor) -> None:
    worker = await priced.publish(schema={"properties": []})
    path = f"/w/{worker.owner}/{worker.name}"
    page = await payer.get(path)
    assert "Not enough runs for an estimate yet: 0 of 10." in page.text
    assert "at most $2.25, with a browser at most $20.25" in page.text
    await lived(priced, worker, 12)
    await payer.post(f"{PAGE}/caps", {"run_cap": "0.25", "month_cap": ""})
    page = await payer.get(path)
    outlook = " ".join(page.one("//*[@id='outlook']").text_content().split())
    assert "Usual time1 min Usual traffic" in outlook
    assert "$0.175" in outlook and "at most $0.25 (the account's cap for one run)" in outlook
    assert "Based on the last 12 runs of this version in this account." in outlook
    await payer.post(f"{PAGE}/caps", {"run_cap": "", "month_cap": "0.10"})
    await payer.post(path, {"do": "start", "view": "form", "drawn": "v1.0.1"})
    page = await payer.get(path)
    assert "The account's cap for this month is used up." in page.text
