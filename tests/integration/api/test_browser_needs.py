"""Whether a version uses a browser: shown, searched for, and required at a start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from fyke.domain.runs.service import StartRequest
from fyke.model.billing import Prices
from fyke.model.browser import BrowserProgram
from fyke.model.run import Origin, Run
from fyke.wire.fyke import overview, versions, workers
from support.answers import data_as
from support.api import Api, fails, start_body
from support.app import App, open_app

pytestmark = pytest.mark.anyio
USES_ONE = "from sdk import CoreSDK\nimport os\nos.environ['ChromeWs']\n"
PROBLEM = "no browser was found on this machine"


async def test_versions_and_the_catalog_show_whether_a_browser_is_used(app: App, api: Api) -> None:
    for name, main, declared in (
        ("plain", "print()\n", ""),
        ("detected", USES_ONE, ""),
        ("sometimes", USES_ONE, "optional"),
        ("always", "print()\n", "required"),
        ("never", USES_ONE, "none"),
    ):
        await app.publish(name, main=main, browser=declared)

    async def found(query: str) -> dict[str, str]:
        answer = await api.get(f"/api/fyke/catalog?order=name{query}")
        data = data_as(workers.CatalogList, answer)
        assert data["count"] == len(data["list"])
        return {item["path"].removeprefix("owner/"): item["browser"] for item in data["list"]}

    using = {"always": "required", "detected": "optional", "sometimes": "optional"}
    others = {"never": "none", "plain": ""}
    assert await found("") == await found("&browser=ANY") == using | others
    assert await found("&browser=with") == using
    assert await found("&browser=without") == others
    fails(await api.get("/api/fyke/catalog?browser=yes"), 400, 4000, "any, with, without")

    async def of_version(name: str) -> tuple[str, bool, list[str]]:
        answer = await api.get(f"/api/fyke/workers/owner~{name}/versions")
        [version] = data_as(versions.VersionList, answer)["list"]
        kinds = [f["severity"] for f in version["findings"] if f["code"].startswith("browser_")]
        return version["browser"], version["browser_declared"], kinds

    assert await of_version("detected") == ("optional", False, ["info"])
    assert await of_version("sometimes") == ("optional", True, [])
    assert await of_version("never") == ("none", True, ["warning"])
    assert await of_version("plain") == ("", False, [])


async def test_a_change_of_the_need_is_among_the_changes_of_a_version(app: App, api: Api) -> None:
    for declared in ("optional", "required"):
        await app.publish(main=USES_ONE, browser=declared)
    at = "/api/fyke/workers/owner~reader/compare?before=v1.0.1&after=v1.0.2"
    changes = (await api.get(at)).json()["data"]["declared_changes"]
    assert changes == [{"kind": "browser", "domain": "", "browser": "required", "wider": False}]


async def test_a_start_that_requires_a_browser_is_refused_where_no_runner_has_one(
    app: App, api: Api
) -> None:
    worker = await app.publish(browser="required")
    body = start_body(worker.id)
    await api.ok("/api/v1/scraper/run", body)  # without a runner, it waits for one
    await app.register_runner(browser_problem=PROBLEM)
    expected = f"no runner has one that can be used: {PROBLEM}"
    for path, sent in (
        ("/api/v1/scraper/run", body),
        (f"/api/v2/workers/{worker.id}/runs", {"input": body["input"]}),
    ):
        answer = await api.post(path, sent)
        assert (answer.status_code, answer.json()["code"]) == (400, 50002)
        assert expected in answer.text
        assert answer.headers["x-fyke-reason"] == "browser_missing"
    at = f"/api/fyke/workers/{worker.id}/normalise"
    checked = (await api.post(at, {"input": body["input"]["parameters"]["custom"]})).json()["data"]
    assert expected in checked["refused"]
    runner = data_as(overview.RunnerList, await api.get("/api/fyke/runners"))["list"][0]
    assert (runner["browsers"], runner["browser_problem"]) == (0, PROBLEM)
    await app.register_runner(browsers=3)
    await api.ok("/api/v1/scraper/run", body)
    checked = (await api.post(at, {"input": body["input"]["parameters"]["custom"]})).json()["data"]
    assert checked["refused"] == ""


@pytest.fixture
async def priced(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates, prices=Prices(cpu_hour=Decimal(3600))) as app:
        await app.services.accounts.credit(app.owner, "owner", Decimal(10_000), Decimal(0))
        yield app


@pytest.mark.parametrize(
    ("declared", "browsers", "memory_mb", "held"),
    [
        ("required", 3, 1024, 67_500_000),  # one core more than the eighth of its device
        ("", 3, 1024, 67_500_000),  # detected
        ("", 0, 0, 7_500_000),
        ("optional", 3, 0, 7_500_000),
        ("none", 3, 0, 7_500_000),
    ],
)
async def test_a_browser_is_reserved_and_held_at_the_start_if_it_is_used_for_sure(
    priced: App, declared: str, browsers: int, memory_mb: int, held: int
) -> None:
    await priced.register_runner(browsers=browsers)
    worker = await priced.publish(main=USES_ONE, browser=declared)
    system = {"execute_limit_time_seconds": 60}
    parameters = {"system": system, "custom": {"urls": [{"url": "https://a.example"}]}}
    request = StartRequest(worker.id, None, {"parameters": parameters}, "", Origin.API)
    started = await priced.services.runs.start(priced.owner, request)
    run = await priced.storage.read(lambda tx: tx.runs.get(started.id))
    assert isinstance(run, Run)
    assert (run.limits.browser_memory_mb, run.hold_micros) == (memory_mb, held)
    assert run.browser_required is (declared == "required")


async def test_a_start_may_ask_for_memory_for_its_browser(app: App, api: Api) -> None:
    await app.register_runner(browsers=1)
    worker = await app.publish(browser="optional")
    body = start_body(worker.id)
    system = body["input"]["parameters"]["system"]

    async def memory_of(slug: str) -> int:
        run = await app.storage.read(lambda tx: tx.runs.get(slug))
        assert run is not None
        return run.limits.browser_memory_mb

    system["browser_memory"] = "2048"
    started = await api.ok("/api/v1/scraper/run", body)
    assert await memory_of(started["run_slug"]) == 2048
    again = await api.ok("/api/v1/rerun", {"run_slug": started["run_slug"]})
    assert await memory_of(again["run_slug"]) == 2048
    system["browser_memory"] = 8193
    field = "input.parameters.system.browser_memory"
    answer = await api.post("/api/v1/scraper/run", body)
    fails(answer, 400, 4000, f"{field} must be at most 8192 MB")
    at = f"/api/fyke/workers/{worker.id}/normalise"
    sent = {"input": {"parameters": body["input"]["parameters"]}}
    assert f"{field} must be at most 8192" in (await api.post(at, sent)).text
    system["browser_memory"] = 0
    started = await api.ok("/api/v1/scraper/run", body)
    assert await memory_of(started["run_slug"]) == 0
    await app.register_runner(browsers=0, browser_problem=PROBLEM)
    await api.ok("/api/v1/scraper/run", body)
    system["browser_memory"] = 2048
    answer = await api.post("/api/v1/scraper/run", body)
    assert (answer.status_code, answer.headers["x-fyke-reason"]) == (400, "browser_missing")
    assert f"{field} asks for a browser" in answer.text
    sent = {"input": {"parameters": body["input"]["parameters"]}}
    checked = (await api.post(at, sent)).json()["data"]
    assert checked["refused"].startswith(f"{field} asks for a browser")


async def test_a_start_may_ask_for_windows_and_for_a_program(app: App, api: Api) -> None:
    worker = await app.publish(browser="optional")
    body = start_body(worker.id)
    system = body["input"]["parameters"]["system"]
    programs = (BrowserProgram.HEADLESS_SHELL, BrowserProgram.CHROMIUM)
    await app.register_runner(browsers=1, browser_programs=programs, browser_display=True)
    [runner] = data_as(overview.RunnerList, await api.get("/api/fyke/runners"))["list"]
    assert runner["browser_programs"] == ["headless-shell", "chromium"]
    assert runner["browser_display"] is True

    async def run_of(slug: str) -> Run:
        run = await app.storage.read(lambda tx: tx.runs.get(slug))
        assert run is not None
        return run

    asked: dict[str, str]
    for asked in ({"browser": "headful"}, {"browser_program": "chromium"}):
        body["input"]["parameters"]["system"] = system | asked
        started = await api.ok("/api/v1/scraper/run", body)
        run = await run_of(started["run_slug"])
        again = await api.ok("/api/v1/rerun", {"run_slug": started["run_slug"]})
        assert (await run_of(again["run_slug"])).browser_choice == run.browser_choice
        assert (run.browser_mode, run.browser_program) == (
            asked.get("browser", ""),
            asked.get("browser_program", ""),
        )
        assert run.browser_required
        assert run.limits.browser_memory_mb == 1024


async def test_a_start_that_asks_for_a_browser_that_no_runner_has_is_refused(
    app: App, api: Api
) -> None:
    declared = await app.publish(browser="headful")
    shell = (BrowserProgram.HEADLESS_SHELL,)
    await app.register_runner(browsers=1, browser_programs=shell, browser_display=True)
    worker = await app.publish(name="other", browser="optional")
    expected = "no runner has the browser that this run asks for: the full Chromium was not found"
    for target, asked in (
        (declared, {}),
        (worker, {"browser": "headful"}),
        (worker, {"browser_program": "chromium"}),
    ):
        body = start_body(target.id)
        body["input"]["parameters"]["system"] |= asked
        answer = await api.post("/api/v1/scraper/run", body)
        assert expected in answer.text
        assert answer.headers["x-fyke-reason"] == "browser_choice_missing"
        at = f"/api/fyke/workers/{target.id}/normalise"
        checked = await api.post(at, {"input": {"parameters": body["input"]["parameters"]}})
        assert expected in checked.json()["data"]["refused"]
    body = start_body(declared.id)
    body["input"]["parameters"]["system"] |= {"browser": "headless"}
    await api.ok("/api/v1/scraper/run", body)
