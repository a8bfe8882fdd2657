"""Prefect: its server and a process worker, with the default polling of both."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peers.base import (
    HTTP,
    READY_SECONDS,
    Job,
    Running,
    Status,
    answers,
    free_port,
    marking,
    service,
    timed,
    wait_for,
)
from peers.install import python_environment

FLOW = """
from prefect import flow

@flow
def bench():
    return 42
"""
DEPLOY = """import sys
from prefect import flow

source = flow.from_source(source=sys.argv[1], entrypoint="bench_flow.py:bench")
source.deploy(name="bench", work_pool_name="bench", print_next_steps=False)
"""
DRAIN_SECONDS = 900.0
BUSY = 503  # its database is locked


@dataclass(frozen=True)
class Prefect:
    name: str = "Prefect"
    drains: bool = True
    slow: bool = True

    @contextlib.contextmanager
    def up(self, folder: Path) -> Iterator[Running]:
        programs, port = python_environment("prefect"), free_port()
        source = folder / "source"
        source.mkdir()
        (source / "bench_flow.py").write_text(marking(folder / "mark") + FLOW)
        url = f"http://127.0.0.1:{port}/api"
        environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "PREFECT_HOME": str(folder / "home"),
            "PREFECT_API_URL": url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        prefect = str(programs / "prefect")
        serve = [prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        work = [prefect, "worker", "start", "--pool", "bench", "--limit", "4"]
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(service(serve, folder, environment, "server"))
            health = f"{url}/health"
            wait_for("the start of Prefect", lambda: answers(health), READY_SECONDS)
            _call([prefect, "work-pool", "create", "bench", "--type", "process"], environment)
            _call([str(programs / "python"), "-c", DEPLOY, str(source)], environment)
            deployment = HTTP.get(f"{url}/deployments/name/bench/bench").json()["id"]
            worker = stack.enter_context(service(work, folder, environment, "worker"))
            yield _Running(url, deployment, folder, (server.pid, worker.pid))


@dataclass
class _Running(Running):
    url: str
    deployment: str
    folder: Path
    services: tuple[int, ...]
    last: str = ""

    def job(self) -> Job:
        return timed(self.folder, self._run)

    def _run(self) -> None:
        self.last = self._start()
        wait_for("the end of a flow", lambda: self._ended(self.last) or None)

    def drain(self, jobs: int) -> float:
        sent = time.monotonic()
        waiting = [self._start() for _ in range(jobs)]

        def all_ended() -> bool | None:
            while waiting and self._ended(waiting[0]):
                waiting.pop(0)
            return not waiting or None

        wait_for(f"the end of {jobs} flows", all_ended, DRAIN_SECONDS, pause=0.1)
        return time.monotonic() - sent

    def status(self) -> Status:
        return Status("flow_runs/ID", f"{self.url}/flow_runs/{self.last}")

    def _start(self) -> str:
        address = f"{self.url}/deployments/{self.deployment}/create_flow_run"

        def created() -> str | None:
            answer = HTTP.post(address, json={"state": {"type": "SCHEDULED"}})
            if answer.status_code == BUSY:
                return None  # its own client tries again, too
            if not answer.is_success:
                raise RuntimeError(f"Prefect answered {answer.status_code}: {answer.text}")
            run: str = answer.json()["id"]
            return run

        return wait_for("a flow run to be accepted", created)

    def _ended(self, run: str) -> bool:
        state: str = HTTP.get(f"{self.url}/flow_runs/{run}").json()["state_type"]
        if state in ("FAILED", "CRASHED", "CANCELLED"):
            raise RuntimeError(f"a flow ended as {state}")
        return state == "COMPLETED"


def _call(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[1:3]} failed: {done.stderr[-2000:]}")
