"""Starting runs of a worker, repeating earlier ones, and waiting for their end in the answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fyke.kit.ids import is_ulid
from fyke.model.run import Origin, Outcome, Run, RunState
from fyke.wire.v2.runs import WorkerRunResult
from support.answers import reads_as
from support.api import Api, client, fails
from support.app import App

pytestmark = pytest.mark.anyio

START = "/api/v2/workers/owner~reader/runs"
RUNS = "/api/v2/worker-runs"
CUSTOM = {"urls": [{"url": "https://a.example"}]}
WRAPPED = {"parameters": {"custom": CUSTOM}}


async def stored_run(app: App, run: str) -> Run:
    current = await app.storage.read(lambda tx: tx.runs.get(run))
    assert current is not None
    return current


async def test_an_async_start_returns_only_the_id_of_the_run(app: App, api: Api) -> None:
    await app.publish()
    answer = await api.post(START, {"input": WRAPPED, "is_async": True, "offset": 1, "limit": 20})
    body = answer.json()
    assert is_ulid(body["data"]["run_slug"])
    assert answer.text == (
        '{"code":0,"message":"success",'
        f'"request_id":"{body["request_id"]}","data":{{"run_slug":"{body["data"]["run_slug"]}"}}}}'
    )
    run = await stored_run(app, body["data"]["run_slug"])
    assert (run.origin, run.version, json.loads(run.input_json)) == (
        Origin.API_V2,
        "v1.0.1",
        CUSTOM,
    )


async def test_a_worker_is_found_by_every_form_of_its_name(app: App, api: Api) -> None:
    worker = await app.publish()
    forms = ["owner~reader", "owner%7Ereader", "owner/reader", "owner%2Freader", "owner%2freader"]
    for form in [worker.id, *forms]:
        answer = await api.post(f"/api/v2/workers/{form}/runs", {"input": CUSTOM})
        assert answer.status_code == 200, answer.text


async def test_flat_input_is_the_input_of_the_worker_and_system_may_be_absent(
    app: App, api: Api
) -> None:
    await app.publish()
    inputs: list[dict[str, Any]] = [
        CUSTOM,
        WRAPPED,
        {"parameters": {"custom": CUSTOM, "system": None}},
        {"parameters": {"custom": CUSTOM, "system": {"cpus": 0, "memory": "512"}}},
    ]
    for sent in inputs:
        answer = await api.post(START, {"input": sent, "unknown": "key", "page_index": "x"})
        run = await stored_run(app, answer.json()["data"]["run_slug"])
        assert json.loads(run.input_json) == CUSTOM


async def test_a_version_may_be_given_or_default_to_the_newest(app: App, api: Api) -> None:
    await app.publish()
    for version in (None, "", "latest", "v1.0.1"):
        answer = await api.post(START, {"input": CUSTOM, "version": version})
        assert (await stored_run(app, answer.json()["data"]["run_slug"])).version == "v1.0.1"


async def test_the_error_for_an_unknown_version_names_the_newest(app: App, api: Api) -> None:
    worker = await app.publish()
    await app.publish(main="print('second')\n")
    await app.withdraw(worker, "v1.0.1")
    unknown = await api.post(START, {"input": CUSTOM, "version": "v9.9.9"})
    body = fails(unknown, 400, 50003, "v1.0.2")
    assert body["message"].startswith("the worker version is not available: ")
    withdrawn = await api.post(START, {"input": CUSTOM, "version": "v1.0.1"})
    fails(withdrawn, 400, 50003, "v1.0.1 was withdrawn", "v1.0.2")


async def test_the_error_for_a_missing_required_field_names_it(app: App, api: Api) -> None:
    await app.publish()
    bodies = [b"", b"{}", b"null", b'{"input":null}', b'{"input":{}}', b"\xef\xbb\xbf{}"]
    for content in bodies:
        body = fails(await api.send("POST", START, content=content), 400, 11000)
        assert body["message"].startswith('invalid argument: required field "urls" is missing')
        assert body["details"] == [body["message"].removeprefix("invalid argument: ")]


async def test_a_worker_without_required_fields_needs_no_body(app: App, api: Api) -> None:
    await app.publish(schema={"description": "Nothing needed", "properties": []})
    for content in (b"", b"{}", b"null", b'{"input":{"parameters":{"custom":{}}}}'):
        answer = await api.send("POST", START, content=content)
        assert answer.status_code == 200, answer.text


BAD_BODIES: list[tuple[dict[str, Any], int, str]] = [
    ({"input": "{}"}, 422, "input must be an object"),
    ({"input": [1]}, 422, "input must be an object"),
    ({"input": CUSTOM, "is_async": "maybe"}, 422, "is_async must be true or false"),
    ({"input": CUSTOM, "limit": 0}, 422, "limit must be 1 to 100"),
    ({"input": CUSTOM, "offset": -1}, 422, "offset must be a page number"),
    ({"input": CUSTOM, "version": 1}, 422, "version must be a string"),
    ({"input": {"parameters": {"custom": "{}"}}}, 400, "single JSON object"),
    ({"input": {"parameters": 5}}, 400, "input.parameters must be an object"),
    ({"input": {"urls": "a"}}, 400, 'field \\"urls\\" must be an array'),
    ({"input": CUSTOM, "callback_url": "ftp://a.example/"}, 400, "callback_url must be"),
    ({"input": CUSTOM, "callback_url": "http://u:p@a.example/"}, 400, "callback_url"),
    ({"input": CUSTOM, "callback_url": "http://127.0.0.1/"}, 400, "callback_url"),
    ({"input": CUSTOM, "callback_url": "http://a.example:22/"}, 400, "callback_url"),
]


async def test_the_error_for_a_bad_body_names_the_field_and_nothing_starts(
    app: App, api: Api
) -> None:
    await app.publish()
    for body, status, words in BAD_BODIES:
        fails(await api.post(START, body), status, 11000, words)
    assert (await api.get(RUNS)).json()["data"]["count"] == 0


async def test_a_body_that_is_not_json_is_refused(app: App, api: Api) -> None:
    await app.publish()
    for content in (b"{", b"[1]", b"input=1", b'"x"'):
        fails(await api.send("POST", START, content=content), 400, 11000, "body")


async def test_an_unknown_worker_and_a_private_one_of_another_account_are_not_found(
    app: App, api: Api
) -> None:
    await app.publish("hidden", public=False)
    seen = []
    for ref in ("01HFXXXXXXXXXXXXXXXXXXXXXX", "owner~nobody", "reader", "owner~hidden"):
        answer = await api.post(f"/api/v2/workers/{ref}/runs", {}, key=app.other_key)
        seen.append(fails(answer, 404, 50001) | {"request_id": ""})
    assert all(body == seen[0] for body in seen)
    assert seen[0]["message"] == "worker does not exist"


# --- sync mode ------------------------------------------------------------------------------


async def _waiting(api: Api, app: App, path: str, body: dict[str, Any]) -> tuple[Any, Any]:
    """The pending request, and the leases of its run."""
    request = asyncio.create_task(api.post(path, body))
    while not (leases := await app.begin()):
        await asyncio.sleep(0.005)
    return request, leases


async def test_a_sync_start_returns_the_fields_of_both_forms(app: App, api: Api) -> None:
    await app.publish()
    body = {"input": CUSTOM, "is_async": False, "offset": 2, "limit": 1}
    request, [lease] = await _waiting(api, app, START, body)
    await app.push(lease, [{"n": 1}, {"n": 2}, {"n": 3}])
    await app.end(lease)
    answer = await request
    reads_as(WorkerRunResult, answer)
    data = answer.json()["data"]
    run = await stored_run(app, data["run_slug"])
    [row] = data["results"]["list"]
    assert data == {
        "run_slug": run.id,
        "run_status": "succeeded",
        "error_message": "",
        "result_message": "",
        "execution_start_timestamp": run.started_at // 1000,
        "execution_end_timestamp": run.finished_at // 1000,
        "running_duration": (run.finished_at - run.created_at) // 1000,
        "is_finished": True,
        "results": {
            "count": 3,
            "headers": [{"label": "n", "key": "n", "format": "integer"}],
            "list": [row],
            "page_index": 2,
            "page_size": 1,
        },
    }
    assert row == {"n": 2, "__coreclaw_data_id__": row["__coreclaw_data_id__"]}


@pytest.mark.parametrize("place", ["run", "last", "worker"])
async def test_a_sync_rerun_returns_the_same_fields(app: App, api: Api, place: str) -> None:
    worker = await app.publish()
    first = (await api.post(START, {"input": CUSTOM})).json()["data"]["run_slug"]
    await app.execute([{"n": 1}])
    path = {
        "run": f"{RUNS}/{first}/rerun",
        "last": f"{RUNS}/last/rerun",
        "worker": f"/api/v2/workers/{worker.id}/runs/last/rerun",
    }[place]
    request, [lease] = await _waiting(api, app, path, {"is_async": False, "limit": 5})
    await app.end(lease, Outcome.TIMEOUT, "Timeout: the run went over its limit")
    answer = await request
    assert answer.status_code == 200  # the request succeeded although the run failed
    reads_as(WorkerRunResult, answer)
    data = answer.json()["data"]
    assert data["run_slug"] != first
    assert (data["run_status"], data["is_finished"]) == ("failed", True)
    assert data["error_message"].startswith("Timeout")
    assert (data["results"]["page_index"], data["results"]["page_size"]) == (1, 5)


async def test_after_the_wait_the_run_is_reported_as_running_and_continues(
    app: App,
) -> None:
    await app.publish()
    async with client(app.asgi(sync_wait_seconds=0.05)) as http:
        api = Api(http, app.owner_key)
        answer = await api.post(START, {"input": CUSTOM, "is_async": False})
        reads_as(WorkerRunResult, answer)
        data = answer.json()["data"]
        assert (data["run_status"], data["is_finished"]) == ("running", False)
        assert (data["execution_start_timestamp"], data["execution_end_timestamp"]) == (0, 0)
        await app.execute([{"n": 1}])
        detail = (await api.get(f"{RUNS}/{data['run_slug']}")).json()["data"]
        assert detail["status"] == "succeeded"


async def test_an_aborted_sync_start_is_reported(app: App, api: Api) -> None:
    await app.publish()
    request, [lease] = await _waiting(api, app, START, {"input": CUSTOM, "is_async": False})
    await api.post(f"{RUNS}/{lease.run.id}/abort")
    await app.end(lease, Outcome.ABORTED)
    data = (await request).json()["data"]
    assert (data["run_status"], data["is_finished"]) == ("aborting", True)
    assert data["error_message"] == "Aborted on request"


async def test_a_client_that_disconnects_does_not_end_the_run(app: App) -> None:
    await app.publish()
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    body = json.dumps({"input": CUSTOM, "is_async": False}).encode()
    await received.put({"type": "http.request", "body": body, "more_body": False})
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": START,
        "raw_path": START.encode(),
        "scheme": "http",
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"localhost"), (b"api-key", app.owner_key.encode())],
    }

    async def send(_message: Any) -> None:
        return None

    answering = asyncio.create_task(app.asgi()(scope, received.get, send))
    while not (leases := await app.begin()):
        await asyncio.sleep(0.005)
    await received.put({"type": "http.disconnect"})
    await asyncio.wait_for(answering, 5)
    await app.end(leases[0])
    assert (await stored_run(app, leases[0].run.id)).state is RunState.SUCCEEDED


# --- reruns ---------------------------------------------------------------------------------


async def test_every_rerun_operation_repeats_worker_version_device_and_input(
    app: App, api: Api
) -> None:
    worker = await app.publish()
    system = {"memory": 1024, "execute_limit_time_seconds": 77, "proxy_region": "US"}
    body = {"input": {"parameters": {"custom": CUSTOM, "system": system}}}
    first = (await api.post(START, body)).json()["data"]["run_slug"]
    source = await stored_run(app, first)
    paths = [
        f"{RUNS}/{first}/rerun",
        f"{RUNS}/last/rerun",
        "/api/v2/workers/runs/last/rerun",
        f"/api/v2/workers/{worker.id}/runs/last/rerun",
        "/api/v2/workers/owner%2Freader/runs/last/rerun",
    ]
    runs = [first]
    for path in paths:
        answer = await api.post(path, {"is_async": True, "callback_url": "https://h.example/x"})
        data = answer.json()["data"]
        assert list(data) == ["run_slug"]
        runs.append(data["run_slug"])
        rerun = await stored_run(app, data["run_slug"])
        assert (rerun.worker_id, rerun.version, rerun.limits, rerun.region) == (
            source.worker_id,
            source.version,
            source.limits,
            source.region,
        )
        assert (rerun.input_json, rerun.origin) == (source.input_json, Origin.API_V2)
        assert rerun.callback_url == "https://h.example/x"
    assert len(set(runs)) == len(paths) + 1


async def test_a_rerun_needs_no_body(api: Api, run_slug: str) -> None:
    for content in (b"", b"{}", b"null", b"\xef\xbb\xbf {}"):
        answer = await api.send("POST", f"{RUNS}/{run_slug}/rerun", content=content)
        assert answer.status_code == 200, answer.text


async def test_the_error_for_a_bad_rerun_names_the_field_and_nothing_starts(
    app: App, api: Api, run_slug: str
) -> None:
    path = f"{RUNS}/{run_slug}/rerun"
    fails(await api.post(path, {"limit": 0}), 422, 11000, "limit must be 1 to 100")
    fails(await api.post(path, {"callback_url": "mailto:x"}), 400, 11000, "callback_url must be")
    fails(await api.post(path, {"callback_url": "http://10.0.0.1/"}), 400, 11000, "callback_url")
    assert (await api.get(RUNS)).json()["data"]["count"] == 1


async def test_a_rerun_of_a_withdrawn_version_is_refused(app: App, api: Api) -> None:
    worker = await app.publish()
    run = (await api.post(START, {"input": CUSTOM})).json()["data"]["run_slug"]
    await app.withdraw(worker, "v1.0.1")
    fails(await api.post(f"{RUNS}/{run}/rerun"), 400, 50003, "v1.0.1 was withdrawn")


async def test_a_rerun_of_a_deleted_worker_is_refused_and_its_runs_stay_readable(
    app: App, api: Api
) -> None:
    worker = await app.publish()
    run = (await api.post(START, {"input": CUSTOM})).json()["data"]["run_slug"]
    await app.execute([{"n": 1}])
    await app.storage.write(lambda tx: tx.workers.mark_deleted(worker.id, tx.now))
    for path in (f"{RUNS}/{run}", f"{RUNS}/last", f"/api/v2/workers/{worker.id}/runs/last"):
        fails(await api.post(f"{path}/rerun"), 404, 50001, "worker does not exist")
    assert (await api.get(f"{RUNS}/{run}")).json()["data"]["scraper_slug"] == worker.id
    assert (await api.get(f"{RUNS}/last/result")).json()["data"]["count"] == 1
