"""Requests of known clients of v2, and their parsing of the answers. Encodings and bodies are those
of the clients; the assertions follow their code.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from fyke.model.run import Outcome
from support.api import Api, client
from support.app import App
from support.dialects import Client, array_of, cli2, cli2_client, mcp_client, n8n_client

pytestmark = pytest.mark.anyio

CUSTOM = {"urls": [{"url": "https://a.example"}]}


# --- the official command line ----------------------------------------------------------------


async def test_the_command_line_starts_polls_pages_exports_logs_and_reruns(
    app: App, api: Api
) -> None:
    await app.publish()
    cli = cli2_client(api.http, app.owner_key)
    body = {"input": {"parameters": {"custom": CUSTOM}}, "version": "v1.0.1", "is_async": True}
    run = (await cli.post("/api/v2/workers/owner~reader/runs", body))["run_slug"]
    assert (await cli.get(f"/api/v2/worker-runs/{run}"))["status"].lower() == "ready"
    await app.execute([{"a": n} for n in range(3)], log=["hello"])
    detail = await cli.get(f"/api/v2/worker-runs/{run}")
    assert detail["status"].lower() in {"succeeded", "failed", "aborting"}
    # its page 1 is offset 0, and its last runs have no worker in their path
    listed = await cli.get("/api/v2/worker-runs?offset=0&limit=20")
    assert [item["slug"] for item in listed["list"]] == [run]
    results = await cli.get(f"/api/v2/worker-runs/{run}/result?offset=0&limit=100")
    assert [row["a"] for row in results["list"]] == [0, 1, 2]
    for path in (f"/api/v2/worker-runs/{run}/log", "/api/v2/workers/runs/last/log"):
        log = await cli.get(path)
        first = log["list"][0]
        assert (type(first["timestamp"]), first["type"], first["content"]) == (int, 2, "hello")
    for path in (f"{run}/result/export", "last/export"):
        link = await cli.get(f"/api/v2/worker-runs/{path}?format=json")
        assert len((await api.http.get(link["download_url"])).json()) == 3
    assert (await cli.get("/api/v2/workers/runs/last"))["slug"] == run
    assert (await cli.get("/api/v2/workers/runs/last/result?offset=0&limit=20"))["count"] == 3
    assert (await cli.get("/api/v2/workers/runs/last/export?format=json"))["download_url"]
    rerun = await cli.post("/api/v2/workers/runs/last/rerun", {"is_async": True})
    assert rerun["run_slug"] != run


async def test_the_command_line_sees_the_end_of_an_abort_at_once(app: App, api: Api) -> None:
    await app.publish()
    cli = cli2_client(api.http, app.owner_key)
    body = {"input": CUSTOM, "is_async": True}  # its earlier revision sent the input flat
    run = (await cli.post("/api/v2/workers/owner~reader/runs", body))["run_slug"]
    await cli("POST", f"/api/v2/worker-runs/{run}/abort")  # without a body
    assert (await cli.get(f"/api/v2/worker-runs/{run}"))["status"] == "aborting"
    await cli("POST", "/api/v2/workers/runs/last/abort")
    with pytest.raises(AssertionError, match="50001 worker does not exist"):
        await cli("POST", "/api/v2/workers/owner~nobody/runs/last/abort")


# --- the official server for language models ---------------------------------------------------


async def test_the_mcp_server_runs_verifies_and_searches_a_log(app: App, api: Api) -> None:
    await app.publish()
    mcp = mcp_client(api.http, app)
    worker = quote("owner/reader", safe="")
    body = {
        "input": {"parameters": {"custom": CUSTOM}},
        "is_async": True,
        "offset": 1,
        "limit": 20,
    }
    started = await mcp.post(f"/api/v2/workers/{worker}/runs", body)
    run = started.get("run_slug") or started.get("slug")
    await app.execute([{"url": "https://a.example", "title": "A"}], log=["found it", "no"])
    detail = await mcp.get(f"/api/v2/worker-runs/{run}")
    assert (detail["status"], type(detail["err_msg"])) == ("succeeded", str)
    rows = await mcp.get(f"/api/v2/worker-runs/{run}/result?offset=1&limit=5")
    assert type(rows["count"]) is int
    ignored = {"__coreclaw_data_id__", "error", "error_code", "status", "message", "input", "url"}
    assert set(rows["list"][0]) - ignored
    assert rows == await mcp.get(f"/api/v2/worker-runs/{run}/result?offset=0&limit=5")
    log = await mcp.get(f"/api/v2/workers/{worker}/runs/last/log")
    matching = [line["content"] for line in log["list"] if "found" in line["content"]]
    assert matching == ["found it"]
    rerun = await mcp.post(
        f"/api/v2/workers/{worker}/runs/last/rerun", {"is_async": True, "offset": 1, "limit": 20}
    )
    assert rerun["run_slug"] != run
    with pytest.raises(AssertionError, match=r'\[11000\] .*"urls" is missing'):
        await mcp.post(
            f"/api/v2/workers/{worker}/runs", body | {"input": {"parameters": {"custom": {}}}}
        )


async def test_the_mcp_server_polls_an_abort_until_the_worker_has_stopped(
    app: App, api: Api
) -> None:
    await app.publish()
    mcp = mcp_client(api.http, app)
    run = (await mcp.post("/api/v2/workers/owner~reader/runs", {"input": CUSTOM}))["run_slug"]
    [lease] = await app.begin()
    assert await mcp.post(f"/api/v2/worker-runs/{run}/abort", {}) is None
    assert (await mcp.get(f"/api/v2/worker-runs/{run}"))["status"] == "aborting"
    await app.end(lease, Outcome.ABORTED)
    assert (await mcp.get(f"/api/v2/worker-runs/{run}"))["status"] == "aborted"
    assert await mcp.post("/api/v2/worker-runs/last/abort", {}) is None


# --- the official node of the workflow tool -----------------------------------------------------


async def test_the_workflow_node_runs_waits_and_returns_all(app: App, api: Api) -> None:
    await app.publish()
    n8n = n8n_client(api.http, app.owner_key)
    worker = quote("owner/reader".replace("/", "~"), safe="")
    body = {"input": {"parameters": {"custom": CUSTOM}}, "is_async": True}
    run = (await n8n.post(f"/api/v2/workers/{worker}/runs", body))["run_slug"]
    await app.execute([{"n": n} for n in range(230)])
    detail = await n8n.get(f"/api/v2/worker-runs/{run}")
    assert detail.get("run_status", detail["status"]) in ("succeeded", "failed", "aborted")
    everything: list[Any] = []
    offset = 1
    while True:
        data = await n8n.get(f"/api/v2/worker-runs/{run}/result?offset={offset}&limit=100")
        everything += array_of(data)
        if len(array_of(data)) < 100:
            break
        offset += 1
    assert [row["n"] for row in everything] == list(range(230))
    link = await n8n.get("/api/v2/worker-runs/last/export?format=xlsx")
    assert (await api.http.get(link["download_url"])).content[:2] == b"PK"


async def test_the_workflow_node_picks_a_run_and_reads_why_it_failed(app: App, api: Api) -> None:
    await app.publish()
    n8n = n8n_client(api.http, app.owner_key)
    run = (await n8n.post("/api/v2/workers/owner~reader/runs", {"input": CUSTOM}))["run_slug"]
    await app.execute([], Outcome.TIMEOUT, "Timeout: too long", log=["stopped here"])
    [picked] = array_of(await n8n.get("/api/v2/worker-runs?offset=1&limit=100"))
    assert next(picked[n] for n in ("run_id", "run_slug", "id") if n in picked) == run
    assert next(picked[n] for n in ("run_status", "status") if n in picked) == "failed"
    # the text typed into the picker arrives as a worker
    assert array_of(await n8n.get("/api/v2/worker-runs?worker_id=read&offset=1&limit=100")) == []
    assert (await n8n.get(f"/api/v2/worker-runs/{run}"))["err_msg"] == "Timeout: too long"
    assert "stopped here" in json.dumps(await n8n.get(f"/api/v2/worker-runs/{run}/log"))


async def test_the_workflow_node_accepts_a_sync_answer_as_final_or_continues_polling(
    app: App,
) -> None:
    await app.publish()
    async with client(app.asgi(sync_wait_seconds=0.02)) as http:
        n8n = n8n_client(http, app.owner_key)
        body = {"input": CUSTOM, "is_async": False, "offset": 1, "limit": 20}
        data = await n8n.post("/api/v2/workers/owner~reader/runs", body)
        assert data["run_status"] not in ("succeeded", "failed", "aborted")
        await app.execute([])
        detail = await n8n.get(f"/api/v2/worker-runs/{data['run_slug']}")
        assert detail["status"] == "succeeded"


# --- the documented samples ---------------------------------------------------------------------


async def test_the_samples_start_poll_and_read(app: App, api: Api) -> None:
    """Python, Node.js, PHP and Go decode JSON; Java searches the text and writes ~ as %7E."""
    await app.publish()
    headers = {"Authorization": f"Bearer {app.owner_key}", "Content-Type": "application/json"}
    worker = quote_plus("owner~reader").replace("~", "%7E")
    assert "%7E" in worker
    body = {
        "input": {"parameters": {"custom": CUSTOM}},
        "is_async": True,
        "offset": 1,
        "limit": 20,
    }

    async def text(method: str, path: str, content: Any = None) -> str:
        answer = await api.http.request(method, path, headers=headers, json=content)
        assert 200 <= answer.status_code < 300  # anything else ends the sample before it reads
        return str(answer.text)

    started = await text("POST", f"/api/v2/workers/{worker}/runs", body)
    match = re.search(r'"run_slug"\s*:\s*"([^"]+)"', started)
    assert match
    assert re.search(r'"code"\s*:\s*(\d+)', started)[1] == "0"  # type: ignore[index] # it is there
    path = f"/api/v2/worker-runs/{match[1]}"
    status = re.compile(r'"status"\s*:\s*"([^"]+)"')
    assert status.findall(await text("GET", path))[0] in ("ready", "running")
    await app.execute([{"a": 1}])
    detail = await text("GET", path)
    assert status.findall(detail)[0] == "succeeded"
    assert json.loads(detail)["request_id"]
    results = json.loads(await text("GET", f"{path}/result?offset=1&limit=20"))["data"]
    assert (results["count"], len(results["list"])) == (1, 1)
    assert results["headers"]


# --- the script that checks the documents --------------------------------------------------------


async def test_every_operation_on_the_last_run_works(app: App, api: Api) -> None:
    await app.publish()
    headers = {"authorization": f"Bearer {app.owner_key}"}
    run = Client(api.http, headers, cli2)
    first = (await run.post("/api/v2/workers/owner~reader/runs", {"input": CUSTOM}))["run_slug"]
    await app.execute([{"n": 1}])
    for base in ("/api/v2/worker-runs/last", "/api/v2/workers/owner~reader/runs/last"):
        assert (await run.get(base))["status"] == "succeeded"
        assert (await run.get(f"{base}/log"))["all_logs_url"]
        assert (await run.get(f"{base}/result"))["count"] == 1
        assert (await run.get(f"{base}/export"))["download_url"]
        ended = await api.http.request("POST", f"{base}/abort", headers=headers)
        assert (ended.status_code, ended.json()["code"]) == (400, 70002)
        assert (await run.post(f"{base}/rerun", {}))["run_slug"] != first
        await app.execute([{"n": 1}])


async def test_the_status_after_an_abort_is_one_that_the_lifecycle_audit_knows(
    app: App, api: Api
) -> None:
    await app.publish()
    run = Client(api.http, {"api-key": app.owner_key}, cli2)
    started = await run.post("/api/v2/workers/owner~reader/runs", {"input": CUSTOM})
    [lease] = await app.begin()
    await run.post(f"/api/v2/worker-runs/{started['run_slug']}/abort")
    await app.end(lease, Outcome.ABORTED)
    detail = await run.get(f"/api/v2/worker-runs/{started['run_slug']}")
    assert detail["status"] in ("succeeded", "failed", "aborting")
