"""A key cannot exceed its scope through objects that act for it or show data to it later."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.model.account import ALL_SCOPES, Scope
from support.api import Api, fails
from support.app import App

pytestmark = pytest.mark.anyio
EVERY_MINUTE = {"kind": "cron", "cron": "* * * * *"}
RUN_MISSING = 'the scope \\"run\\", and yours has: write'
READ_MISSING = 'the scope \\"read\\", and yours has: write'
READ_LACKING = 'the scope \\"read\\"'


async def key(app: App, *scopes: Scope) -> str:
    created = await app.services.accounts.create_key(
        app.owner, " ".join(scopes), scopes=frozenset(scopes)
    )
    return created.key


@pytest.fixture
async def writing(app: App) -> str:
    return await key(app, Scope.WRITE)


@pytest.fixture
async def task(app: App, api: Api) -> str:
    worker = await app.publish()
    custom = {"urls": [{"url": "https://a.example"}]}
    body = {"worker_id": worker.id, "title": "prices", "input": custom}
    return str((await api.ok("/api/v2/worker-tasks", body))["slug"])


async def schedule(api: Api, task: str) -> Any:
    return (await api.get(f"/api/fyke/tasks/{task}/schedule")).json()


async def test_an_enabled_schedule_requires_the_run_scope(
    app: App, api: Api, task: str, writing: str
) -> None:
    path = f"/api/fyke/tasks/{task}/schedule"
    on = EVERY_MINUTE | {"enabled": True}
    fails(await api.send("PUT", path, json=on, key=writing), 401, 4010, RUN_MISSING)
    assert (await schedule(api, task))["code"] != 0  # none was created
    disabled = EVERY_MINUTE | {"enabled": False}
    assert (await api.send("PUT", path, json=disabled, key=writing)).status_code == 200
    fails(await api.post(f"{path}/resume", key=writing), 401, 4010, RUN_MISSING)
    assert not (await schedule(api, task))["data"]["enabled"]
    both = await key(app, Scope.WRITE, Scope.RUN)
    assert (await api.send("PUT", path, json=on, key=both)).status_code == 200
    fails(await api.send("PUT", path, json=on, key=writing), 401, 4010, RUN_MISSING)
    assert (await api.post(f"{path}/pause", key=writing)).status_code == 200
    assert not (await schedule(api, task))["data"]["enabled"]


async def test_an_enabled_schedule_of_a_v2_task_requires_the_run_scope(
    app: App, api: Api, task: str, writing: str
) -> None:
    worker = (await api.get(f"/api/v2/worker-tasks/{task}")).json()["data"]["worker_id"]
    on = {"schedule_enabled": 1, "schedule_type": 1, "schedule_time": "10:00"}
    new = {"worker_id": worker, "title": "more", "input": {}, **on}
    fails(await api.post("/api/v2/worker-tasks", new, key=writing), 403, 11000, RUN_MISSING)
    assert (await api.get("/api/v2/worker-tasks")).json()["data"]["count"] == 1
    path = f"/api/v2/worker-tasks/{task}"
    fails(await api.send("PUT", path, json=on, key=writing), 403, 11000, RUN_MISSING)
    assert (await api.send("PUT", path, json=on)).status_code == 200
    later = {"schedule_time": "11:00"}
    fails(await api.send("PUT", path, json=later, key=writing), 403, 11000, RUN_MISSING)
    other = {"input": {"urls": [{"url": "https://b.example"}]}}
    fails(await api.send("PUT", f"{path}/input", json=other, key=writing), 403, 11000, RUN_MISSING)
    assert (await api.send("PUT", path, json={"title": "x"}, key=writing)).status_code == 200
    disabled = {"schedule_enabled": 0}
    assert (await api.send("PUT", path, json=disabled, key=writing)).status_code == 200
    assert (await api.send("PUT", f"{path}/input", json=other, key=writing)).status_code == 200


@pytest.mark.parametrize("shown", [{"rows": True, "log": False}, {"rows": False, "log": True}])
async def test_a_share_of_rows_or_log_requires_the_read_scope(
    app: App, api: Api, run_slug: str, writing: str, shown: dict[str, bool]
) -> None:
    path = f"/api/fyke/runs/{run_slug}/shares"
    fails(await api.post(path, shown | {"days": 1}, key=writing), 401, 4010, READ_MISSING)
    assert (await api.get(path)).json()["data"]["list"] == []
    neither = {"rows": False, "log": False, "days": 1}
    await api.ok(path, neither, key=writing)
    both = await key(app, Scope.WRITE, Scope.READ)
    await api.ok(path, shown | {"days": 1}, key=both)
    fails(await api.get(path, key=writing), 401, 4010, READ_MISSING)
    lacking = await key(app, *(ALL_SCOPES - {Scope.READ}))
    fails(await api.get(path, key=lacking), 401, 4010, READ_LACKING)
