"""scrapyd, with its default poll interval or a short one. A spider yields one item."""

from __future__ import annotations

import contextlib
import io
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peers.base import (
    HTTP,
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

SPIDER = """
import scrapy

class Bench(scrapy.Spider):
    name = "bench"

    async def start(self):
        yield {"answer": 42}
"""
FILES = {
    "EGG-INFO/PKG-INFO": "Metadata-Version: 1.0\nName: bench\nVersion: 1\n",
    "EGG-INFO/entry_points.txt": "[scrapy]\nsettings = bench.settings\n",
    "bench/__init__.py": "",
    "bench/settings.py": """BOT_NAME = "bench"
SPIDER_MODULES = ["bench.spiders"]
TELNETCONSOLE_ENABLED = False
""",
    "bench/spiders/__init__.py": "",
}
DRAIN_SECONDS = 900.0


@dataclass(frozen=True)
class Scrapyd:
    """``poll`` is ``poll_interval`` in seconds."""

    poll: float
    drains: bool = True
    slow: bool = True

    @property
    def name(self) -> str:
        return "scrapyd" if self.poll == 5 else f"scrapyd, poll_interval {self.poll:g}"

    @contextlib.contextmanager
    def up(self, folder: Path) -> Iterator[Running]:
        programs, port = python_environment("scrapyd"), free_port()
        settings = f"http_port = {port}\npoll_interval = {self.poll}\nitems_dir = items\n"
        settings += "finished_to_keep = 1000\njobs_to_keep = 1000\n"
        (folder / "scrapyd.conf").write_text(f"[scrapyd]\n{settings}")
        environment = {"PATH": f"{programs}:/usr/bin:/bin"}
        url = f"http://127.0.0.1:{port}"
        with service([str(programs / "scrapyd")], folder, environment, "scrapyd") as process:
            wait_for("the start of scrapyd", lambda: answers(f"{url}/daemonstatus.json"))
            running = _Running(url, folder, (process.pid,))
            running.deploy()
            yield running


@dataclass(frozen=True)
class _Running(Running):
    url: str
    folder: Path
    services: tuple[int, ...]

    def deploy(self) -> None:
        """Upload the project as an egg. Raises ``RuntimeError``."""
        egg = io.BytesIO()
        with zipfile.ZipFile(egg, "w") as archive:
            for name, text in FILES.items():
                archive.writestr(name, text)
            archive.writestr("bench/spiders/bench.py", marking(self.folder / "mark") + SPIDER)
        answer = HTTP.post(
            f"{self.url}/addversion.json",
            data={"project": "bench", "version": "1"},
            files={"egg": ("bench.egg", egg.getvalue())},
        ).json()
        if answer["status"] != "ok":
            raise RuntimeError(f"scrapyd refused the project: {answer}")

    def job(self) -> Job:
        return timed(self.folder, self._run)

    def _run(self) -> None:
        run = self._schedule()
        wait_for("the end of a job", lambda: run in self._finished() or None)
        items = self.folder / f"items/bench/bench/{run}.jl"
        if '"answer": 42' not in items.read_text():
            raise RuntimeError(f"not the item that was yielded: {items.read_text()}")

    def drain(self, jobs: int) -> float:
        before, sent = len(self._finished()), time.monotonic()
        for _ in range(jobs):
            self._schedule()
        wait_for(
            f"the end of {jobs} jobs",
            lambda: len(self._finished()) >= before + jobs or None,
            DRAIN_SECONDS,
            pause=0.1,
        )
        return time.monotonic() - sent

    def status(self) -> Status:
        return Status("listjobs.json", f"{self.url}/listjobs.json?project=bench")

    def _schedule(self) -> str:
        form = {"project": "bench", "spider": "bench"}
        answer = HTTP.post(f"{self.url}/schedule.json", data=form).json()
        if answer["status"] != "ok":
            raise RuntimeError(f"scrapyd did not schedule a job: {answer}")
        job: str = answer["jobid"]
        return job

    def _finished(self) -> set[str]:
        answer = HTTP.get(f"{self.url}/listjobs.json?project=bench").json()
        return {job["id"] for job in answer["finished"]}
