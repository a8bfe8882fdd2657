"""Usage: totals that match the ledger, breakdowns and pages; the overview of the account."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from fyke.model.billing import EntryKind, Prices
from fyke.model.browser import BrowserProgram
from fyke.model.run import Outcome
from fyke.wire.fyke import usage
from fyke.wire.fyke.overview import HealthReport, OverviewReport
from support.answers import data_as
from support.api import Api, client, fails, start_body
from support.app import App, open_app

pytestmark = pytest.mark.anyio
PRICES = Prices(Decimal("7.13"), Decimal("0.4"), Decimal("3.17"), True)


@pytest.fixture
async def priced(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates, prices=PRICES) as app:
        yield app


@pytest.fixture
async def priced_api(priced: App) -> AsyncIterator[Api]:
    async with client(priced.asgi()) as http:
        yield Api(http, priced.owner_key)


async def credit(app: App, usd: str, name: str = "owner") -> None:
    await app.services.accounts.credit(app.owner, name, Decimal(usd), Decimal(1000))


async def make_history(app: App, api: Api, number: int) -> None:
    """Runs of several workers, tasks and keys with every outcome, and credits in between."""
    dice = random.Random(number)
    keys = [app.owner_key, (await app.services.accounts.create_key(app.owner, "ci")).key]
    workers = [await app.publish(name) for name in ("one", "two")]
    await credit(app, "500")
    for _ in range(number):
        worker, key = dice.choice(workers), dice.choice(keys)
        await api.ok("/api/v1/scraper/run", start_body(worker.id), key=key)
        if dice.random() < 0.2:
            await credit(app, f"{dice.randint(1, 999)}.{dice.randint(0, 999999):06d}")
        outcome = dice.choice([Outcome.SUCCEEDED, Outcome.EXIT_CODE, Outcome.TIMEOUT])
        await app.execute([{"n": 1}] * dice.randint(0, 3), outcome)


@pytest.mark.slow
async def test_the_sums_equal_those_of_the_ledger(priced: App, priced_api: Api) -> None:
    await make_history(priced, priced_api, 25)
    entries = await priced.storage.read(
        lambda tx: tx.ledger.entries(priced.owner.account_id, limit=10_000)
    )
    sums = {k: sum(e.usd_micros for e in entries if e.kind is k) for k in EntryKind}
    traffic = sum(e.traffic_bytes for e in entries if e.kind is EntryKind.USAGE)
    assert sums[EntryKind.USAGE] < 0 < sums[EntryKind.CREDIT] and traffic < 0
    for by in ("day", "month"):
        report = data_as(usage.UsageReport, await priced_api.get(f"/api/fyke/usage?by={by}"))
        total = report["total"]
        assert Decimal(total["usage"]) == Decimal(-sums[EntryKind.USAGE]) / 10**6
        assert Decimal(total["credited"]) == Decimal(sums[EntryKind.CREDIT]) / 10**6
        assert (total["runs"], total["traffic"]) == (25, -traffic)
        assert total["runs"] == total["succeeded"] + total["failed"] + total["aborted"]
        for name in ("usage", "credited"):
            assert sum(Decimal(bar[name]) for bar in report["list"]) == Decimal(total[name])
        for name in ("runs", "results", "traffic"):
            assert sum(bar[name] for bar in report["list"]) == total[name]
    for part, minimum in (("worker", 2), ("task", 1), ("key", 2)):
        split = data_as(usage.UsageParts, await priced_api.get(f"/api/fyke/usage/parts?by={part}"))
        parts = split["list"]
        assert sum(Decimal(entry["usage"]) for entry in parts) == Decimal(total["usage"])
        assert sum(entry["runs"] for entry in parts) == 25 and not split["others"]
        assert len(parts) >= minimum
    names = {entry["name"] for entry in parts}
    assert names >= {"local", "ci"}


async def test_parts_beyond_the_maximum_are_summed(priced: App, priced_api: Api) -> None:
    await make_history(priced, priced_api, 6)
    usage, caller = priced.services.usage, priced.owner
    period = await usage.period(caller)
    from fyke.model.billing import UsageDimension

    split = await usage.split(caller, period, UsageDimension.KEY)
    short = await usage.split(caller, period, UsageDimension.KEY, limit=1)
    assert short.others and short.parts == split.parts[:1]
    rest = split.parts[1].sums
    for part in split.parts[2:]:
        rest = rest + part.sums
    assert short.rest == rest


async def test_a_deleted_run_stays_in_the_sums(priced: App, priced_api: Api) -> None:
    await make_history(priced, priced_api, 2)
    before = (await priced_api.get("/api/fyke/usage")).json()
    for item in (await priced_api.get("/api/fyke/runs")).json()["data"]["list"]:
        assert (
            await priced_api.send("DELETE", f"/api/fyke/runs/{item['slug']}")
        ).status_code == 200
    assert (await priced_api.get("/api/fyke/usage")).json() == before


async def test_periods_are_limited_to_a_year_with_an_error(priced_api: Api) -> None:
    report = data_as(
        usage.UsageReport,
        await priced_api.get("/api/fyke/usage?from=2026-01-15&until=2026-03-02&by=month"),
    )
    assert [bar["day"] for bar in report["list"]] == ["2026-01-01", "2026-02-01", "2026-03-01"]
    assert (report["from"], report["until"], report["time_zone"]) == (
        "2026-01-15", "2026-03-02", "UTC",
    )  # fmt: skip
    too_long = await priced_api.get("/api/fyke/usage?from=2025-01-01&until=2026-01-02")
    fails(too_long, 400, 4000, "until", "at most 366 days", "use 2026-01-01 or earlier")
    for query in ("from=x", "until=2026-02-30", "from=2026-02-02&until=2026-02-01", "by=hour"):
        fails(await priced_api.get(f"/api/fyke/usage?{query}"), 400, 4000, query.split("=")[0])
    fails(await priced_api.get("/api/fyke/usage/parts?by=day"), 400, 4000, "worker, task, key")


@pytest.mark.slow
async def test_the_ledger_is_paged_and_exported(priced: App, priced_api: Api) -> None:
    await make_history(priced, priced_api, 4)
    entries, cursor = [], ""
    while True:
        path = f"/api/fyke/ledger?holds=1&page_size=3&cursor={cursor}"
        page = data_as(usage.LedgerList, await priced_api.get(path))
        entries += page["list"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    kinds = [entry["kind"] for entry in entries]
    assert kinds.count("hold") == kinds.count("release") == kinds.count("usage") == 4
    plain = (await priced_api.get("/api/fyke/ledger")).json()["data"]["list"]
    assert plain == [e for e in entries if e["kind"] in ("credit", "usage")]
    answer = await priced_api.get("/api/fyke/ledger/export?holds=1")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == [entry["id"] for entry in entries]
    balance = await priced.services.accounts.get(priced.owner)
    moved = sum(Decimal(r["usd"]) for r in rows if r["kind"] in ("credit", "usage"))
    assert moved == Decimal(balance.balance_micros) / 10**6
    past = await priced_api.get("/api/fyke/ledger?from=2020-01-01&until=2020-02-01")
    assert past.json()["data"] == {"list": [], "next_cursor": ""}
    fails(await priced_api.get("/api/fyke/ledger?cursor=x"), 400, 4000, "cursor")
    other = await priced_api.get("/api/fyke/ledger", key=priced.other_key)
    assert other.json()["data"]["list"] == []


async def test_a_run_counts_on_the_day_in_the_accounts_zone(priced: App, priced_api: Api) -> None:
    from fyke.domain.billing.days import local_day

    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # where the date always differs
        await priced_api.send("PUT", "/api/fyke/account/time-zone", json={"time_zone": zone})
        await credit(priced, "1")
        now = await priced.storage.read(lambda tx: tx.now)
        today = local_day(now, zone)
        path = f"/api/fyke/usage?from={today}&until={today}"
        report = (await priced_api.get(path)).json()["data"]
        assert Decimal(report["total"]["credited"]) == 1, zone


# --- the overview ---------------------------------------------------------------------------


async def test_the_overview_counts_runs_of_each_state(app: App, api: Api) -> None:
    empty = data_as(OverviewReport, await api.get("/api/fyke/overview"))
    assert (empty["runs"], empty["recent_workers"], empty["next_runs"]) == (0, [], [])
    first, second = await app.publish("first"), await app.publish("second")
    for worker, outcome in ((first, Outcome.SUCCEEDED), (second, Outcome.TIMEOUT)):
        await api.ok("/api/v1/scraper/run", start_body(worker.id))
        await app.execute([], outcome)
    await api.ok("/api/v1/scraper/run", start_body(first.id))
    await app.begin()
    await api.ok("/api/v1/scraper/run", start_body(second.id))
    path = f"/api/v2/workers/{first.id}/queued-runs"
    await api.ok(path, {"input": start_body(first.id)["input"]})
    overview = data_as(OverviewReport, await api.get("/api/fyke/overview"))
    assert (overview["busy"], overview["waiting"], overview["held"], overview["runs"]) == (
        1,
        1,
        1,
        4,
    )
    day = {name: overview[f"day_{name}"] for name in ("succeeded", "failed", "aborted", "open")}
    assert day == {"succeeded": 1, "failed": 1, "aborted": 0, "open": 2}
    assert [worker["path"] for worker in overview["recent_workers"]] == [
        "owner/second",
        "owner/first",
    ]
    other = await api.get("/api/fyke/overview", key=app.other_key)
    assert other.json()["data"] | {"most": 0} == empty


async def test_health_is_shown_to_the_operator_only(
    app: App, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(await api.get("/api/fyke/health", key=app.other_key), 401, 4010)
    alone = data_as(HealthReport, await api.get("/api/fyke/health"))["list"]
    assert [(c["name"], c["level"]) for c in alone] == [
        ("disk", "good"), ("runner", "bad"), ("proxy US", "good"),
    ]  # fmt: skip
    assert "fyke up" in alone[1]["remedy"]
    await app.register_runner()
    checks = (await api.get("/api/fyke/health")).json()["data"]["list"]
    assert checks[1]["detail"] == "the sandbox is complete; 8 cores, 8192 MiB"
    await app.register_runner(browsers=3, browser_programs=(BrowserProgram.CHROMIUM,))
    worker = await app.publish(browser="required")
    await api.ok("/api/v1/scraper/run", start_body(worker.id))
    await app.lease()
    checks = (await api.get("/api/fyke/health")).json()["data"]["list"]
    assert (checks[2]["name"], checks[2]["detail"]) == (
        "browsers of node",
        "chromium; 1 of 3 places are free",
    )
    full = replace(app.services.health._disk(), free=2**29)
    monkeypatch.setattr(app.services.health, "_disk", lambda: full)
    [disk, *_] = (await api.get("/api/fyke/health")).json()["data"]["list"]
    assert (disk["level"], "0.5 GiB of 100 GiB" in disk["detail"]) == ("bad", True)
