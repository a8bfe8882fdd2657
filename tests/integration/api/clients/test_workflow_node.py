"""The original platform's node for a workflow tool: its pickers, retries and trigger. Runs, waits
and rows are tested in ``v2/test_run_clients.py``.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from fyke.domain.callbacks.payload import payload
from fyke.model.run import Outcome
from support.api import Api, client
from support.app import App
from support.dialects import ARRAYS, Client, array_of, first_of, n8n, n8n_client

pytestmark = pytest.mark.anyio

CUSTOM = {"urls": [{"url": "https://a.example"}]}
INPUT = {"parameters": {"custom": CUSTOM}}
PATH = "/api/v2/workers/" + quote("owner/reader".replace("/", "~"), safe="")
FILTERS = ("running", "succeeded", "failed", "aborted")


async def test_its_four_headers_are_accepted_everywhere(app: App, api: Api) -> None:
    worker = await app.publish()
    node = n8n_client(api.http, app.owner_key)
    for path in (
        "/api/v2/users/account",
        "/api/v2/store?offset=1&limit=100",
        "/api/v2/proxy/region",
        f"{PATH}/input-schema",
    ):
        assert await node.get(path)
    assert (await node.get(f"/api/v2/workers/{worker.id}"))["slug"] == worker.id


async def test_its_credential_test_reads_the_account(app: App, api: Api) -> None:
    async def read_account(**headers: str) -> tuple[int, int]:
        answer = await api.http.get("/api/v2/users/account", headers=headers)
        return answer.status_code, answer.json()["code"]

    good, bad = app.owner_key, "scraper_api_01KJXSR49GEMBEZZ5FZDPVNBWK"
    both = {"api-key": good, "authorization": f"Bearer {good}"}
    assert await read_account(**both) == (200, 0)
    assert await read_account(**{"api-key": bad, "authorization": f"Bearer {bad}"}) == (401, 12002)
    assert await read_account() == (401, 12001)


async def test_an_error_has_message_details_and_request_id(app: App, api: Api) -> None:
    await app.publish()
    node = n8n_client(api.http, app.owner_key)
    with pytest.raises(AssertionError, match=r"urls.* \[.*urls.*\] \w{26}$"):
        await node.post(f"{PATH}/runs", {"input": {"parameters": {"custom": {}}}})
    with pytest.raises(AssertionError, match=r"^worker does not exist None \w{26}$"):
        await node.get("/api/v2/workers/owner~nobody")


@pytest.mark.slow
async def test_its_retries_succeed_under_a_limit(app: App) -> None:
    """It retries only GET, on 429 and 5xx, five times in total; its delays are shortened here."""
    async with client(app.asgi(rate_limit=5, rate_burst=1)) as http:
        seen: list[int] = []

        async def get(path: str) -> Any:
            answer: httpx2.Response
            for attempt in range(5):
                headers = {"api-key": app.owner_key}
                answer = await http.get(path, headers=headers)
                seen.append(answer.status_code)
                if answer.status_code != 429 and answer.status_code < 500:
                    break
                assert answer.json()["code"] == 13000
                assert int(answer.headers["retry-after"]) <= 8
                await asyncio.sleep(0.05 * 2**attempt)
            return n8n(answer)

        while 429 not in seen:  # the rate is above the limit even on a slow machine
            assert await get("/api/v2/users/account")
    assert seen[-1] == 200


async def test_the_worker_picker_reads_the_member_list(app: App, api: Api) -> None:
    worker = await app.publish()
    node = n8n_client(api.http, app.owner_key)
    for path in ("/api/v2/workers", "/api/v2/store"):
        [listed] = array_of(await node.get(f"{path}?offset=1&limit=100&keyword=read"))
        picked = first_of(listed, "path", "slug", "worker_id", "id")
        assert picked in ("owner~reader", worker.id)
        assert first_of(listed, "title", "name") == "The reader"
        assert type(listed["description"]) is str
        ref = quote(picked.replace("/", "~"), safe="")
        assert (await node.get(f"/api/v2/workers/{ref}"))["slug"] == worker.id


async def test_every_answer_has_its_entries_in_the_expected_array(app: App, api: Api) -> None:
    await app.publish()
    node = n8n_client(api.http, app.owner_key)
    for path in ("/api/v2/workers", "/api/v2/store"):
        data = await node.get(path)
        arrays = [name for name in ARRAYS if isinstance(data.get(name), list)]
        assert arrays == ["list"]
        assert data["list"] == data["scraper"]
    ref = (await node.post(f"{PATH}/queued-runs", {"input": INPUT}))["queue_ref"]
    for path in ("activate", "release"):
        data = await node.post(f"/api/v2/run-queue/items/{path}", {"queue_refs": [ref]})
        assert list(data) == ["results"]
        assert array_of(data)[0]["queue_ref"] == ref


async def test_the_task_picker_finds_a_task_that_can_be_run(app: App, api: Api) -> None:
    worker = await app.publish()
    node = n8n_client(api.http, app.owner_key)
    body = {"worker_id": "owner~reader", "title": "Daily", "input": INPUT}
    task_id = (await node.post("/api/v2/worker-tasks", body))["slug"]
    query = f"offset=1&limit=100&worker_id={worker.id}"
    [listed] = array_of(await node.get(f"/api/v2/worker-tasks?{query}"))
    task = first_of(listed, "worker_task_id", "task_id", "slug", "id")
    assert (task, listed["title"]) == (task_id, "Daily")
    run = (await node.post(f"/api/v2/worker-tasks/{task}/runs", {"is_async": True}))["run_slug"]
    await app.execute([{"n": 1}])
    [listed] = array_of(await node.get("/api/v2/worker-runs?offset=1&limit=100"))
    assert first_of(listed, "run_id", "run_slug", "id") == run


async def test_return_all_stops_at_a_short_page(app: App, api: Api) -> None:
    worker = await app.publish()
    node = n8n_client(api.http, app.owner_key)
    runs = [
        (await node.post(f"/api/v2/workers/{worker.id}/runs", {"input": INPUT}))["run_slug"]
        for _ in range(3)
    ]
    seen: list[str] = []
    for offset in range(1, 5):
        rows = array_of(await node.get(f"/api/v2/worker-runs?offset={offset}&limit=2"))
        seen += [row["run_slug"] for row in rows]
        if len(rows) < 2:
            break
    assert seen == runs[::-1]


async def test_it_omits_the_body_where_none_is_expected(app: App, api: Api) -> None:
    """It still sends a content type with each of its requests."""
    await app.publish()
    await app.publish("simple", schema={"description": "", "properties": []})
    node = n8n_client(api.http, app.owner_key)
    run = (await node("POST", "/api/v2/workers/owner~simple/runs"))["run_slug"]
    assert (await node("POST", f"/api/v2/worker-runs/{run}/rerun"))["run_slug"]
    await node("POST", f"/api/v2/worker-runs/{run}/abort")


async def test_a_finished_sync_answer_is_final_and_has_the_rows(app: App, api: Api) -> None:
    await app.publish()
    node = n8n_client(api.http, app.owner_key)
    body = {"input": INPUT, "is_async": False, "offset": 1, "limit": 20}
    request = asyncio.create_task(node.post(f"{PATH}/runs", body))
    while not (leases := await app.begin()):
        await asyncio.sleep(0.005)
    await app.push(leases[0], [{"n": 1}])
    await app.end(leases[0])
    data = await request
    assert data["run_status"] == "succeeded"
    assert not [name for name in ARRAYS if isinstance(data.get(name), list)]
    assert array_of(data["results"])[0]["n"] == 1


async def test_its_polling_ends_with_every_run(app: App) -> None:
    await app.publish()
    async with client(app.asgi(abort_grace_seconds=0)) as http:
        node = n8n_client(http, app.owner_key)
        for outcome in (Outcome.SUCCEEDED, Outcome.TIMEOUT, Outcome.ABORTED):
            run = (await node.post(f"{PATH}/runs", {"input": INPUT}))["run_slug"]
            [lease] = await app.begin()
            if outcome is Outcome.ABORTED:
                await node("POST", f"/api/v2/worker-runs/{run}/abort")
            await app.end(lease, outcome, "said so")
            detail = await node.get(f"/api/v2/worker-runs/{run}")
            assert first_of(detail, "run_status", "status") in ("succeeded", "failed", "aborted")


async def test_the_workflows_fetch_a_file_without_a_key(app: App, api: Api) -> None:
    await app.publish()
    node = n8n_client(api.http, app.owner_key)
    run = (await node.post(f"{PATH}/runs", {"input": INPUT}))["run_slug"]
    await app.execute([{"n": 1}])
    for path in ("last/export", f"{run}/result/export"):
        for name, begins in (("xlsx", b"PK"), ("csv", b"n"), ("json", b"[")):
            link = await node.get(f"/api/v2/worker-runs/{path}?format={name}")
            assert link["download_url"].startswith("http://")
            file = await api.http.get(link["download_url"])
            assert (file.status_code, file.content[: len(begins)]) == (200, begins)


# --- the trigger ---------------------------------------------------------------------------


def triggered(body: bytes, statuses: tuple[str, ...] = FILTERS) -> dict[str, Any] | None:
    """Return the result of the node's trigger: an error if two fields are missing, None if the
    status is not wanted.
    """
    payload: dict[str, Any] = json.loads(body)
    if not payload.get("run_slug") or not payload.get("run_status"):
        raise AssertionError("refused")
    return payload if payload["run_status"] in statuses else None


@pytest.mark.parametrize(
    ("outcome", "word"),
    [(Outcome.SUCCEEDED, "succeeded"), (Outcome.TIMEOUT, "failed"), (Outcome.ABORTED, "aborted")],
)
async def test_the_trigger_accepts_the_callback_of_each_end(
    app: App, api: Api, outcome: Outcome, word: str
) -> None:
    await app.publish()
    node = n8n_client(api.http, app.owner_key)
    url = {"callback_url": "https://hooks.example/webhook/x"}
    run = (await node.post(f"{PATH}/runs", {"input": INPUT} | url))["run_slug"]
    [lease] = await app.begin()
    await app.push(lease, [{"n": 1}, {"n": 2}])
    if outcome is Outcome.ABORTED:
        await node("POST", f"/api/v2/worker-runs/{run}/abort")
    await app.end(lease, outcome)
    stored = await app.storage.read(lambda tx: tx.runs.get(run))
    assert stored is not None
    body = json.dumps(payload(stored)).encode()
    callback = triggered(body)
    assert callback is not None
    assert (callback["run_slug"], callback["run_status"]) == (run, word)
    only = triggered(body, ("succeeded",))
    assert (only is not None) == (word == "succeeded")
    # the official workflow continues with the run's id and reads its rows
    reader = Client(api.http, {"authorization": f"Bearer {app.owner_key}"}, n8n)
    rows = await reader.get(f"/api/v2/worker-runs/{callback['run_id']}/result?offset=1&limit=100")
    assert rows["count"] == callback["result_count"]
