"""Estimates of time and cost of a run, from the account's own earlier runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fyke.errors import InvalidRequest
from fyke.model.billing import Prices
from fyke.model.run import Outcome, RunLimits, RunState
from fyke.model.worker import Worker
from fyke.wire.fyke.estimates import EstimateReport
from support import records
from support.answers import data_as
from support.api import Api, client, fails
from support.app import App, open_app

pytestmark = pytest.mark.anyio
PRICES = Prices(cpu_hour=Decimal(36), traffic_gb=Decimal(1))  # a core costs a cent per second


@pytest.fixture
async def priced(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates, prices=PRICES) as app:
        yield app


@pytest.fixture
async def priced_api(priced: App) -> AsyncIterator[Api]:
    async with client(priced.asgi()) as http:
        yield Api(http, priced.owner_key)


async def past_runs(app: App, worker: Worker, seconds: list[int], **changes: Any) -> None:
    """Create past runs with these durations."""

    def work(tx: Any) -> None:
        for number, item in enumerate(seconds):
            start = records.START + number * 1000
            end = start + item * 1000
            run = records.run(
                changes.get("account", app.owner.account_id),
                worker.id,
                version=changes.get("version", "v1.0.1"),
                state=RunState.SUCCEEDED,
                outcome=changes.get("outcome", Outcome.SUCCEEDED),
                created_at=start,
                started_at=start,
                finished_at=end,
                busy_ms=item * 1000,
                cpu_ms=100,
                browser_ms=item * changes.get("browser_ms", 0),
                traffic_bytes=item * 10**6,
            )
            tx.runs.add(replace(run, limits=RunLimits(0.125, 512, 1800, 0, 0)), [])

    await app.storage.write(work)


async def report(api: Api, worker: Worker, **query: Any) -> Any:
    path = f"/api/fyke/workers/{worker.id}/estimate"
    return data_as(EstimateReport, await api.get(path, params=query))


async def test_too_few_runs_give_no_estimate(priced: App, priced_api: Api) -> None:
    worker = await priced.publish()
    await past_runs(priced, worker, [1] * 9)
    await past_runs(priced, worker, [1] * 50, outcome=Outcome.ABORTED)
    await past_runs(priced, worker, [1] * 50, account=priced.other.account_id)
    estimate = await report(priced_api, worker)
    assert (estimate["enough"], estimate["runs"], estimate["needed"]) == (False, 9, 10)
    assert (estimate["time"], estimate["traffic"], estimate["charge"]) == (None, None, None)
    await past_runs(priced, worker, [1], outcome=Outcome.TIMEOUT)
    assert (await report(priced_api, worker))["enough"]


async def test_an_estimate_uses_the_requested_device_and_subtasks(
    priced: App, priced_api: Api
) -> None:
    worker = await priced.publish()
    await past_runs(priced, worker, list(range(1, 101)))
    estimate = await report(priced_api, worker, memory=512)
    assert (estimate["version"], estimate["runs"], estimate["of_version"]) == ("v1.0.1", 100, True)
    assert estimate["time"] == {"p50": 50.0, "p95": 95.0}
    assert estimate["traffic"] == {"p50": 50 * 10**6, "p95": 95 * 10**6}
    # an eighth of a core for 50 s is 6.25 cents, 50 MB are 5 cents
    assert estimate["charge"]["p50"] == "0.112500"
    doubled = await report(priced_api, worker, memory=512, subtasks=2)
    assert doubled["charge"]["p50"] == "0.225000"
    larger = await report(priced_api, worker, memory=1024)
    assert larger["charge"]["p50"] == "0.175000"
    capped = await report(priced_api, worker, memory=512, max_total_charge="0.01")
    assert capped["charge"] == {"p50": "0.010000", "p95": "0.010000"}
    other = await priced_api.get(f"/api/fyke/workers/{worker.id}/estimate", key=priced.other_key)
    assert (other.json()["data"]["runs"], other.json()["data"]["enough"]) == (0, False)


async def test_the_browsers_of_earlier_runs_are_part_of_the_charge(
    priced: App, priced_api: Api
) -> None:
    worker = await priced.publish()
    await past_runs(priced, worker, [50] * 10, browser_ms=400)
    # as above, and a browser of one core for 20 s
    estimate = await report(priced_api, worker, memory=512)
    assert estimate["charge"] == {"p50": "0.312500", "p95": "0.312500"}


async def test_an_estimate_of_an_invalid_input_is_refused(priced: App, priced_api: Api) -> None:
    worker = await priced.publish()
    path = f"/api/fyke/workers/{worker.id}/estimate"
    fails(await priced_api.get("/api/fyke/workers/nobody~nothing/estimate"), 404, 50001)
    fails(await priced_api.get(path, params={"version": "9.9.9"}), 400, 4000)
    fails(await priced_api.get(path, params={"memory": "1000000"}), 400, 4000, "memory")
    fails(await priced_api.get(path, params={"subtasks": "-1"}), 400, 4000, "subtasks")
    with pytest.raises(InvalidRequest, match="subtasks"):
        await priced.services.estimates.of(priced.owner, worker.id, None, {}, subtasks=10**9)
