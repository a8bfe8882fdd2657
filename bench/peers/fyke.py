"""Fyke itself, by the same measure."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import Api, platform_up

from peers.base import Job, Running, Status
from support.booted import Booted
from support.projects import python_project

PUSHER = """import time
from sdk import CoreSDK
started = time.monotonic()
for row in range(ROWS):
    CoreSDK.Result.push_data({"answer": 42, "row": row})
CoreSDK.Result.push_data({"took": time.monotonic() - started})
"""
WORKER = """import time
first_line = time.monotonic()
from sdk import CoreSDK
CoreSDK.Result.push_data({"answer": 42, "first_line": first_line})
"""


@dataclass(frozen=True)
class Fyke:
    name: str = "Fyke"
    drains: bool = True
    slow: bool = False

    @contextlib.contextmanager
    def up(self, folder: Path) -> Iterator[Running]:
        with platform_up() as (running, api):
            worker = running.push(python_project(WORKER), "bench-peer")
            one = _Running(running, api, worker, (running.process.pid,))
            one.job()  # builds the environment
            yield one


@dataclass
class _Running(Running):
    running: Booted
    api: Api
    worker: str
    services: tuple[int, ...]
    last: str = ""

    def job(self) -> Job:
        sent = time.monotonic()
        answer: dict[str, Any] = self.api.start(self.worker, sync=True)
        took = (time.monotonic() - sent) * 1000
        self.last = answer["run_slug"]
        [row] = answer["results"]["list"]
        return Job((row["first_line"] - sent) * 1000, took)

    def drain(self, jobs: int) -> float:
        sent = time.monotonic()
        for run in [self.api.start(self.worker)["run_slug"] for _ in range(jobs)]:
            self.api.ended(run, pause=0.05)
        return time.monotonic() - sent

    def status(self) -> Status:
        url = f"{self.running.url}/api/v2/worker-runs/{self.last}"
        return Status("worker-runs/ID", url, f"api-key: {self.running.key}")

    def push(self, rows: int) -> float:
        pusher = self.running.push(
            python_project(PUSHER.replace("ROWS", str(rows))), "bench-pusher"
        )
        run = self.api.start(pusher, sync=True)["run_slug"]
        body = {"run_slug": run, "page_index": rows + 1, "page_size": 1}
        [row] = self.api.post("/api/v1/run/result/list", body)["list"]
        return rows / float(row["took"])
