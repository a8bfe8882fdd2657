"""Saved tasks: operations 8 to 15 of the second version."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fyke.errors import Forbidden
from fyke.kit.ids import is_ulid, new_ulid
from fyke.model.account import Role
from fyke.wire.v2.runs import WorkerRunResult
from fyke.wire.v2.tasks import SavedTaskInput, WorkerTask, WorkerTaskPage
from support.answers import reads_as
from support.api import Api, fails
from support.app import App

pytestmark = pytest.mark.anyio

TASKS = "/api/v2/worker-tasks"
CUSTOM = {"urls": [{"url": "https://a.example"}]}
WRAPPED = {"parameters": {"custom": CUSTOM}}
SAMPLE = {  # all members of the schedule at once, switched off
    "description": "Daily demo task",
    "schedule_enabled": 0,
    "schedule_type": 1,
    "schedule_time": "09:30",
    "schedule_weekday": 1,
    "schedule_day": 1,
    "schedule_once_date": "2026-08-01",
}


async def create_task(api: Api, **options: Any) -> str:
    body = {"worker_id": "owner~reader", "title": "Daily", "input": WRAPPED} | options
    answer = await api.post(TASKS, body)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert list(data) == ["slug"] and is_ulid(data["slug"])
    return str(data["slug"])


async def put(api: Api, path: str, body: Any) -> Any:
    answer = await api.send("PUT", path, json=body)
    if answer.status_code == 200:
        assert answer.json()["data"] == {}
    return answer


async def get_task(api: Api, slug: str) -> dict[str, Any]:
    answer = await api.get(f"{TASKS}/{slug}")
    reads_as(WorkerTask, answer)
    data: dict[str, Any] = answer.json()["data"]
    return data


async def test_a_large_input_is_returned_unchanged(app: App, api: Api) -> None:
    await app.publish()
    custom = {**CUSTOM, "text": "é" * 300_000, "numbers": [2**70] * 30_000}
    slug = await create_task(api, input={"parameters": {"custom": custom}})
    assert (await get_task(api, slug))["input"] == {"parameters": {"custom": custom}}
    [listed] = (await api.get(TASKS)).json()["data"]["list"]
    assert listed["input"]["parameters"]["custom"] == custom
    checked = (await api.get(f"/api/fyke/tasks/{slug}")).json()["data"]
    assert checked["input"]["parameters"]["custom"] == custom


async def test_a_task_has_all_of_its_members(app: App, api: Api) -> None:
    worker = await app.publish()
    slug = await create_task(api, **SAMPLE)
    data = await get_task(api, slug)
    moments = [data.pop(name) for name in ("last_modified_at", "created_at", "updated_at")]
    assert moments[0] > 1_700_000_000 and len(set(moments)) == 1
    assert data == {
        "slug": slug,
        "title": "Daily",
        "description": "Daily demo task",
        "version": "v1.0.1",
        "worker_id": worker.id,
        "worker_slug": worker.id,
        "worker_path": "owner~reader",
        "worker_title": "The reader",
        "input": WRAPPED,
        "run_times": 0,
        "last_run_slug": "",
        "schedule_enabled": 0,
        "schedule_type": 1,
        "schedule_kind": "daily",
        "schedule_time": "09:30",  # the other members are for other types of schedules
    }


async def test_an_absent_version_stays_and_latest_follows_the_newest(app: App, api: Api) -> None:
    await app.publish()
    kept, follows = await create_task(api), await create_task(api, version="latest")
    await app.publish(main="print('two')\n")
    assert (await get_task(api, kept))["version"] == "v1.0.1"
    assert (await get_task(api, follows))["version"] == "latest"
    for slug, number in ((kept, "v1.0.1"), (follows, "v1.0.2")):
        run = (await api.post(f"{TASKS}/{slug}/runs")).json()["data"]["run_slug"]
        assert (await api.get(f"/api/v2/worker-runs/{run}")).json()["data"]["version"] == number


async def test_tasks_are_found_by_worker_title_and_slug(app: App, api: Api) -> None:
    await app.publish()
    await app.publish("other")
    news = await create_task(api, title="Ärger im NEWS-Ticker")
    prices = await create_task(api, title="Prices", worker_id="owner~other")

    async def find_tasks(query: str) -> list[str]:
        page = reads_as(WorkerTaskPage, await api.get(f"{TASKS}?{query}"))
        assert page.count == len(page.items)
        return [task.slug for task in page.items]

    assert await find_tasks("") == [prices, news]
    assert await find_tasks("worker_id=owner~other") == [prices]
    assert await find_tasks("worker_id=owner~nobody") == []
    assert await find_tasks("keyword=ärger") == await find_tasks("keyword=news") == [news]
    assert await find_tasks(f"keyword={prices.lower()}") == [prices]
    assert await find_tasks("keyword=%25") == []
    page = (await api.get(f"{TASKS}?offset=2&limit=1")).json()["data"]
    assert [t["slug"] for t in page["list"]] == [news]
    assert (page["count"], page["page_index"], page["page_size"]) == (2, 2, 1)
    beyond = (await api.get(f"{TASKS}?offset=9")).json()["data"]
    assert (beyond["count"], beyond["list"]) == (2, [])


async def test_an_update_keeps_the_fields_that_it_omits(app: App, api: Api) -> None:
    await app.publish()
    slug = await create_task(api, description="first")
    await put(api, f"{TASKS}/{slug}", {"title": "Weekly"})
    data = await get_task(api, slug)
    assert (data["title"], data["description"], data["input"]) == ("Weekly", "first", WRAPPED)
    await put(api, f"{TASKS}/{slug}", {"description": ""})
    assert (await get_task(api, slug))["description"] == ""
    assert (await put(api, f"{TASKS}/{slug}", {})).status_code == 200
    fails(await put(api, f"{TASKS}/{slug}", {"title": " "}), 422, 11000, "title")
    fails(await put(api, f"{TASKS}/{slug}", {"title": "x" * 201}), 400, 11000, "title")


async def test_a_schedule_is_built_up_by_updates(app: App, api: Api) -> None:
    await app.publish()
    slug = await create_task(api)
    path = f"{TASKS}/{slug}"
    for body in ({"schedule_type": 2}, {"schedule_time": "07:00"}, {"schedule_weekday": "3"}):
        assert (await put(api, path, body)).status_code == 200
    assert "schedule_next_at" not in await get_task(api, slug)
    assert (await put(api, path, {"schedule_enabled": 1})).status_code == 200
    data = await get_task(api, slug)
    assert (data["schedule_enabled"], data["schedule_type"]) == (1, 2)
    assert (data["schedule_time"], data["schedule_weekday"]) == ("07:00", 3)
    assert data["schedule_next_at"] % 86_400 == 7 * 3600
    assert (await put(api, path, {"title": "Other"})).status_code == 200
    assert (await get_task(api, slug))["schedule_next_at"] == data["schedule_next_at"]
    assert (await put(api, path, {"schedule_enabled": 0})).status_code == 200
    assert "schedule_next_at" not in await get_task(api, slug)


@pytest.mark.parametrize(
    ("members", "status", "words"),
    [
        ({}, 400, ["schedule_type is required"]),
        ({"schedule_type": 1}, 400, ["schedule_time is required"]),
        (
            {"schedule_type": 2, "schedule_time": "09:00", "schedule_day": 31},
            400,
            ["schedule_weekday is required"],
        ),
        ({"schedule_type": 3, "schedule_time": "09:00"}, 400, ["schedule_day is required"]),
        (
            {"schedule_type": 4, "schedule_time": "09:00", "schedule_once_date": "2020-01-01"},
            400,
            ["schedule_once_date", "in the past"],
        ),
        ({"schedule_type": 5}, 422, ["schedule_type must be 0 to 4"]),
        ({"schedule_type": 1, "schedule_time": "9:3"}, 422, ["schedule_time", "09:30"]),
        ({"schedule_type": 1, "schedule_time": "24:00"}, 422, ["schedule_time"]),
        ({"schedule_type": 2, "schedule_weekday": 8}, 422, ["schedule_weekday must be 0 to 7"]),
        ({"schedule_type": 3, "schedule_day": 32}, 422, ["schedule_day must be 0 to 31"]),
        ({"schedule_type": 4, "schedule_once_date": "2026-02-30"}, 422, ["schedule_once_date"]),
        ({"schedule_enabled": 2}, 422, ["schedule_enabled must be 0 to 1"]),
    ],
)
async def test_an_impossible_schedule_is_refused(
    app: App, api: Api, members: dict[str, Any], status: int, words: list[str]
) -> None:
    await app.publish()
    body = {"worker_id": "owner~reader", "title": "t", "input": {}, "schedule_enabled": 1} | members
    fails(await api.post(TASKS, body), status, 11000, *words)
    assert (await api.get(TASKS)).json()["data"]["count"] == 0
    slug = await create_task(api)
    fails(await put(api, f"{TASKS}/{slug}", {"schedule_enabled": 1} | members), status, 11000)
    assert (await get_task(api, slug))["schedule_type"] == 0


async def test_the_input_is_stored_unchanged_and_a_flat_one_is_wrapped(app: App, api: Api) -> None:
    await app.publish()
    slug = await create_task(api, input=CUSTOM)

    async def saved() -> dict[str, Any]:
        answer = await api.get(f"{TASKS}/{slug}/input")
        reads_as(SavedTaskInput, answer)
        data: dict[str, Any] = answer.json()["data"]
        return data

    assert await saved() == {"input": WRAPPED, "version": "v1.0.1"}
    await app.publish(main="print('two')\n")
    path = f"{TASKS}/{slug}/input"
    await put(api, path, {"input": {"max_results": 12345678901234567890}})
    custom = {"max_results": 12345678901234567890}
    assert await saved() == {"input": {"parameters": {"custom": custom}}, "version": "v1.0.1"}
    await put(api, path, {"input": WRAPPED, "version": "latest"})
    assert await saved() == {"input": WRAPPED, "version": "latest"}
    await put(api, path, {"input": WRAPPED, "version": "v1.0.2"})
    assert (await saved())["version"] == "v1.0.2"
    fails(await put(api, path, {"input": WRAPPED, "version": "v9.9.9"}), 400, 50003, "v1.0.2")
    fails(await put(api, path, {}), 422, 11000, "input is required")
    fails(await put(api, path, {"input": [1]}), 422, 11000, "input must be an object")


async def test_a_run_of_a_task_is_counted_and_becomes_its_last_run(app: App, api: Api) -> None:
    await app.publish()
    slug = await create_task(api)
    first = (await api.post(f"{TASKS}/{slug}/runs")).json()["data"]
    assert list(first) == ["run_slug"]
    second = await api.ok("/api/v1/task/run", {"task_slug": slug})
    data = await get_task(api, slug)
    assert (data["run_times"], data["last_run_slug"]) == (2, second["run_slug"])
    assert data["last_modified_at"] == data["created_at"]  # a run does not change the task


async def test_a_sync_run_returns_its_rows(app: App, api: Api) -> None:
    await app.publish()
    slug = await create_task(api)
    body = {"is_async": False, "limit": 1}
    request = asyncio.create_task(api.post(f"{TASKS}/{slug}/runs", body))
    while not (leases := await app.begin()):
        await asyncio.sleep(0)
    await app.push(leases[0], [{"n": 1}, {"n": 2}])
    await app.end(leases[0])
    answer = await request
    reads_as(WorkerRunResult, answer)
    data = answer.json()["data"]
    assert (data["run_status"], data["is_finished"]) == ("succeeded", True)
    assert (data["results"]["count"], len(data["results"]["list"])) == (2, 1)


async def test_one_key_starts_a_task_once(app: App, api: Api) -> None:
    await app.publish()
    slug = await create_task(api)
    headers = {"Idempotency-Key": "k1"}
    runs = {
        (await api.post(f"{TASKS}/{slug}/runs", headers=headers)).json()["data"]["run_slug"]
        for _ in range(3)
    }
    assert len(runs) == 1 and (await get_task(api, slug))["run_times"] == 1


async def test_an_input_that_no_longer_fits_is_refused_with_the_field(app: App, api: Api) -> None:
    await app.publish()
    slug = await create_task(api, version="latest")
    schema = {
        "description": "Stricter",
        "b": "",
        "properties": [
            {"name": "keyword", "title": "Keyword", "type": "string", "editor": "input",
             "required": True},
        ],
    }  # fmt: skip
    await app.publish(schema=schema)
    answer = await api.post(f"{TASKS}/{slug}/runs")
    fails(answer, 400, 11000, "keyword")
    fails(await api.post("/api/v1/task/run", {"task_slug": slug}), 400, 4000, "keyword")
    assert (await get_task(api, slug))["run_times"] == 0


async def test_a_withdrawn_version_and_a_deleted_worker_are_reported(app: App, api: Api) -> None:
    worker = await app.publish()
    slug = await create_task(api)
    await app.withdraw(worker, "v1.0.1")
    fails(await api.post(f"{TASKS}/{slug}/runs"), 400, 50003)


async def test_a_deleted_task_is_not_found_but_its_runs_are_kept(app: App, api: Api) -> None:
    await app.publish()
    slug = await create_task(api, **SAMPLE | {"schedule_enabled": 1})
    run = (await api.post(f"{TASKS}/{slug}/runs")).json()["data"]["run_slug"]
    answer = await api.send("DELETE", f"{TASKS}/{slug}")
    assert answer.json()["code"] == 0
    fails(await api.get(f"{TASKS}/{slug}"), 404, 60001)
    assert (await api.get(f"/api/v2/worker-runs/{run}")).status_code == 200


async def test_the_task_of_another_account_is_not_found(app: App, api: Api) -> None:
    await app.publish()
    slug = await create_task(api)
    for method, tail, body in (
        ("GET", "", None), ("PUT", "", {"title": "x"}), ("DELETE", "", None),
        ("GET", "/input", None), ("PUT", "/input", {"input": {}}), ("POST", "/runs", {}),
    ):  # fmt: skip
        answers = [
            await api.send(method, f"{TASKS}/{ref}{tail}", json=body, key=app.other_key)
            for ref in (slug, new_ulid(), "nonsense")
        ]
        for answer in answers:
            fails(answer, 404, 60001)
        assert len({a.json()["message"] for a in answers}) == 1


async def test_errors_name_the_invalid_field(app: App, api: Api) -> None:
    await app.publish()
    for body, status, code, word in (
        ({"title": "t", "input": {}}, 422, 11000, "worker_id is required"),
        ({"worker_id": "owner~reader", "input": {}}, 422, 11000, "title is required"),
        ({"worker_id": "owner~reader", "title": "t"}, 422, 11000, "input is required"),
        ({"worker_id": "owner~x", "title": "t", "input": {}}, 404, 50001, "worker"),
        ({"worker_id": "owner~reader", "title": "t", "input": {}, "version": "v7"}, 400, 50003, ""),
    ):
        fails(await api.post(TASKS, body), status, code, word)
    fails(await api.get(f"{TASKS}?limit=0"), 422, 11000, "limit")


async def test_a_viewer_can_only_read(app: App, api: Api) -> None:
    await app.publish()
    slug = await create_task(api)
    viewer = replace(app.owner, role=Role.VIEWER)
    tasks = app.services.tasks
    assert (await tasks.view(viewer, slug)).task.id == slug
    with pytest.raises(Forbidden):
        await tasks.update(viewer, slug, title="x")
    with pytest.raises(Forbidden):
        await tasks.set_input(viewer, slug, {}, None)
    with pytest.raises(Forbidden):
        await app.services.schedules.delete(viewer, slug)
    with pytest.raises(Forbidden):
        await app.services.schedules.set_account_zone(viewer, "Europe/Berlin")
