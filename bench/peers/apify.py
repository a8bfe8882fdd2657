"""``apify run``: an Actor on this machine with local storage, in Node.js or Python. No queue and no
resident process: each job is a run of the command line.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peers.base import Job, Running, marking, timed
from peers.install import node_packages, python_environment

PACKAGE = {
    "name": "bench",
    "version": "0.0.1",
    "type": "module",
    "main": "main.js",
    "scripts": {"start": "node main.js"},
}
ACTOR = {"actorSpecification": 1, "name": "bench", "version": "0.1"}
NODE = """import fs from "node:fs";
const mark = (value) => fs.appendFileSync(MARK, `${value}\\n`);
mark(Number(process.hrtime.bigint()) / 1e9);
const { Actor } = await import("apify");
await Actor.init();
const rows = Number(process.env.ROWS || 1);
const started = process.hrtime.bigint();
for (let row = 0; row < rows; row++) await Actor.pushData({ answer: 42, row });
mark(Number(process.hrtime.bigint() - started) / 1e9);
await Actor.exit();
"""
PYTHON = """
import asyncio
import os
from apify import Actor

async def main():
    async with Actor:
        rows = int(os.environ.get("ROWS") or 1)
        started = time.monotonic()
        for row in range(rows):
            await Actor.push_data({"answer": 42, "row": row})
        took = time.monotonic() - started
        with open(MARK, "a") as file:
            file.write(f"{took}\\n")

asyncio.run(main())
"""


@dataclass(frozen=True)
class Apify:
    """``language``: ``Node.js`` or ``Python``."""

    language: str
    drains: bool = False
    slow: bool = True

    @property
    def name(self) -> str:
        return f"apify run, {self.language}"

    @contextlib.contextmanager
    def up(self, folder: Path) -> Iterator[Running]:
        programs, mark = node_packages("apify"), folder / "mark"
        path = f"{programs}/node_modules/.bin:{os.environ['PATH']}"
        environment = {
            "APIFY_CLI_DISABLE_TELEMETRY": "1",
            "APIFY_CLI_SKIP_UPDATE_CHECK": "1",
            "DO_NOT_TRACK": "1",
        }
        (folder / ".actor").mkdir()
        (folder / ".actor/actor.json").write_text(json.dumps(ACTOR))
        if self.language == "Python":
            python = python_environment("apify")
            path = f"{python}:{path}"
            environment["VIRTUAL_ENV"] = str(python.parent)
            (folder / "bench_actor").mkdir()
            (folder / "bench_actor/__main__.py").write_text(
                marking(mark) + PYTHON.replace("MARK", repr(str(mark)))
            )
            (folder / "bench_actor/__init__.py").touch()
            (folder / "requirements.txt").write_text("apify\n")
        else:
            (folder / "package.json").write_text(json.dumps(PACKAGE))
            (folder / "main.js").write_text(NODE.replace("MARK", json.dumps(str(mark))))
            (folder / "node_modules").symlink_to(programs / "node_modules")
        yield _Running(folder, environment | {"PATH": path})


@dataclass(frozen=True)
class _Running(Running):
    folder: Path
    environment: dict[str, str]

    def job(self) -> Job:
        return timed(self.folder, lambda: self._run(1))

    def push(self, rows: int) -> float:
        self._run(rows)
        return rows / float((self.folder / "mark").read_text().splitlines()[1])

    def _run(self, rows: int) -> None:
        (self.folder / "mark").unlink(missing_ok=True)
        done = subprocess.run(
            ["apify", "run", "--purge"],
            cwd=self.folder,
            env=os.environ | self.environment | {"ROWS": str(rows)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        stored = list((self.folder / "storage/datasets/default").glob("0*.json"))
        if done.returncode or len(stored) != rows:
            output = (done.stdout + done.stderr)[-2000:]
            raise RuntimeError(f"apify run stored {len(stored)} of {rows} rows: {output}")
