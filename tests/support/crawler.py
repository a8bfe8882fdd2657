"""The crawler Worker as a process in its own environment, with a real SDK service."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fyke.model.worker import Language
from support.environments import open_workspace
from support.memory import a_version
from support.sdk_server import platform

WORKER = Path(__file__).parents[2] / "workers" / "website-content-crawler"
SECONDS = 60
# inside a sandbox the port of the SDK is fixed; tests that run at the same time need different ones
_START = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
import sdk
sdk.ADDRESS = sys.argv[2]
runpy.run_path(sys.argv[1] + "/main.py", run_name="__main__")
"""


def build(root: Path) -> Path:
    """Build the environment of the Worker as the platform does; return its Python.

    Sessions that run at the same time share ``root`` and build it once.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "env").exists():
            asyncio.run(_install(root / "new"))
            (root / "new").rename(root / "env")
    return root / "env" / "bin" / "python"


async def _install(target: Path) -> None:
    version = replace(
        a_version("w"),
        language=Language.PYTHON,
        requirements=(WORKER / "requirements.txt").read_text(),
    )
    async with open_workspace() as workspace:
        environment = await workspace.environments(dict(os.environ)).ensure(version, WORKER)
        assert environment.path is not None
        shutil.copytree(environment.path, target, symlinks=True)


@dataclass
class CrawlResult:
    """The end of a run, with the rows and log lines that the platform received."""

    code: int
    stderr: str
    rows: list[dict[str, Any]]
    lines: list[str]

    def row(self, url: str) -> dict[str, Any]:
        matching = [row for row in self.rows if row["url"] == url]
        urls = [row["url"] for row in self.rows]
        assert len(matching) == 1, f"{len(matching)} rows of {url}: {urls}"
        return matching[0]

    def urls(self) -> list[str]:
        return [row["url"] for row in self.rows]


def crawl(
    python: Path,
    custom: dict[str, Any],
    *,
    environ: dict[str, str] | None = None,
    meanwhile: Callable[[subprocess.Popen[str]], None] | None = None,
) -> CrawlResult:
    """Run the Worker with this input to its end; ``meanwhile`` is called with the process."""
    with platform() as stage, tempfile.TemporaryFile("w+") as stderr:
        port, attempt = stage.thread.run(stage.attempt(input_json=json.dumps(custom).encode()))
        process = subprocess.Popen(
            [str(python), "-B", "-c", _START, str(WORKER), f"127.0.0.1:{port}"],
            env={"PATH": "/usr/bin", "LANG": "C.UTF-8", **(environ or {})},
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            text=True,
        )
        try:
            if meanwhile is not None:
                meanwhile(process)
            code = process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()
        stage.thread.run(attempt.flush())
        stderr.seek(0)
        rows = [json.loads(data) for _, _, data in stage.results.stored]
        return CrawlResult(code, stderr.read(), rows, list(stage.results.lines))


def evaluate(python: Path, code: str, given: Any) -> Any:
    """Run code that can import the Worker's modules and read ``given``; return its ``found``."""
    program = (
        f"import json, sys\nsys.path.insert(0, sys.argv[1])\ngiven = json.load(sys.stdin)\n{code}"
    )
    process = subprocess.run(
        [str(python), "-B", "-c", f"{program}\nprint(json.dumps(found))", str(WORKER)],
        env={"PATH": "/usr/bin", "LANG": "C.UTF-8"},
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)
