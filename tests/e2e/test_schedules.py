"""A schedule fires on a whole platform. No test waits for a minute: its next time is set to now in
the state, as if the minute had come, and a change of another schedule sends the signal.
"""

from __future__ import annotations

import time
from typing import Any

import httpx2

from fyke.reasons import ReasonCode
from support.booted import TLS, Booted
from support.projects import python_project
from support.reasons import reaches

TASKS = "/api/v2/worker-tasks"
MAIN = "from sdk import CoreSDK\nCoreSDK.Result.push_data({'n': 1})\n"


def send(platform: Booted, method: str, path: str, body: Any = None) -> Any:
    headers = {"api-key": platform.key}
    url = platform.url + path
    answer = httpx2.request(method, url, json=body, headers=headers, timeout=30, verify=TLS)
    assert answer.json()["code"] == 0, answer.text
    return answer.json()["data"]


def make_due(platform: Booted, task: str) -> int:
    """Set the next time of the task's schedule to this moment; return it in Unix seconds."""
    now = int(time.time())
    platform.change_state("UPDATE schedules SET next_at = ? WHERE task_id = ?", now * 1000, task)
    return now


def test_a_schedule_starts_a_run_that_is_executed(platform: Booted) -> None:
    slug = platform.push(python_project(MAIN), "scheduled")
    made = [
        send(platform, "POST", TASKS, {"worker_id": slug, "title": title, "input": {}})["slug"]
        for title in ("by itself", "the signal")
    ]
    path, signals = (f"/api/fyke/tasks/{task}/schedule" for task in made)
    send(platform, "PUT", path, {"kind": "interval", "every": 3600})
    planned = make_due(platform, made[0])
    send(platform, "PUT", signals, {"kind": "daily", "time": "00:00"})

    def fired() -> Any:
        return send(platform, "GET", f"{path}/fires")["list"]

    [fire] = platform.wait_for(fired, "the schedule to fire")
    assert (fire["state"], fire["planned_at"]) == ("started", planned)
    assert platform.ended(fire["run_slug"])["status"] == 3
    run = send(platform, "GET", f"/api/v2/worker-runs/{fire['run_slug']}")
    assert run["origin"] == "schedule"
    task = send(platform, "GET", f"{TASKS}/{made[0]}")
    assert (task["run_times"], task["last_run_slug"]) == (1, fire["run_slug"])
    assert task["schedule_next_at"] > planned
    for one in made:
        send(platform, "DELETE", f"{TASKS}/{one}")


@reaches(ReasonCode.START_REFUSED)
def test_a_planned_start_that_is_refused_raises_an_alert(platform: Booted) -> None:
    schema = {"properties": [{"name": "limit", "type": "integer", "required": True}]}
    slug = platform.push(python_project(MAIN, schema=schema), "scheduled-refused")
    made = [
        send(platform, "POST", TASKS, {"worker_id": slug, "title": title, "input": {}})["slug"]
        for title in ("Veg", "the signal")
    ]
    path, signals = (f"/api/fyke/tasks/{task}/schedule" for task in made)
    rule = {"name": "Veg", "kind": "failed", "task": made[0]}
    send(platform, "POST", "/api/fyke/alerts/rules", rule)
    send(platform, "PUT", path, {"kind": "interval", "every": 3600})
    make_due(platform, made[0])
    send(platform, "PUT", signals, {"kind": "daily", "time": "00:00"})
    alert = platform.wait_for(lambda: platform.alerts(""), "the alert")["start_refused"]
    assert (alert["task_slug"], alert["reason_params"]["task"]) == (made[0], "Veg")
    assert 'required field "limit" is missing or empty' in alert["sentence"]
    for one in made:
        send(platform, "DELETE", f"{TASKS}/{one}")
