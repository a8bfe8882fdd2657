"""The original platform's command line in its current revision, a client of v2.

Runs from start to rows are tested in ``v2/test_run_clients.py``.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fyke.model.run import Outcome
from support.api import Api
from support.app import SCHEMA, App
from support.dialects import Client, cli2, cli2_client
from support.projects import python_project

pytestmark = pytest.mark.anyio

CUSTOM = {"urls": [{"url": "https://a.example"}]}
WRAPPED = {"parameters": {"custom": CUSTOM}}
FORMATS = ["csv", "json", "jsonl", "xlsx", "xls", "xml", "html", "rss", "parquet"]
WORKER = "/api/v2/workers/owner~reader"
TASKS = "/api/v2/worker-tasks"


def sent(**fields: Any) -> dict[str, Any]:
    """The body as the command line sends it: without null, undefined and empty strings."""
    return {name: value for name, value in fields.items() if value not in ("", None)}


def wrapped(custom: dict[str, Any]) -> dict[str, Any]:
    has = "custom" in custom.get("parameters", {})
    return custom if has else {"parameters": {"custom": custom}}


async def test_an_error_shows_code_message_and_details(app: App, api: Api) -> None:
    await app.publish()
    cli = cli2_client(api.http, app.owner_key)
    with pytest.raises(AssertionError, match=r'^11000 invalid argument: .* required field "urls"'):
        await cli.post(f"{WORKER}/runs", {"input": wrapped({})})
    with pytest.raises(AssertionError, match=r"^11000 .*too\), limit must be 1 to 100"):
        await cli.get(f"{TASKS}?limit=0&offset=-1")
    stranger = cli2_client(api.http, "scraper_api_01KJXSR49GEMBEZZ5FZDPVNBWK")
    with pytest.raises(AssertionError, match=r"^12002 invalid token"):
        await stranger.get("/api/v2/users/account")


async def test_it_sends_no_key_to_public_operations(app: App, api: Api) -> None:
    worker = await app.publish()
    without_key = cli2_client(api.http, None)
    store = await without_key.get("/api/v2/store?keyword=reader&offset=0&limit=20")
    assert [item["slug"] for item in store["scraper"]] == [worker.id]
    assert {"code": "US", "name": "United States"} in (
        await without_key.get("/api/v2/proxy/region")
    )["list"]
    schema = await without_key.get(f"{WORKER}/input-schema")
    assert [field["name"] for field in schema["properties"]] == ["urls", "max_results"]
    for cli in (without_key, cli2_client(api.http, app.owner_key)):  # the two revisions differ here
        page = await cli.get(f"{WORKER}/internal")
        assert page["title"] == "The reader"
        assert {"description", "categories", "version"} <= page.keys()


async def test_it_prints_the_account_and_a_worker(app: App, api: Api) -> None:
    await app.publish()
    cli = cli2_client(api.http, app.owner_key)
    account = await cli.get("/api/v2/users/account")
    assert (type(account["balance"]), type(account["balance_expiration_at"])) == (str, int)
    detail = await cli.get(WORKER)
    assert (detail["version"], detail["title"]) == ("v1.0.1", "The reader")
    own_workers = await cli.get("/api/v2/workers?offset=0&limit=20")
    assert [item["path"] for item in own_workers["scraper"]] == ["owner~reader"]


async def test_it_resolves_a_version_before_it_runs(app: App, api: Api) -> None:
    await app.publish()
    cli = cli2_client(api.http, app.owner_key)
    version = (await cli.get(WORKER))["version"]
    assert version
    body = sent(input=wrapped(CUSTOM), version=version, is_async=True, callback_url="", limit=None)
    run = (await cli.post(f"{WORKER}/runs", body))["run_slug"]
    assert (await cli.get(f"/api/v2/worker-runs/{run}"))["version"] == "v1.0.1"


async def test_its_offset_is_taken_as_a_page_number(app: App, api: Api) -> None:
    """It sends the page number minus one as the offset, a known bug that no server can correct."""
    await app.publish()
    cli = cli2_client(api.http, app.owner_key)
    run = (await cli.post(f"{WORKER}/runs", {"input": WRAPPED}))["run_slug"]
    await app.execute([{"n": n} for n in range(30)])
    path = f"/api/v2/worker-runs/{run}/result"
    first, second, third = [await cli.get(f"{path}?offset={n}&limit=20") for n in (0, 1, 2)]
    assert first == second
    assert [row["n"] for row in third["list"]] == list(range(20, 30))


async def test_it_waits_for_a_sync_run(app: App, api: Api) -> None:
    await app.publish()
    cli = cli2_client(api.http, app.owner_key)
    body = {"input": WRAPPED, "version": "v1.0.1", "is_async": False}
    request = asyncio.create_task(cli.post(f"{WORKER}/runs", body))
    while not (leases := await app.begin()):
        await asyncio.sleep(0.005)
    await app.push(leases[0], [{"n": 1}])
    await app.end(leases[0])
    data = await request
    assert (data["run_status"], data["results"]["count"]) == ("succeeded", 1)


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.TIMEOUT])
async def test_its_polling_ends_with_every_run(app: App, api: Api, outcome: Outcome) -> None:
    worker = await app.publish()
    cli = cli2_client(api.http, app.owner_key)
    run = (await cli.post(f"/api/v2/workers/{worker.id}/runs", {"input": WRAPPED}))["run_slug"]
    path = f"/api/v2/worker-runs/{run}"
    terminal = {"succeeded", "failed", "aborting"}
    assert (await cli.get(path))["status"].lower() not in terminal
    await app.execute([], outcome)
    assert (await cli.get(path))["status"].lower() in terminal


@pytest.mark.slow
async def test_it_exports_in_eight_formats(app: App, api: Api) -> None:
    await app.publish()
    cli = cli2_client(api.http, app.owner_key)
    run = (await cli.post(f"{WORKER}/runs", {"input": WRAPPED}))["run_slug"]
    await app.execute([{"n": 1}])
    for name in FORMATS:
        path = f"/api/v2/worker-runs/{run}/result/export?format={name}"
        file = await api.http.get((await cli.get(path))["download_url"])
        assert (file.status_code, len(file.content) > 3) == (200, True), name


async def test_it_creates_lists_shows_and_runs_a_task(app: App, api: Api) -> None:
    worker = await app.publish()
    cli = cli2_client(api.http, app.owner_key)
    body = sent(
        worker_id="owner~reader", title="Daily", description="", input=wrapped(CUSTOM),
        version="", schedule_enabled=1, schedule_type=1, schedule_time="09:30",
    )  # fmt: skip
    task = (await cli.post(TASKS, body))["slug"]
    [listed] = (await cli.get(f"{TASKS}?offset=0&limit=20"))["list"]
    assert (listed["slug"], listed["title"]) == (task, "Daily")
    assert listed.get("worker_id") or listed.get("scraper_slug")
    assert listed["schedule_enabled"] == 1
    [matching] = (await cli.get(f"{TASKS}?worker_id={worker.id}&keyword=dai"))["list"]
    assert matching == listed
    shown = await cli.get(f"{TASKS}/{task}")
    assert [shown[n] for n in ("version", "schedule_type", "schedule_enabled")] == ["v1.0.1", 1, 1]
    stored = await cli.get(f"{TASKS}/{task}/input")
    assert (stored["input"], stored["version"]) == (WRAPPED, "v1.0.1")
    await cli.put(f"{TASKS}/{task}/input", {"input": wrapped({"urls": ["https://b.example"]})})
    await cli.put(f"{TASKS}/{task}", sent(title="Weekly", schedule_enabled=0, description=""))
    shown = await cli.get(f"{TASKS}/{task}")
    assert (shown["title"], shown["schedule_enabled"]) == ("Weekly", 0)
    run = (await cli.post(f"{TASKS}/{task}/runs", {"is_async": True}))["run_slug"]
    await app.execute([{"n": 1}])
    assert (await cli.get(f"/api/v2/worker-runs/{run}"))["status"] == "succeeded"
    await cli("DELETE", f"{TASKS}/{task}")
    with pytest.raises(AssertionError, match=r"^60001 task does not exist"):
        await cli.get(f"{TASKS}/{task}")


async def test_it_publishes_a_version(app: App, api: Api) -> None:
    await app.publish()
    archive = python_project("print('second')\n", schema=SCHEMA)
    form = {"title": "", "description": "", "categories": "56"}
    headers = {"authorization": f"Bearer {app.owner_key}"}
    answer = await api.http.post(
        f"{WORKER}/versions",
        files={"scraper_file": ("worker.zip", archive, "application/zip")},
        data=form,
        headers=headers,
    )
    assert cli2(answer)["version"] == "v1.0.2"
    replaced = await api.http.put(
        f"{WORKER}/versions/v1.0.2",
        files={"scraper_file": ("worker.zip", archive, "application/zip")},
        data=form | {"title": "Pages"},
        headers=headers,
    )
    cli2(replaced)
    assert (await cli2_client(api.http, None).get(f"{WORKER}/internal"))["title"] == "Pages"


async def test_its_abort_request_without_body_and_type_is_accepted(app: App, api: Api) -> None:
    await app.publish()
    cli = cli2_client(api.http, app.owner_key)
    run = (await cli.post(f"{WORKER}/runs", {"input": WRAPPED}))["run_slug"]
    bare = Client(api.http, {"authorization": f"Bearer {app.owner_key}"}, cli2)
    assert await bare("POST", f"/api/v2/worker-runs/{run}/abort") is None
    # starts and reruns may also have no members, when a Worker has no required fields
    await app.publish("simple", schema={"description": "", "properties": []})
    assert (await bare("POST", "/api/v2/workers/owner~simple/runs"))["run_slug"]
    assert (await bare("POST", "/api/v2/workers/owner~simple/runs/last/rerun"))["run_slug"]
    assert await bare("POST", "/api/v2/workers/owner~simple/runs", json.dumps({}).encode())
