"""Starting runs: scraper/run, task/run, rerun, and sync mode."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fyke.kit.ids import is_ulid
from fyke.model.run import Outcome, RunState
from support.api import Api, client, fails, start_body
from support.app import App

pytestmark = pytest.mark.anyio

RUN = "/api/v1/scraper/run"


async def test_an_async_start_returns_only_the_slug(app: App, api: Api) -> None:
    worker = await app.publish()
    answer = await api.post(RUN, start_body(worker.id, version="v1.0.1", is_async=True))
    slug = answer.json()["data"]["run_slug"]
    assert is_ulid(slug)
    expected = f'{{"code":0,"message":"success","data":{{"run_slug":"{slug}"}}}}'
    assert answer.text == expected


@pytest.mark.parametrize("form", ["{id}", "owner/reader", "owner~reader", "owner%2Freader"])
async def test_a_worker_is_found_by_every_form_of_its_name(app: App, api: Api, form: str) -> None:
    worker = await app.publish()
    data = await api.ok(RUN, start_body(form.format(id=worker.id)))
    assert is_ulid(data["run_slug"])


@pytest.mark.parametrize("version", [None, "", "latest", "auto", "v1.0.1"])
async def test_a_version_may_be_given_in_several_forms(
    app: App, api: Api, version: str | None
) -> None:
    worker = await app.publish()
    run = await api.ok(RUN, start_body(worker.id, version=version))
    detail = await api.ok("/api/v1/run/detail", run)
    assert detail["version"] == "v1.0.1"


@pytest.mark.common_app
@pytest.mark.parametrize("version", ["v9.9.9", 1, ["v1.0.1"], 1.5, True])
async def test_an_unknown_version_gets_an_error_that_names_the_newest(
    app: App, api: Api, version: Any
) -> None:
    worker = await app.publish()
    answer = await api.post(RUN, start_body(worker.id, version=version))
    fails(answer, 400, 4000, "v1.0.1", "Invalid request parameters")


async def test_a_withdrawn_version_is_refused(app: App, api: Api) -> None:
    worker = await app.publish()
    await app.publish(main="print('second')\n")
    await app.withdraw(worker, "v1.0.1")
    answer = await api.post(RUN, start_body(worker.id, version="v1.0.1"))
    fails(answer, 400, 50003, "Worker version unavailable")


@pytest.mark.parametrize("flag", [True, "true", 1, "1", 1.0, " TRUE ", None], ids=repr)
async def test_is_async_accepts_common_spellings(app: App, api: Api, flag: Any) -> None:
    worker = await app.publish()
    data = await api.ok(RUN, start_body(worker.id, is_async=flag))
    assert list(data) == ["run_slug"]


@pytest.mark.common_app
@pytest.mark.parametrize("flag", ["maybe", 2, [], {}, ""], ids=repr)
async def test_is_async_must_be_a_boolean(app: App, api: Api, flag: Any) -> None:
    worker = await app.publish()
    answer = await api.post(RUN, start_body(worker.id, is_async=flag))
    fails(answer, 400, 4000, "is_async must be true or false")


@pytest.mark.common_app
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, ["scraper_slug is required", "input is required"]),
        ({"scraper_slug": None, "input": {}}, ["scraper_slug is required"]),
        ({"scraper_slug": "  ", "input": {}}, ["scraper_slug must not be blank"]),
        ({"scraper_slug": 5, "input": {}}, ["scraper_slug must be a string"]),
        ({"scraper_slug": "x"}, ["input is required"]),
        ({"scraper_slug": "x", "input": "{}"}, ["input must be an object"]),
        ({"scraper_slug": "x", "input": []}, ["input must be an object"]),
        ({"scraper_slug": "x", "input": None}, ["input is required"]),
        ({"scraper_slug": "x", "input": {}, "callback_url": 5}, ["callback_url"]),
        ({"scraper_slug": "x", "input": {}, "callback_url": "ftp://a.b/"}, ["callback_url"]),
        ({"scraper_slug": "x", "input": {}, "page_index": "one"}, ["page_index"]),
    ],
)
async def test_fields_are_checked_before_anything_is_looked_up(
    api: Api, body: dict[str, Any], words: list[str]
) -> None:
    fails(await api.post(RUN, body), 400, 4000, *words)


async def test_an_unknown_worker_is_reported_before_its_input_is_checked(
    app: App, api: Api
) -> None:
    await app.publish()
    for ref in ("01HFXXXXXXXXXXXXXXXXXXXXXX", "owner/nobody", "no worker", "../x", "a" * 5000):
        answer = await api.post(RUN, {"scraper_slug": ref, "input": {"parameters": 5}})
        fails(answer, 404, 50001, "Worker does not exist")


async def test_a_private_worker_of_another_account_is_not_found(app: App, api: Api) -> None:
    worker = await app.publish(public=False)
    foreign = await api.post(RUN, start_body(worker.id), key=app.other_key)
    nowhere = await api.post(RUN, start_body("01HFXXXXXXXXXXXXXXXXXXXXXX"), key=app.other_key)
    assert fails(foreign, 404, 50001) == fails(nowhere, 404, 50001)


@pytest.mark.common_app
@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"custom": {}}, 'required field \\"urls\\" is missing or empty'),
        ({"custom": {"urls": "a"}}, 'field \\"urls\\" must be an array'),
        ({"custom": "{}"}, "single JSON object"),
        ({"custom": {"urls": ["a"]}, "system": "{}"}, "system must be an object"),
        ({"custom": {"urls": ["a"]}, "system": {"memory": "much"}}, "memory"),
        ({"custom": {"urls": ["a"]}, "system": {"memory": 99999}}, "memory"),
        ({"custom": {"urls": ["a"]}, "system": {"max_total_charge": -1}}, "max_total_charge"),
        ({"custom": {"urls": ["a"]}, "system": {"max_total_traffic": "NaN"}}, "finite"),
        ({"custom": {"urls": ["a"]}, "system": {"proxy_region": "usa"}}, "proxy_region"),
        ({"system": {}}, "custom is required"),
    ],
)
async def test_the_error_for_an_invalid_input_names_the_field(
    app: App, api: Api, parameters: dict[str, Any], word: str
) -> None:
    worker = await app.publish()
    body = {"scraper_slug": worker.id, "input": {"parameters": parameters}}
    fails(await api.post(RUN, body), 400, 4000, word)


async def test_flat_input_and_numbers_as_text_are_accepted(app: App, api: Api) -> None:
    worker = await app.publish()
    flat = {"scraper_slug": worker.id, "input": {"urls": ["https://a.example"]}}
    assert (await api.ok(RUN, flat))["run_slug"]
    body = start_body(worker.id)
    body["input"]["parameters"]["system"] = {
        "cpus": "0.25",
        "memory_bytes": "600",
        "execute_limit_time_seconds": "60.0",
    }
    slug = (await api.ok(RUN, body))["run_slug"]
    run = await app.storage.read(lambda tx: tx.runs.get(slug))
    assert run is not None
    assert (run.limits.cpus, run.limits.memory_mb, run.limits.timeout_s) == (0.25, 1024, 60)


async def test_numbers_of_any_size_reach_the_worker_digit_for_digit(app: App, api: Api) -> None:
    worker = await app.publish()
    digits = "1234567890123456789012345678901234567890"
    custom = f'{{"urls":["a"],"big":9223372036854775808,"huge":{digits},"minus":-{digits},"f":1.5}}'
    body = f'{{"scraper_slug":"{worker.id}","input":{{"parameters":{{"custom":{custom}}}}}}}'
    answer = await api.send("POST", RUN, content=body.encode())
    slug = answer.json()["data"]["run_slug"]
    leases = await app.begin()
    assert leases[0].run.id == slug
    assert f'"huge":{digits},"minus":-{digits},"f":1.5' in leases[0].subtask.input_json
    assert '"big":9223372036854775808' in leases[0].subtask.input_json


async def test_egress_allow_is_for_the_operator_only(app: App, api: Api) -> None:
    worker = await app.publish()
    body = start_body(worker.id)
    body["input"]["parameters"]["system"]["egress_allow"] = ["127.0.0.1:8080"]
    slug = (await api.ok(RUN, body))["run_slug"]
    run = await app.storage.read(lambda tx: tx.runs.get(slug))
    assert run is not None
    assert run.egress_allow == ("127.0.0.1:8080",)
    fails(await api.post(RUN, body, key=app.other_key), 401, 4010, "egress_allow")


# --- sync ----------------------------------------------------------------------------------


async def test_a_sync_start_waits_for_the_rows(app: App, api: Api) -> None:
    worker = await app.publish()
    body = start_body(worker.id, is_async="false", page_size="1", page_index=2.0)
    request = asyncio.create_task(api.ok(RUN, body))
    while not await app.storage.read(
        lambda tx: tx.runs.page(app.owner.account_id, _all(), offset=0, limit=1)[1]
    ):
        await asyncio.sleep(0)
    await app.execute([{"n": 1}, {"n": 2}, {"n": 3}])
    data = await request
    assert (data["run_status"], data["status"], data["error_message"]) == ("completed", 3, "")
    assert data["result_message"] == ""
    assert data["results"]["count"] == 3
    assert [row["n"] for row in data["results"]["list"]] == [2]
    assert (data["results"]["page_index"], data["results"]["page_size"]) == (2, 1)
    assert 10**12 < data["execution_start_timestamp"] <= data["execution_end_timestamp"]


def _all() -> Any:
    from fyke.model.run import RunFilter

    return RunFilter()


async def test_a_failed_sync_run_is_a_successful_request(app: App, api: Api) -> None:
    worker = await app.publish()
    request = asyncio.create_task(api.ok(RUN, start_body(worker.id, is_async=False)))
    while not (leases := await app.begin()):
        await asyncio.sleep(0.005)
    for lease in leases:
        await app.end(lease, Outcome.TIMEOUT, "Timeout: the run went over its limit")
    data = await request
    assert (data["run_status"], data["status"]) == ("completed", 4)
    assert "Timeout" in data["error_message"]


async def test_after_the_time_limit_of_a_sync_start_the_run_continues(app: App) -> None:
    worker = await app.publish()
    async with client(app.asgi(sync_wait_seconds=0.05)) as http:
        api = Api(http, app.owner_key)
        data = await api.ok(RUN, start_body(worker.id, is_async=False))
        assert (data["run_status"], data["status"]) == ("running", 1)
        assert data["execution_end_timestamp"] == 0
        await app.execute([{"n": 1}])
        detail = await api.ok("/api/v1/run/detail", {"run_slug": data["run_slug"]})
        assert detail["status"] == 3


async def test_a_client_that_disconnects_does_not_end_the_run(app: App) -> None:
    worker = await app.publish()
    body = json.dumps(start_body(worker.id, is_async=False)).encode()
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await received.put({"type": "http.request", "body": body, "more_body": False})
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": RUN,
        "raw_path": b"",
        "scheme": "http",
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"localhost"), (b"api-key", app.owner_key.encode())],
    }

    async def send(message: Any) -> None:
        sent.append(message)

    answering = asyncio.create_task(app.asgi()(scope, received.get, send))
    while not (leases := await app.begin()):
        await asyncio.sleep(0.005)
    await received.put({"type": "http.disconnect"})
    await asyncio.wait_for(answering, 5)
    for lease in leases:
        await app.end(lease)
    run = await app.storage.read(lambda tx: tx.runs.get(leases[0].run.id))
    assert run is not None
    assert run.state is RunState.SUCCEEDED


# --- tasks and reruns ----------------------------------------------------------------------


async def _task(app: App) -> str:
    worker = await app.publish()
    body = start_body(worker.id)
    task = await app.services.tasks.create(app.owner, worker.id, "Daily", body["input"], None)
    return task.id


async def test_a_task_starts_with_its_own_input(app: App, api: Api) -> None:
    slug = await _task(app)
    data = await api.ok("/api/v1/task/run", {"task_slug": slug})
    run = await app.storage.read(lambda tx: tx.runs.get(data["run_slug"]))
    assert run is not None
    assert (run.task_id, run.subtasks) == (slug, 2)


async def test_a_task_can_be_run_in_sync_mode(app: App) -> None:
    slug = await _task(app)
    async with client(app.asgi(sync_wait_seconds=0.02)) as http:
        body = {"task_slug": slug, "is_async": 0}
        data = await Api(http, app.owner_key).ok("/api/v1/task/run", body)
    assert data["run_status"] == "running"


async def test_unknown_tasks_and_tasks_of_other_accounts_have_the_same_error(
    app: App, api: Api
) -> None:
    slug = await _task(app)
    foreign = await api.post("/api/v1/task/run", {"task_slug": slug}, key=app.other_key)
    nowhere = await api.post("/api/v1/task/run", {"task_slug": "01HFXXXXXXXXXXXXXXXXXXXXXX"})
    assert fails(foreign, 404, 60001, "Task does not exist") == nowhere.json()
    fails(await api.post("/api/v1/task/run", {}), 400, 4000, "task_slug is required")


async def test_a_rerun_repeats_input_and_device(app: App, api: Api, run_slug: str) -> None:
    data = await api.ok("/api/v1/rerun", {"run_slug": run_slug})
    assert data["run_slug"] != run_slug
    first, second = [
        await app.storage.read(lambda tx, s=slug: tx.runs.get(s))
        for slug in (run_slug, data["run_slug"])
    ]
    assert first and second
    assert (first.input_json, first.limits) == (second.input_json, second.limits)


async def test_reruns_of_unknown_runs_and_of_other_accounts_have_the_same_error(
    app: App, api: Api, run_slug: str
) -> None:
    foreign = await api.post("/api/v1/rerun", {"run_slug": run_slug}, key=app.other_key)
    nowhere = await api.post("/api/v1/rerun", {"run_slug": "01HFXXXXXXXXXXXXXXXXXXXXXX"})
    assert fails(foreign, 404, 70001) == nowhere.json()


async def test_the_strict_setting_requires_a_callback_url(app: App, run_slug: str) -> None:
    slug = await _task(app)
    async with client(app.asgi(require_callback_url=True)) as http:
        api = Api(http, app.owner_key)
        for path, body in (
            ("/api/v1/task/run", {"task_slug": slug}),
            ("/api/v1/rerun", {"run_slug": run_slug}),
        ):
            fails(await api.post(path, body), 400, 4000, "callback_url is required")
            url = {"callback_url": "https://hooks.example/x"}
            assert (await api.ok(path, body | url))["run_slug"]
