"""Measures how many trivial sandboxed runs per second are executed when many are queued.

    python bench/drain.py [--runs 60] [--kinds python,python-row,go]

Boots a whole platform, posts all starts as fast as one connection can, and divides the number of
runs by the time from the first POST to the end of the last run. Kinds: ``python`` is a
one-line ``main.py`` without imports, ``python-row`` pushes one row (so it also imports the SDK),
``go`` is a static executable that exits (needs the Go toolchain). Three rounds of each.
"""

from __future__ import annotations

import io
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from common import arguments, ended_at_ms, head, line, platform_up

from support.projects import EMPTY_SCHEMA, python_project

ROUNDS = 3
NOTHING = "print('here')\n"
ROW = """from sdk import CoreSDK
CoreSDK.Result.push_data({"answer": 42})
"""


def go_project() -> bytes:
    """Build a Go Worker that exits at once."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
        subprocess.run(
            ["go", "build", "-o", "main", "main.go"],
            cwd=folder,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": text, "CGO_ENABLED": "0"},
            check=True,
        )
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("input_schema.json", json.dumps(EMPTY_SCHEMA))
            archive.write(folder / "main", "main")
        return buffer.getvalue()


def drained(running, api, worker: str, count: int) -> float:
    """Start ``count`` runs, wait for their end, and return the runs per second."""
    started_at = time.time() * 1000
    runs = [api.start(worker)["run_slug"] for _ in range(count)]
    for run in reversed(runs):
        api.ended(run, pause=0.5)
    return count / (max(ended_at_ms(running, runs)) - started_at) * 1000


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--kinds", default="python,python-row,go")
    options = parser.parse_args()
    head("Trivial runs drained a second, sandboxed")
    projects = {
        "python": lambda: python_project(NOTHING),
        "python-row": lambda: python_project(ROW),
    }
    if shutil.which("go"):
        projects["go"] = go_project
    with platform_up() as (running, api):
        for kind in options.kinds.split(","):
            if kind not in projects:
                line(kind, "not measured: Go is not installed")
                continue
            worker = running.push(projects[kind](), f"bench-{kind}")
            api.ended(api.start(worker)["run_slug"])
            rates = [drained(running, api, worker, options.runs) for _ in range(ROUNDS)]
            text = ", ".join(f"{rate:.1f}" for rate in rates)
            median = statistics.median(rates)
            line(kind, f"median {median:.1f} runs/s  ({text}; n={options.runs})", rate_per_s=median)
    return 0


if __name__ == "__main__":
    sys.exit(main())
