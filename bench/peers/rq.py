"""rq: one worker, which forks for each job, with a Redis server of its own."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peers.base import (
    Job,
    Running,
    first_mark,
    free_port,
    marking,
    service,
    wait_for,
)
from peers.install import python_environment

# rq has no HTTP interface: a program in its environment submits and waits
SUBMIT = """import json, sys, time
from redis import Redis
from rq import Queue

queue = Queue(connection=Redis(port=int(sys.argv[1])))
for line in sys.stdin:
    count = int(line)
    sent = time.monotonic()
    jobs = [queue.enqueue("bench_job.answer") for _ in range(count)]
    for job in jobs:
        while not job.is_finished:
            if job.is_failed:
                sys.exit("a job failed")
            time.sleep(0.002)
            job.refresh()
        assert job.return_value() == 42
    print(json.dumps({"sent": sent, "ended": time.monotonic()}), flush=True)
"""


@dataclass(frozen=True)
class Rq:
    name: str = "rq"
    drains: bool = True
    slow: bool = False

    @contextlib.contextmanager
    def up(self, folder: Path) -> Iterator[Running]:
        if shutil.which("redis-server") is None:
            raise RuntimeError("rq needs redis-server (Debian: apt install redis-server)")
        programs, port = python_environment("rq"), free_port()
        mark = textwrap.indent(marking(folder / "mark"), "    ")
        (folder / "bench_job.py").write_text(f"def answer():\n{mark}    return 42\n")
        environment = {"PATH": f"{programs}:/usr/bin:/bin", "PYTHONPATH": str(folder)}
        redis = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        worker = [str(programs / "rq"), "worker", "--url", f"redis://127.0.0.1:{port}"]
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(service(redis, folder, environment, "redis"))
            ping = ["redis-cli", "-p", str(port), "ping"]
            wait_for("the start of Redis", lambda: _succeeds(ping) or None)
            work = stack.enter_context(service(worker, folder, environment, "worker"))
            client = stack.enter_context(
                subprocess.Popen(
                    [str(programs / "python"), "-c", SUBMIT, str(port)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(client.terminate)
            yield _Running(folder, client, (server.pid, work.pid))


@dataclass(frozen=True)
class _Running(Running):
    folder: Path
    client: subprocess.Popen[str]
    services: tuple[int, ...]

    def job(self) -> Job:
        mark = self.folder / "mark"
        mark.unlink(missing_ok=True)
        times = self._submit(1)
        return Job(first_mark(mark, times["sent"]), (times["ended"] - times["sent"]) * 1000)

    def drain(self, jobs: int) -> float:
        times = self._submit(jobs)
        return times["ended"] - times["sent"]

    def _submit(self, jobs: int) -> dict[str, float]:
        assert self.client.stdin and self.client.stdout
        self.client.stdin.write(f"{jobs}\n")
        self.client.stdin.flush()
        answer = self.client.stdout.readline()
        if not answer:
            raise RuntimeError(f"{jobs} jobs of rq did not succeed")
        times: dict[str, float] = json.loads(answer)
        return times


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
