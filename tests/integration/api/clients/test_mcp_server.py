"""The original platform's MCP server: a typed client that fails on any wrong type. Runs, checks,
searches and polling by it are tested in ``v2/test_run_clients.py``.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from fyke import errors
from fyke.api.v2.errors import TABLE_V2
from fyke.model.run import Outcome
from support.api import Api, client
from support.app import App
from support.dialects import mcp, mcp_client

pytestmark = pytest.mark.anyio

CUSTOM = {"urls": [{"url": "https://a.example"}]}
RUN_BODY = {"input": {"parameters": {"custom": CUSTOM}}, "is_async": True, "offset": 1, "limit": 20}
PATH = "/api/v2/workers/" + quote("owner/reader", safe="")
KNOWN_CODES = {
    10000, 11000, 11004, 12001, 12002, 13000, 14000, 16000, 30001, 30003,
    50001, 50002, 50003, 60001, 70001, 70002,
}  # fmt: skip
NOWHERE = "01KJXSR49GEMBEZZ5FZDPVNBWK"


def typed(answer: Any) -> dict[str, Any]:
    """The envelope, decoded as ``int``, ``string``, ``string``, ``raw`` and ``[]string``."""
    body: dict[str, Any] = json.loads(answer.content)
    assert [type(body[name]) for name in ("code", "message", "request_id")] == [int, str, str]
    details = body.get("details")
    assert details is None or (
        type(details) is list and all(type(entry) is str for entry in details)
    )
    assert (answer.status_code >= 400) == (body["code"] != 0)
    assert ("data" in body) == (body["code"] == 0)
    return body


async def test_every_error_is_decoded_at_every_stage(app: App, api: Api) -> None:
    await app.publish()
    headers = {"authorization": f"Bearer {app.owner_key}"}
    bad = {"input": {"parameters": {"custom": {"urls": 5, "max_results": "x"}}}}
    seen = []
    for method, path, content, code in (
        ("GET", "/api/v2/nothing", None, 11004),
        ("GET", f"{PATH}/runs", None, 11000),  # 405
        ("POST", f"{PATH}/runs", b"{", 11000),
        ("POST", f"{PATH}/runs", json.dumps(bad).encode(), 11000),
        ("POST", f"{PATH}/runs", b'{"limit":0,"offset":-1,"is_async":5}', 11000),  # 422
        ("POST", f"{PATH}/runs", b'{"version":"v9.9.9","input":{"urls":["a"]}}', 50003),
        ("POST", f"{PATH}/runs", b" " * 2**24, 11000),  # 413
        ("GET", "/api/v2/workers/owner%2Fnobody", None, 50001),
        ("GET", f"/api/v2/worker-tasks/{NOWHERE}", None, 60001),
        ("GET", f"/api/v2/worker-runs/{NOWHERE}", None, 70001),
        ("GET", "/api/v2/worker-runs?status=done", None, 11000),
        ("GET", "/api/v2/worker-runs/last/result?limit=0", None, 11000),
        ("POST", f"{PATH}/versions", b"{}", 11000),
    ):
        answer = await api.http.request(method, path, content=content, headers=headers)
        body = typed(answer)
        assert body["code"] == code, (method, path, body)
        seen.append(answer.status_code)
    assert {400, 404, 405, 413, 422} <= set(seen)
    for key, code in (({}, 12001), ({"authorization": "Bearer x"}, 12002)):
        answer = await api.http.get("/api/v2/users/account", headers=key)
        assert typed(answer)["code"] == code


async def test_internal_errors_and_limits_are_decoded_too(
    app: App, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[Exception] = []

    async def fail(*_: Any) -> None:
        raise raised[-1]

    monkeypatch.setattr(type(app.services.runs), "get", fail)
    headers = {"authorization": f"Bearer {app.owner_key}"}
    # 429 and 500 have many errors: one of each is added below
    known_errors = [
        kind("own words") for kind, row in TABLE_V2.items() if row.status not in (429, 500)
    ]
    for error in [*known_errors, errors.RateLimited(3), RuntimeError("boom")]:
        raised.append(error)
        answer = await api.http.get(f"/api/v2/worker-runs/{NOWHERE}", headers=headers)
        assert typed(answer)["code"] in KNOWN_CODES, error


def test_every_code_is_in_its_mapping() -> None:
    assert {row.code for row in TABLE_V2.values()} <= KNOWN_CODES


async def test_the_message_contains_the_reason_because_only_the_message_is_shown(
    app: App, api: Api
) -> None:
    await app.publish()
    server = mcp_client(api.http, app)
    with pytest.raises(AssertionError, match=r'^\[11000\] .*required field "urls" is missing'):
        await server.post(f"{PATH}/runs", RUN_BODY | {"input": {"parameters": {"custom": {}}}})
    with pytest.raises(AssertionError, match=r"^\[11000\] .*limit must be 1 to 100"):
        await server.get("/api/v2/worker-runs?limit=0&offset=1")
    stranger = await api.http.get(
        "/api/v2/users/account", headers={"authorization": "Bearer scraper_api_x"}
    )
    with pytest.raises(AssertionError, match=r"^\[12002\] invalid token"):
        mcp(stranger)


async def test_raw_input_is_sent_unchanged(app: App, api: Api) -> None:
    await app.publish()
    server = mcp_client(api.http, app)
    for raw in (CUSTOM, {"parameters": {"custom": CUSTOM}}):
        assert (await server.post(f"{PATH}/runs", RUN_BODY | {"input": raw}))["run_slug"]


async def test_both_forms_of_a_reference_start_at_once_and_without_a_version(
    app: App, api: Api
) -> None:
    worker = await app.publish()
    server = mcp_client(api.http, app)
    for ref in (worker.id, "owner~reader", quote("owner/reader", safe="")):
        started = await server.post(f"/api/v2/workers/{ref}/runs", RUN_BODY)
        assert re.fullmatch(r"[0-9A-Z]{26}", started.get("run_slug") or started["slug"])


async def test_a_batch_reads_the_slug_of_each(app: App, api: Api) -> None:
    await app.publish()
    server = mcp_client(api.http, app)
    urls = [f"https://{n}.example" for n in range(3)]
    started = [
        await server.post(
            f"{PATH}/runs", RUN_BODY | {"input": {"parameters": {"custom": {"urls": [url]}}}}
        )
        for url in urls
    ]
    runs = [data.get("run_slug") or data["slug"] for data in started]
    assert len(set(runs)) == 3


async def test_page_numbers_start_at_zero_and_count_pages(app: App, api: Api) -> None:
    await app.publish()
    server = mcp_client(api.http, app)
    run = (await server.post(f"{PATH}/runs", RUN_BODY))["run_slug"]
    await app.execute([{"n": n} for n in range(7)])
    path = f"/api/v2/worker-runs/{run}/result"
    page_0, page_1, page_2 = [await server.get(f"{path}?offset={n}&limit=5") for n in (0, 1, 2)]
    assert page_0 == page_1
    assert [row["n"] for row in page_2["list"]] == [5, 6]
    assert (page_2["count"], page_2["page_index"], page_2["page_size"]) == (7, 2, 5)


async def test_a_sync_run_and_an_export(app: App, api: Api) -> None:
    await app.publish()
    server = mcp_client(api.http, app)
    request = asyncio.create_task(server.post(f"{PATH}/runs", RUN_BODY | {"is_async": False}))
    while not (leases := await app.begin()):
        await asyncio.sleep(0.005)
    await app.push(leases[0], [{"n": 1}])
    await app.end(leases[0])
    data = await request
    assert (data["run_status"], data["results"]["count"]) == ("succeeded", 1)
    link = await server.get(f"/api/v2/worker-runs/{data['run_slug']}/result/export?format=csv")
    assert link["download_url"].startswith("http://")


async def test_a_task_accepts_the_body_of_a_run(app: App, api: Api) -> None:
    await app.publish()
    server = mcp_client(api.http, app)
    saved = {"worker_id": "owner/reader", "title": "Daily", "input": RUN_BODY["input"]}
    task = (await server.post("/api/v2/worker-tasks", saved))["slug"]
    body = {"is_async": True, "offset": 1, "limit": 20}
    run = (await server.post(f"/api/v2/worker-tasks/{task}/runs", body))["run_slug"]
    await app.execute([{"n": 1}])
    assert (await server.get(f"/api/v2/worker-runs/{run}"))["status"] == "succeeded"
    assert await server("DELETE", f"/api/v2/worker-tasks/{task}") is None
    with pytest.raises(AssertionError, match=r"^\[60001\]"):
        await server.get(f"/api/v2/worker-tasks/{task}")


async def test_its_polling_ends_with_every_run(app: App) -> None:
    await app.publish()
    async with client(app.asgi(abort_grace_seconds=0)) as http:
        server = mcp_client(http, app)
        for outcome, word in (
            (Outcome.SUCCEEDED, "succeeded"),
            (Outcome.TIMEOUT, "failed"),
            (Outcome.ABORTED, "aborted"),
        ):
            run = (await server.post(f"{PATH}/runs", RUN_BODY))["run_slug"]
            [lease] = await app.begin()
            if outcome is Outcome.ABORTED:
                assert await server.post(f"/api/v2/worker-runs/{run}/abort", {}) is None
            await app.end(lease, outcome, "said so")
            detail = await server.get(f"/api/v2/worker-runs/{run}")
            assert (detail["status"], type(detail["err_msg"])) == (word, str)


async def test_the_fields_that_it_reads_are_in_the_catalog(app: App, api: Api) -> None:
    worker = await app.publish()
    server = mcp_client(api.http, app)
    for path in ("/api/v2/store", "/api/v2/workers"):
        store = await server.get(f"{path}?keyword=reader&offset=1&limit=20")
        assert [item["slug"] for item in store["scraper"]] == [worker.id]
    assert (await server.get(PATH))["version"] == "v1.0.1"
    assert (await server.get(f"{PATH}/input-schema"))["input_schema"]["properties"]
