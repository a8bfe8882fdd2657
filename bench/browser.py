"""Measures how long a Worker waits for its browser: from the connection to the first loaded page.

    python bench/browser.py [--times 20] [--at-once 6] [--program chromium]

Each run has one Worker with a small client of the DevTools protocol. It connects to ChromeWs and
opens a page of a local site: first in a browser that this connection starts, then again in the same
browser. At last several runs do it at once. The times are measured in the Worker. Prints p50, p90
and p99 in ms; the page is part of them.
"""

from __future__ import annotations

import sys
from typing import Any

from common import arguments, head, platform_up, times

from support.javascript_site import javascript_site
from support.projects import python_project
from zoo.bundles import DEVTOOLS

WORKER = """
import time

from devtools import Devtools
from sdk import CoreSDK

url = CoreSDK.Parameter.get_input_json_dict()["url"]
row = {}
began = time.perf_counter()
browser = Devtools()
row["connected"] = (time.perf_counter() - began) * 1000
browser.page(url)
row["first"] = (time.perf_counter() - began) * 1000
began = time.perf_counter()
browser.page(url)
row["next"] = (time.perf_counter() - began) * 1000
CoreSDK.Result.push_data(row)
"""
NAMES = {
    "connected": "connection, which starts the browser",
    "first": "connection to first page",
    "next": "next page in the same browser",
}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=6)
    parser.add_argument("--program", default="headless-shell", help="or chromium")
    options = parser.parse_args()
    head(f"Browsers, {options.program}")
    settings = {"browser_program": options.program, "runner_memory_mb": "4096"}
    with javascript_site() as site, platform_up(**settings) as (running, api):
        project = python_project(WORKER, **{"devtools.py": DEVTOOLS.read_text()})
        worker = running.push(project, "bench-browser")

        def start() -> str:
            started = api.start(worker, {"url": site.url}, egress_allow=[site.target])
            return str(started["run_slug"])

        def row_of(run: str) -> dict[str, Any]:
            api.ended(run)
            return api.rows(run)[0]

        row_of(start())  # programs and libraries are in the page cache now
        rows = [row_of(start()) for _ in range(options.times)]
        for name, text in NAMES.items():
            times(text, [row[name] for row in rows])
        runs = [start() for _ in range(options.at_once)]
        rows = [row_of(run) for run in runs]
        times(f"{options.at_once} runs at once: {NAMES['first']}", [row["first"] for row in rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())
