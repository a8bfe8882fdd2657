"""Fyke's own routes for schedules, with the options that API v2 lacks."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fyke.wire.fyke import schedules as wire
from support.answers import reads_as
from support.api import Api, fails
from support.app import App

pytestmark = pytest.mark.anyio

WRAPPED = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}


async def a_task(app: App) -> str:
    worker = await app.publish()
    task = await app.services.tasks.create(app.owner, worker.id, "Daily", WRAPPED, None)
    return f"/api/fyke/tasks/{task.id}/schedule"


async def put(api: Api, path: str, **body: Any) -> Any:
    return await api.send("PUT", path, json=body)


async def test_a_schedule_is_set_read_and_removed(app: App, api: Api) -> None:
    path = await a_task(app)
    fails(await api.get(path), 404, 4040)
    set_to = await put(
        api, path, kind="cron", cron=" */15  8-18 * * 1-5", time_zone="America/New_York",
        overlap="skip",
    )  # fmt: skip
    reads_as(wire.TaskSchedule, set_to)
    data = set_to.json()["data"]
    assert (await api.get(path)).json()["data"] == data
    assert (data["cron"], data["overlap"], data["enabled"]) == ("*/15 8-18 * * 1-5", "skip", True)
    local = datetime.fromtimestamp(data["next_at"], ZoneInfo("America/New_York"))
    assert local.minute % 15 == 0 and 8 <= local.hour <= 18 and local.isoweekday() <= 5
    v2 = path.replace("/api/fyke/tasks", "/api/v2/worker-tasks").removesuffix("/schedule")
    task = (await api.get(v2)).json()["data"]
    assert (task["schedule_type"], task["schedule_kind"], task["schedule_enabled"]) == (
        0,
        "cron",
        1,
    )
    assert (await api.send("PUT", v2, json={"schedule_enabled": 0})).status_code == 200
    assert (await api.get(path)).json()["data"]["cron"] == "*/15 8-18 * * 1-5"
    assert (await api.send("DELETE", path)).status_code == 200
    fails(await api.get(path), 404, 4040)


async def test_setting_a_schedule_replaces_all_of_it_and_keeps_an_unchanged_time(
    app: App, api: Api
) -> None:
    path = await a_task(app)
    first = (await put(api, path, kind="interval", every=3600)).json()["data"]
    changed = (await put(api, path, kind="interval", every=3600, overlap="queue")).json()["data"]
    assert (changed["next_at"], changed["overlap"]) == (first["next_at"], "queue")
    other = (await put(api, path, kind="daily", time="09:00", every=3600)).json()["data"]
    assert (other["every"], other["time"]) == (0, "09:00")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"kind": ""}, ["kind must be one of daily, weekly, monthly, once, cron, interval"]),
        ({"kind": "hourly"}, ["kind must be one of"]),
        ({"kind": "weekly", "time": "09:00", "day": 31}, ["weekday is required"]),
        ({"kind": "monthly", "time": "09:00", "day": 32}, ["day must be 1 to 31"]),
        ({"kind": "weekly", "time": "09:00", "weekday": -1}, ["weekday must be 1"]),
        ({"kind": "daily", "time": "25:00"}, ["time", "HH:MM"]),
        ({"kind": "once", "date": "2020-01-01", "time": "09:00"}, ["in the past", "date"]),
        ({"kind": "once", "date": "2031-02-29", "time": "09:00"}, ["date", "YYYY-MM-DD"]),
        ({"kind": "interval", "every": 59}, ["every must be 60 to"]),
        ({"kind": "interval"}, ["every is required"]),
        ({"kind": "cron", "cron": "* * * *"}, ["cron must have five fields"]),
        ({"kind": "cron", "cron": "0 0 * * * *"}, ["cron must have five fields"]),
        ({"kind": "cron", "cron": "61 * * * *"}, ["cron", "minute"]),
        ({"kind": "cron", "cron": "0 0 30 2 *"}, ["cron", "the day of the month must be"]),
        ({"kind": "daily", "time": "09:00", "time_zone": "Mars/Base"}, ["time_zone", "Mars/Base"]),
        ({"kind": "daily", "time": "09:00", "overlap": "wait"}, ["overlap must be one of"]),
        ({"kind": "daily", "time": "09:00", "enabled": "maybe"}, ["enabled must be true"]),
    ],
)
async def test_impossible_schedules_are_refused(
    app: App, api: Api, body: dict[str, Any], words: list[str]
) -> None:
    path = await a_task(app)
    fails(await put(api, path, **body), 400, 4000, *words)
    fails(await api.get(path), 404, 4040)


async def test_the_next_times_of_saved_and_unsaved_schedules_are_listed(app: App, api: Api) -> None:
    path = await a_task(app)
    fails(await api.get(f"{path}/next"), 404, 4040)
    query = "kind=monthly&day=31&time=10:00&time_zone=Europe/Berlin&count=12"
    answer = await api.get(f"{path}/next?{query}")
    reads_as(wire.NextTimes, answer)
    data = answer.json()["data"]
    local = [datetime.fromisoformat(item["local"]) for item in data["list"]]
    assert len(local) == 12 and len({(t.year, t.month) for t in local}) == 12
    assert {(t.hour, t.minute) for t in local} == {(10, 0)} and {t.day for t in local} >= {30, 31}
    assert [int(t.timestamp()) for t in local] == [item["at"] for item in data["list"]]
    fails(await api.get(path), 404, 4040)

    saved = (await put(api, path, kind="interval", every=90)).json()["data"]
    times = [t["at"] for t in (await api.get(f"{path}/next")).json()["data"]["list"]]
    assert times == [saved["next_at"] + 90 * n for n in range(10)]
    await put(api, path, kind="interval", every=90, enabled=False)
    assert len((await api.get(f"{path}/next?count=3")).json()["data"]["list"]) == 3
    for count in (0, 101):
        fails(await api.get(f"{path}/next?count={count}"), 400, 4000, "count must be 1 to 100")
    fails(await api.get(f"{path}/next?kind=interval&every=5"), 400, 4000, "every")


async def test_the_zone_of_the_account_applies_to_schedules_without_a_zone(
    app: App, api: Api
) -> None:
    path = await a_task(app)
    before = (await put(api, path, kind="daily", time="12:00")).json()["data"]
    assert (before["time_zone"], before["zone_of_account"]) == ("UTC", True)
    zone = {"time_zone": "Asia/Kolkata"}
    answer = await api.send("PUT", "/api/fyke/account/time-zone", json=zone)
    assert answer.json()["data"] == zone
    after = (await api.get(path)).json()["data"]
    assert after["time_zone"] == "Asia/Kolkata"
    assert (before["next_at"] % 86_400, after["next_at"] % 86_400) == (12 * 3600, 23_400)
    assert (await api.get("/api/fyke/account")).json()["data"]["time_zone"] == "Asia/Kolkata"
    fixed = (await put(api, path, kind="daily", time="12:00", time_zone="UTC")).json()["data"]
    await api.send("PUT", "/api/fyke/account/time-zone", json={"time_zone": "UTC"})
    assert (await api.get(path)).json()["data"]["next_at"] == fixed["next_at"]
    for bad in ({"time_zone": "Nowhere"}, {}, {"time_zone": ""}):
        answer = await api.send("PUT", "/api/fyke/account/time-zone", json=bad)
        fails(answer, 400, 4000, "time_zone")


async def test_the_schedule_of_another_account_is_not_found(app: App, api: Api) -> None:
    path = await a_task(app)
    await put(api, path, kind="daily", time="09:00")
    for method, tail, body in (
        ("GET", "", None), ("DELETE", "", None), ("PUT", "", {"kind": "daily", "time": "09:00"}),
        ("GET", "/next", None), ("GET", "/fires", None),
    ):  # fmt: skip
        fails(await api.send(method, path + tail, json=body, key=app.other_key), 404, 60001)


async def test_a_new_schedule_has_no_fires(app: App, api: Api) -> None:
    path = await a_task(app)
    fails(await api.get(f"{path}/fires"), 404, 4040)
    await put(api, path, kind="daily", time="09:00")
    data = (await api.get(f"{path}/fires")).json()["data"]
    assert data == {"count": 0, "list": [], "page_index": 1, "page_size": 20}
