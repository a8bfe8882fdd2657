"""Measures how soon a run is completely removed after its end is requested.

    python bench/abort.py [--runs 100]

Boots a whole platform and starts runs of a Worker that sleeps, one after another; each is aborted
over the API once it runs. Prints p50, p90 and p99 in ms from the abort request:

* until it was answered;
* until nothing is left (the work folder is removed last, after processes and control group), for a
  Worker that ends on SIGTERM, like most;
* the same for a Worker that ignores SIGTERM, without the five seconds of grace.
"""

from __future__ import annotations

import sys
import time

from common import arguments, head, platform_up, times

from support.projects import python_project

PATIENT = """import time
from sdk import CoreSDK
CoreSDK.Parameter.get_input_json_dict()
CoreSDK.Result.push_data({"up": True})
time.sleep(600)
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + PATIENT
GRACE = 5.0
PATIENCE = 60.0


def one_run(running, api, worker: str) -> tuple[float, float]:
    """Seconds from the request until its answer, and until nothing is left."""
    work = running.home / "work"
    run = api.start(worker)["run_slug"]
    until = time.monotonic() + PATIENCE
    while not api.rows(run):
        if time.monotonic() > until:
            raise RuntimeError("the Worker did not begin")
        time.sleep(0.02)
    started = time.monotonic()
    api.post("/api/v1/scraper/abort", {"run_slug": run})
    answered = time.monotonic() - started
    while any(work.iterdir()):
        if time.monotonic() > until:
            raise RuntimeError("something is left of the run")
        time.sleep(0.001)
    return answered, time.monotonic() - started


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=100)
    options = parser.parse_args()
    head("From the request to abort until nothing is left")
    with platform_up(warm_sandboxes="0") as (running, api):  # waiting ones would count as left
        patient = running.push(python_project(PATIENT), "bench-patient")
        stubborn = running.push(python_project(STUBBORN), "bench-stubborn")
        one_run(running, api, patient)
        polite = [one_run(running, api, patient) for _ in range(options.runs)]
        rude = [one_run(running, api, stubborn) for _ in range(max(1, options.runs // 10))]
    times("answered", [seconds * 1000 for seconds, _ in polite])
    times("nothing left, ends by SIGTERM", [seconds * 1000 for _, seconds in polite])
    after = [(seconds - GRACE) * 1000 for _, seconds in rude]
    times("nothing left, ignores SIGTERM, after the SIGKILL", after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
