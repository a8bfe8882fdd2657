"""Measures how long a Worker waits for its browser: from the connection to the first loaded page.

    python bench/browser.py [--times 20] [--at-once 6] [--program chromium]

Each run has one Worker with a small client of the DevTools protocol. It connects to ChromeWs and
opens a page of a local site: first in a browser that this connection starts (cold), then again in
the same browser; then several runs do it at once. After that, runs find a browser that waits
(warm). The times are measured in the Worker. Prints p50, p90 and p99 in ms; the page is part of
them.
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from typing import Any

from common import arguments, head, platform_up, times

from support.javascript_site import JavascriptSite, javascript_site
from support.projects import python_project
from zoo.bundles import DEVTOOLS

WAITING_SECONDS = 4.0  # after which a browser waits for the next run

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
STEPS = {
    "connected": "connection",
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
    with javascript_site() as site:
        for name, browsers in (("cold", 0), ("warm", 1)):
            measure(name, browsers, site, options)
    return 0


def measure(name: str, warm_browsers: int, site: JavascriptSite, options: Namespace) -> None:
    """The times with this many waiting browsers."""
    settings = {
        "browser_program": options.program,
        "runner_memory_mb": "4096",
        "warm_browsers": str(warm_browsers),
    }
    with platform_up(**settings) as (running, api):
        project = python_project(WORKER, **{"devtools.py": DEVTOOLS.read_text()})
        worker = running.push(project, "bench-browser")

        def start() -> str:
            started = api.start(worker, {"url": site.url}, egress_allow=[site.target])
            return str(started["run_slug"])

        def row_of(run: str) -> dict[str, Any]:
            api.ended(run)
            return api.rows(run)[0]

        def one_run() -> dict[str, Any]:
            if warm_browsers:
                time.sleep(WAITING_SECONDS)
            return row_of(start())

        one_run()  # programs and libraries are in the page cache now
        rows = [one_run() for _ in range(options.times)]
        for step, text in STEPS.items():
            times(f"{text}, {name}", [row[step] for row in rows])
        if not warm_browsers:
            runs = [start() for _ in range(options.at_once)]
            rows = [row_of(run) for run in runs]
            text = f"{STEPS['first']}, {options.at_once} runs at once"
            times(text, [row["first"] for row in rows])


if __name__ == "__main__":
    sys.exit(main())
