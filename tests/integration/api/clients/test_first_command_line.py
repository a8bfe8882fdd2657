"""The original platform's command line in its first revision, a client of v1."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, Header
from fyke.model.run import Outcome
from support.api import Api
from support.app import App
from support.dialects import Client, cli1_client

pytestmark = pytest.mark.anyio

CUSTOM = {"urls": [{"url": "https://a.example"}]}
SYSTEM = {
    "cpus": 0.125,
    "memory": 512,
    "execute_limit_time_seconds": 1800,
    "max_total_charge": 0,
    "max_total_traffic": 0,
}
INPUT = {"parameters": {"system": SYSTEM, "custom": CUSTOM}}
LABELS = {1: "Ready", 2: "Running", 3: "Succeeded", 4: "Failed", 5: "Aborted"}
URL = "https://hooks.example/x"


def sent(**fields: Any) -> dict[str, Any]:
    """The body as the command line sends it: without empty strings, but with all numbers."""
    return {name: value for name, value in fields.items() if value not in ("", None)}


async def start(cli: Client, worker: str, **options: Any) -> str:
    """Look up the worker and run the version in its detail."""
    detail = await cli.get(f"/api/scraper?slug={worker}")
    assert detail["version"]
    body = sent(scraper_slug=worker, version=detail["version"], input=INPUT, is_async=True)
    return str((await cli.post("/api/v1/scraper/run", body | options))["run_slug"])


async def status_of(cli: Client, run: str) -> int:
    detail = await cli.post("/api/v1/run/detail", {"run_slug": run})
    return int(detail["status"])


def moment(value: int) -> float:
    """Return a time in seconds; values above ten billion are read as milliseconds."""
    return value / 1000 if value > 10_000_000_000 else float(value)


async def test_it_prints_the_account(app: App, api: Api) -> None:
    data = await cli1_client(api.http, app.owner_key).post("/api/v1/account/info", {})
    assert [type(data[name]) for name in ("balance", "traffic", "traffic_expiration_at")] == [
        str, int, int,
    ]  # fmt: skip


async def test_it_finds_a_worker_and_reads_its_input_schema(app: App, api: Api) -> None:
    worker = await app.publish()
    cli = cli1_client(api.http, None)  # with a content type, and without a key
    [listed] = (await cli.get("/api/store?search=reader&limit=10"))["scraper"]
    assert (listed["slug"], listed["title"]) == (worker.id, "The reader")
    assert type(listed["description"]) is str
    detail = await cli.get(f"/api/scraper?slug={listed['slug']}")
    assert detail["version"] == "v1.0.1"
    assert SYSTEM.keys() <= detail["parameters"]["system"].keys()
    assert all(type(n) in (int, float) for n in detail["parameters"]["system"].values())
    fields = detail["parameters"]["custom"]["properties"]
    assert [(f["name"], f["type"], bool(f.get("required"))) for f in fields] == [
        ("urls", "array", True),
        ("max_results", "integer", False),
    ]


async def test_it_polls_a_run_to_its_success_and_reads_all_rows(app: App, api: Api) -> None:
    worker = await app.publish()
    cli = cli1_client(api.http, app.owner_key)
    run = await start(cli, worker.id, callback_url=URL)
    assert LABELS[await status_of(cli, run)] == "Ready"
    [lease] = await app.begin()
    assert LABELS[await status_of(cli, run)] == "Running"
    rows = [{"n": n} for n in range(150)]
    await app.push(lease, rows, [Header("N", "n", "integer")], ["hello"])
    await app.end(lease)
    detail = await cli.post("/api/v1/run/detail", {"run_slug": run})
    assert detail["status"] == 3
    assert (detail["err_msg"], detail["results"]) == ("", 150)
    assert float(detail["usage"]) == 0
    assert type(detail["traffic"]) is int
    assert 1_600_000_000 < moment(detail["started_at"]) <= moment(detail["finished_at"])
    seen: list[Any] = []
    for number in (1, 2):  # it saves rows in pages of a hundred
        page = await cli.post(
            "/api/v1/run/result/list", {"run_slug": run, "page_index": number, "page_size": 100}
        )
        assert (page["count"], page["headers"][0]["key"]) == (150, "n")
        seen += [row["n"] for row in page["list"]]
    assert seen == list(range(150))
    log = await cli.post("/api/v1/run/last/log", {"run_slug": run})
    line = next(line for line in log["list"] if line["content"] == "hello")
    assert (line["type"], moment(line["timestamp"])) == (2, 1_700_000_000)
    text = await api.http.get(log["all_logs_url"])  # without extra headers
    assert (text.status_code, "hello" in text.text) == (200, True)


async def test_it_exports_in_its_two_formats_and_downloads_without_a_header(
    app: App, api: Api
) -> None:
    worker = await app.publish()
    cli = cli1_client(api.http, app.owner_key)
    run = await start(cli, worker.id)
    await app.execute([{"n": 1}, {"n": 2}])
    for name, expected in (("csv", "n 1 2"), ("json", '[ {"n":1}, {"n":2} ]')):
        body = {"run_slug": run, "filter_keys": [], "format": name}
        url = (await cli.post("/api/v1/run/result/export", body))["download_url"]
        file = await api.http.get(url)
        assert (file.status_code, " ".join(file.text.split())) == (200, expected)


async def test_it_lists_runs_and_accepts_a_status_of_zero(app: App, api: Api) -> None:
    worker = await app.publish()
    cli = cli1_client(api.http, app.owner_key)
    run = await start(cli, worker.id)
    for extra in ({"status": 0}, {"status": 1}, {"scraper_slug": worker.id}, {}):
        data = await cli.post("/api/v1/run/list", {"page_index": 1, "page_size": 20} | extra)
        assert data["count"] == 1
        [listed] = data["list"]
        names = ("slug", "status", "results", "usage", "scraper_title")
        assert [listed[name] for name in names] == [run, 1, 0, "0", "The reader"]
    assert (await cli.post("/api/v1/run/list", {"status": 4}))["list"] == []


async def test_it_shows_the_reason_of_a_failed_run(app: App, api: Api) -> None:
    worker = await app.publish()
    cli = cli1_client(api.http, app.owner_key)
    run = await start(cli, worker.id)
    [lease] = await app.begin()
    entries = [
        NewLogEntry(kind, 1, f"line of type {kind}", 1_700_000_000_000) for kind in (1, 2, 3, 4)
    ]
    batch = AttemptBatch(lease.run.id, lease.attempt.id, [], None, entries)
    assert await app.results.commit([batch]) == [True]
    await app.end(lease, Outcome.EXIT_CODE, "The Worker exited with code 3")
    detail = await cli.post("/api/v1/run/detail", {"run_slug": run})
    assert (LABELS[detail["status"]], detail["err_msg"]) == (
        "Failed", "The Worker exited with code 3",
    )  # fmt: skip
    log = await cli.post("/api/v1/run/last/log", {"run_slug": run})
    shown = [line["content"] for line in log["list"] if line["type"] in (3, 4)]
    assert shown == ["line of type 3", "line of type 4"]


async def test_an_abort_ends_its_polling(app: App, api: Api) -> None:
    worker = await app.publish()
    cli = cli1_client(api.http, app.owner_key)
    run = await start(cli, worker.id)
    [lease] = await app.begin()
    assert await cli.post("/api/v1/scraper/abort", {"run_slug": run}) is None
    assert LABELS[await status_of(cli, run)] == "Aborted"  # also while the Worker is being stopped
    await app.end(lease, Outcome.ABORTED)
    assert LABELS[await status_of(cli, run)] == "Aborted"


async def test_it_reruns_and_runs_tasks_with_a_callback(app: App, api: Api) -> None:
    worker = await app.publish()
    cli = cli1_client(api.http, app.owner_key)
    task = await app.services.tasks.create(app.owner, worker.id, "Daily", INPUT, None)
    first = await cli.post("/api/v1/task/run", {"task_slug": task.id, "callback_url": URL})
    rerun = await cli.post("/api/v1/rerun", {"run_slug": first["run_slug"], "callback_url": URL})
    assert rerun["run_slug"] != first["run_slug"]
    for run in (first["run_slug"], rerun["run_slug"]):
        stored = await app.storage.read(lambda tx, run=run: tx.runs.get(run))
        assert stored is not None
        assert stored.callback_url == URL


async def test_it_starts_by_path_and_waits_for_the_rows(app: App, api: Api) -> None:
    await app.publish()
    cli = cli1_client(api.http, app.owner_key)
    assert await start(cli, "owner/reader")
    await app.execute([])
    body = {"scraper_slug": "owner/reader", "version": "v1.0.1", "input": INPUT, "is_async": False}
    request = asyncio.create_task(cli.post("/api/v1/scraper/run", body))
    while not (leases := await app.begin()):
        await asyncio.sleep(0.005)
    await app.push(leases[0], [{"n": 1}])
    await app.end(leases[0])
    data = await request
    assert (data["run_status"], data["results"]["count"]) == ("completed", 1)


async def test_it_shows_the_message_of_an_error(app: App, api: Api) -> None:
    await app.publish()
    stranger = cli1_client(api.http, "scraper_api_01KJXSR49GEMBEZZ5FZDPVNBWK")
    with pytest.raises(AssertionError, match="HTTP 401: Invalid API key"):
        await stranger.post("/api/v1/account/info", {})
    cli = cli1_client(api.http, app.owner_key)
    with pytest.raises(AssertionError, match="HTTP 404: Run record does not exist"):
        await cli.post("/api/v1/run/detail", {"run_slug": "01KJXSR49GEMBEZZ5FZDPVNBWK"})
    with pytest.raises(AssertionError, match=r'HTTP 400: .*required field "urls" is missing'):
        await cli.post("/api/v1/scraper/run", {"scraper_slug": "owner/reader", "input": {
            "parameters": {"system": SYSTEM, "custom": {}}}})  # fmt: skip
