"""Two server processes on one address and SQLite: ``fyke up --servers 2``."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.booted import Booted, booted
from support.projects import zoo
from support.two_servers import answers

NAMES = ("server", "server-2")
REQUESTS = 30  # each on a connection of its own, which either server may accept


@pytest.fixture(scope="module")
def two() -> Iterator[Booted]:
    with booted(start=False, rate_limit="1000") as platform:
        platform.start("--servers", "2")
        for name in NAMES:
            platform.role(name)
        yield platform


def _share(platform: Booted) -> set[str]:
    """The burst of this many answers."""
    found = [platform.raw("/api/v1/account/info") for _ in range(REQUESTS)]
    return {answer.headers["ratelimit-policy"] for answer in found}


def _stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_the_servers_divide_the_limit(two: Booted) -> None:
    two.wait_for(lambda: _share(two) == {'"default";q=1000;w=2'}, "half of the limit")


def test_each_server_answers_while_the_other_is_stopped(two: Booted) -> None:
    for name in NAMES:
        pid = two.kill_role(name, signal.SIGSTOP)
        try:
            two.wait_for(lambda: _stopped(pid), "the stop")  # noqa: B023
            assert two.raw("/healthz", method="GET", timeout=10).status_code == 200
        finally:
            os.kill(pid, signal.SIGCONT)


def test_what_one_server_changes_the_other_shows(two: Booted) -> None:
    run = two.start_run(two.push(zoo("upserts"), "of-two"))
    assert two.ended(run)["status"] == 3
    assert len(two.rows(run)) == 2
    found = [two.detail(run) for _ in range(REQUESTS)]
    assert found == [found[0]] * REQUESTS
    assert two.raw(f"/api/fyke/runs/{run}", method="DELETE").status_code == 200
    codes = [two.raw("/api/v1/run/detail", {"run_slug": run}).status_code for _ in range(REQUESTS)]
    assert codes == [404] * REQUESTS


def test_a_schedule_fires_once_although_both_servers_check_it(two: Booted) -> None:
    worker = two.push(zoo("upserts"), "scheduled-of-two")
    tasks = []
    for number in range(6):
        task = {"worker_id": worker, "title": f"due {number}", "input": {}}
        tasks.append(two.call("/api/v2/worker-tasks", task)["slug"])
        every = {"kind": "interval", "every": 3600}
        two.call(f"/api/fyke/tasks/{tasks[-1]}/schedule", every, method="PUT")
    marks = ", ".join("?" * len(tasks))
    due = f"UPDATE schedules SET next_at = ? WHERE task_id IN ({marks})"
    two.change_state(due, int(time.time()) * 1000, *tasks)
    # the servers look again at what is due when a schedule is changed
    signal_task = {"worker_id": worker, "title": "signal", "input": {}}
    other = two.call("/api/v2/worker-tasks", signal_task)["slug"]
    two.call(f"/api/fyke/tasks/{other}/schedule", {"kind": "daily", "time": "00:00"}, method="PUT")
    for task in tasks:
        path = f"/api/fyke/tasks/{task}/schedule/fires"
        two.wait_for(lambda: two.read(path)["list"], "the schedule to fire")  # noqa: B023
    for task in tasks:
        [fire] = two.read(f"/api/fyke/tasks/{task}/schedule/fires")["list"]
        assert two.read(f"/api/v2/worker-tasks/{task}")["run_times"] == 1
        assert two.ended(fire["run_slug"])["status"] == 3


def test_health_names_every_server(two: Booted) -> None:
    def named() -> bool:
        checks = two.read("/api/fyke/health")["list"]
        return {f"process {name}" for name in NAMES} <= {check["name"] for check in checks}

    two.wait_for(named, "both servers")


def test_a_killed_server_is_restarted_while_the_other_answers(two: Booted) -> None:
    killed = two.kill_role("server-2")
    for _ in range(REQUESTS):
        assert two.raw("/healthz", method="GET").status_code == 200
    two.wait_for(lambda: two.role("server-2") != killed, "another process")
    two.wait_for(lambda: answers(two.url), "readiness")


def test_all_servers_end_with_the_platform(two: Booted) -> None:
    pids = [two.role(name) for name in NAMES]
    assert two.stop() == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
