"""Fyke's own routes for tasks, schedules, uploads and reviews."""

from __future__ import annotations

from typing import Any

import pytest

from support.api import Api, fails
from support.app import SCHEMA, App
from support.projects import python_project

pytestmark = pytest.mark.anyio
INPUT = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}
GOOD = python_project("from sdk import CoreSDK\n", schema=SCHEMA)


async def a_task(app: App, title: str = "Prices") -> str:
    worker = await app.publish()
    task = await app.services.tasks.create(app.owner, worker.id, title, INPUT, None)
    return task.id


async def data(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_the_second_of_two_editors_of_a_task_is_refused(app: App, api: Api) -> None:
    task = await a_task(app)
    path = f"/api/fyke/tasks/{task}"
    seen = await data(await api.get(path))
    assert (seen["revision"], seen["fault"], seen["problems"]) == (0, "", [])
    first = await data(await api.send("PUT", path, json={"revision": 0, "title": "Mine"}))
    assert (first["revision"], first["title"]) == (1, "Mine")
    late = await api.send("PUT", path, json={"revision": 0, "title": "Theirs"})
    fails(late, 409, 4000, "this task was changed by another user")
    changed = await data(await api.send("PUT", path, json={"revision": 1, "input": {"urls": 1}}))
    assert changed["fault"] == "input"
    assert changed["problems"][0]["field"] == "urls"
    copied = await data(await api.post(f"{path}/clone"))
    assert (copied["title"], copied["revision"]) == ("Mine (copy)", 0)
    listed = await data(await api.get("/api/fyke/tasks", params={"keyword": "copy"}))
    assert [item["slug"] for item in listed["list"]] == [copied["slug"]]


async def test_the_second_of_two_editors_of_a_schedule_is_refused(app: App, api: Api) -> None:
    path = f"/api/fyke/tasks/{await a_task(app)}/schedule"
    plan = {"kind": "daily", "time": "08:00", "late": "skip", "revision": 0}
    first = await data(await api.send("PUT", path, json=plan))
    assert (first["revision"], first["late"]) == (1, "skip")
    late = await api.send("PUT", path, json=plan | {"time": "09:00"})
    fails(late, 409, 4000, "this schedule was changed by another user")
    assert (await data(await api.post(f"{path}/pause")))["enabled"] is False
    assert (await data(await api.post(f"{path}/resume")))["enabled"] is True
    fails(await api.send("PUT", path, json=plan | {"late": "x"}), 400, 4000, "late must be one of")


async def test_the_month_of_all_schedules_is_bounded(app: App, api: Api) -> None:
    for title, plan in (
        ("Minutes", {"kind": "cron", "cron": "* * * * *"}),
        ("Seconds", {"kind": "interval", "every": 60}),
        ("Once", {"kind": "once", "date": "2031-02-03", "time": "09:15"}),
    ):
        task = await a_task(app, title)
        await data(await api.send("PUT", f"/api/fyke/tasks/{task}/schedule", json=plan))
    listed = await data(await api.get("/api/fyke/schedules"))
    assert [item["title"] for item in listed["list"]][-1] == "Once"
    query = {"month": "2031-02", "time_zone": "America/New_York"}
    month = await data(await api.get("/api/fyke/schedules/month", params=query))
    assert [day["date"] for day in month["days"]][::27] == ["2031-02-01", "2031-02-28"]
    for day in month["days"]:
        planned = {item["title"]: item for item in day["planned"]}
        assert len(planned["Minutes"]["times"]) == 3 and planned["Minutes"]["more"]
        assert planned["Minutes"]["times"][0]["local"].startswith(f"{day['date']}T00:00:00-05:00")
        assert len(planned["Seconds"]["times"]) == 3
        assert ("Once" in planned) == (day["date"] == "2031-02-03")
    for wrong in ("2031", "2031-13", "x"):
        fails(await api.get("/api/fyke/schedules/month", params={"month": wrong}), 400, 4000)


async def test_an_upload_becomes_a_version(app: App, api: Api) -> None:
    files = {"scraper_file": ("prices.zip", GOOD)}
    sent = await api.send("POST", "/api/fyke/uploads", files=files, data={"name": "prices.zip"})
    upload = await data(sent)
    path = f"/api/fyke/uploads/{upload['id']}"
    async for _seen in app.services.uploads.follow(app.owner, upload["id"]):
        pass
    stored = await data(await api.get(path))
    assert (stored["state"], stored["label"], stored["language"]) == (
        "ready",
        "prices.zip",
        "python",
    )
    assert {step["state"] for step in stored["steps"]} == {"passed", "warned"}
    run = await data(await api.post(f"{path}/test", {"input": INPUT, "name": "prices"}))
    shown = await data(await api.post("/api/v1/run/detail", {"run_slug": run["run_slug"]}))
    assert shown["origin"] == "web"  # the name that clients of v1 know
    published = await data(await api.post(f"{path}/publish", {"name": "prices", "public": True}))
    assert (published["path"], published["version"]) == ("owner/prices", "v1.0.1")
    empty = {"scraper_file": ("x.zip", b"")}
    fails(await api.send("POST", "/api/fyke/uploads", files=empty), 400, 4000, "must not be empty")
    git = await api.post("/api/fyke/uploads/git", {"url": "git@example.com:a/b"})
    fails(git, 400, 4000, "SSH is not supported")


async def test_a_worker_is_shared_without_a_review(app: App, api: Api) -> None:
    """Here no review is required; ``tests/integration/review`` tests installations with reviews."""
    worker = await app.publish("secret", public=False)
    path = f"/api/fyke/workers/{worker.id}"
    assert await data(await api.post(f"{path}/share")) == {"public": True, "submission_id": ""}
    assert (await api.get("/api/scraper?slug=owner/secret", key=None)).status_code == 200
    assert await data(await api.post(f"{path}/unshare")) is None
    assert (await api.get("/api/scraper?slug=owner/secret", key=None)).status_code == 404
    assert await data(await api.get(f"{path}/submissions")) == {"list": []}
    fails(await api.send("DELETE", f"{path}/submissions/waiting"), 404, 4040)
