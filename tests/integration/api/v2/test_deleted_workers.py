"""A deleted worker cannot be started, but its past runs stay readable."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.model.account import Role
from fyke.model.worker import Worker
from support.api import Api, fails, start_body
from support.app import App

from .test_catalog import WORKERS

pytestmark = pytest.mark.anyio

OWN = "/api/fyke/workers"


async def delete(api: Api, ref: str, **options: Any) -> Any:
    return await api.send("DELETE", f"{OWN}/{ref}", **options)


async def finished_run(app: App, api: Api, worker: Worker) -> str:
    run = await api.ok("/api/v1/scraper/run", start_body(worker.id))
    await app.execute([{"n": 1}], log=["hello"])
    return str(run["run_slug"])


async def test_a_deleted_worker_cannot_be_started(app: App, api: Api) -> None:
    worker = await app.publish()
    run = await finished_run(app, api, worker)
    saved = {"worker_id": worker.id, "title": "Daily", "input": start_body(worker.id)["input"]}
    task = (await api.ok("/api/v2/worker-tasks", saved))["slug"]
    assert (await delete(api, worker.id)).json()["data"] == {"ended_runs": 0}
    v1 = [
        ("/api/v1/scraper/run", start_body(worker.id)),
        ("/api/v1/scraper/run", start_body("owner/reader")),
        ("/api/v1/rerun", {"run_slug": run}),
        ("/api/v1/task/run", {"task_slug": task}),
    ]
    for path, body in v1:
        fails(await api.post(path, body), 404, 50001)
    v2 = [
        ("/api/v2/worker-tasks", saved),
        (f"/api/v2/worker-tasks/{task}/runs", {}),
        (f"{WORKERS}/{worker.id}/queued-runs", {}),
        (f"{WORKERS}/{worker.id}/runs", {}),
        (f"/api/v2/worker-runs/{run}/rerun", {}),
        ("/api/v2/worker-runs/last/rerun", {}),
    ]
    for path, body in v2:
        fails(await api.post(path, body), 404, 50001)
    for path in ("", "/input-schema", "/internal"):
        fails(await api.get(f"{WORKERS}/{worker.id}{path}"), 404, 50001)
    fails(await api.get("/api/scraper", params={"slug": worker.id}), 404, 50001)
    for path in ("/api/v2/store", WORKERS):
        assert (await api.get(path)).json()["data"]["count"] == 0


async def test_the_runs_of_a_deleted_worker_stay_readable(app: App, api: Api) -> None:
    worker = await app.publish()
    run = await finished_run(app, api, worker)
    before = await api.ok("/api/v1/run/detail", {"run_slug": run})
    await delete(api, "owner~reader")
    assert await api.ok("/api/v1/run/detail", {"run_slug": run}) == before
    assert (before["scraper_title"], before["scraper_slug"]) == ("The reader", worker.id)
    assert [r["slug"] for r in (await api.ok("/api/v1/run/list"))["list"]] == [run]
    assert (await api.ok("/api/v1/run/result/list", {"run_slug": run}))["count"] == 1
    assert (await api.ok("/api/v1/run/last/log", {"run_slug": run}))["result_count"] > 0
    link = (await api.ok("/api/v1/run/result/export", {"run_slug": run}))["download_url"]
    assert (await api.get(link.partition("8100")[2], key=None)).content.startswith(b"n")
    shown = (await api.get(f"/api/v2/worker-runs/{run}")).json()["data"]
    assert shown["scraper_slug"] == worker.id
    assert (await api.get(f"{WORKERS}/{worker.id}/runs/last")).json()["data"] == shown
    of_worker = await api.get("/api/v2/worker-runs", params={"worker_id": worker.id})
    assert of_worker.json()["data"]["list"] == [shown]
    first = await api.ok("/api/v1/run/list", {"scraper_slug": worker.id})
    assert [r["slug"] for r in first["list"]] == [run]
    fails(await api.get(f"{WORKERS}/owner~reader/runs/last"), 404, 50001)
    fails(await api.post(f"{WORKERS}/{worker.id}/runs/last/rerun"), 404, 50001)


async def test_the_tasks_of_a_deleted_worker_are_found_by_its_id(app: App, api: Api) -> None:
    worker, kept = await app.publish(), await app.publish("kept")
    saved = {"title": "Daily", "input": start_body(worker.id)["input"]}
    tasks = {
        published.id: (await api.ok("/api/v2/worker-tasks", saved | {"worker_id": published.id}))[
            "slug"
        ]
        for published in (worker, kept)
    }
    await delete(api, worker.id)
    for ref, expected in ((worker.id, [tasks[worker.id]]), ("owner~reader", [])):
        listed = await api.get("/api/v2/worker-tasks", params={"worker_id": ref})
        assert [task["slug"] for task in listed.json()["data"]["list"]] == expected


async def test_waiting_runs_fail_and_running_ones_continue(app: App, api: Api) -> None:
    worker = await app.publish()
    body = start_body(worker.id, callback_url="https://hooks.example/x")
    running = (await api.ok("/api/v1/scraper/run", body))["run_slug"]
    leases = await app.begin()
    waiting = [(await api.ok("/api/v1/scraper/run", body))["run_slug"] for _ in range(3)]
    assert (await delete(api, worker.id)).json()["data"] == {"ended_runs": 3}
    for run in waiting:
        detail = await api.ok("/api/v1/run/detail", {"run_slug": run})
        assert (detail["status"], detail["usage"]) == (4, "0")
        assert detail["err_msg"].startswith("Worker version unavailable: the Worker was deleted")
        deliveries = (await api.get(f"/api/fyke/runs/{run}/deliveries")).json()["data"]["list"]
        assert [delivery["state"] for delivery in deliveries] == ["pending"]
    for lease in leases:
        await app.end(lease)
    assert (await api.ok("/api/v1/run/detail", {"run_slug": running}))["status"] == 3
    assert await app.lease() == []


async def test_the_name_can_be_used_for_another_worker(app: App, api: Api) -> None:
    old = await app.publish()
    run = await finished_run(app, api, old)
    await delete(api, old.id)
    young = await app.publish(main="print('again')\n")
    assert (young.path, young.latest) == (old.path, "v1.0.1")
    assert young.id != old.id
    detail = (await api.get(f"{WORKERS}/owner~reader")).json()["data"]
    assert detail["slug"] == young.id
    assert (await api.ok("/api/v1/run/detail", {"run_slug": run}))["scraper_slug"] == old.id
    fails(await api.post("/api/v1/rerun", {"run_slug": run}), 404, 50001)
    await delete(api, "owner~reader")
    fails(await api.get(f"{WORKERS}/{young.id}"), 404, 50001)


async def test_only_the_owner_can_delete_and_repeating_it_changes_nothing(
    app: App, api: Api
) -> None:
    public = await app.publish("shown")
    hidden = await app.publish("hidden", public=False)
    fails(await delete(api, public.id, key=app.other_key), 401, 4010, "only the owner")
    fails(await delete(api, hidden.id, key=app.other_key), 404, 50001)
    fails(await delete(api, "owner~nothing"), 404, 50001)
    viewer = app.owner.__class__(app.owner.account_id, "owner", False, "u", "k", role=Role.VIEWER)
    with pytest.raises(Exception, match="viewer"):
        await app.services.removal.delete(viewer, public.id)
    for _ in range(2):
        assert (await delete(api, public.id)).json()["data"] == {"ended_runs": 0}
    fails(await delete(api, "owner~shown"), 404, 50001)  # no worker has this name any more
    fails(await delete(api, public.id, key=app.other_key), 404, 50001)
