"""Measures how soon a Python Worker runs after the POST that starts it, environment built.

    python bench/start.py [--runs 50] [--cpus 1] [--warm 0 4]

Boots a whole platform, publishes a Worker, lets one run build its environment, then starts runs
one after another, each after the end of the previous one: first without sandboxes that wait for the
next start (cold), then with up to four (warm). Prints the time from sending the POST

* until the POST was answered;
* until the first line of the Worker's own ``main.py``, before it imports anything;
* until its first call of the SDK has returned (including the import of the SDK);
* until the state has recorded the end of the run,

as p50, p90 and p99 in ms; and, to compare machines, the time of an interpreter that imports grpc,
without a sandbox. The Worker pushes the readings of its own clock (CLOCK_MONOTONIC, which a
sandbox shares with the machine), so nothing is polled in the meantime.
"""

from __future__ import annotations

import subprocess
import sys
import time

from common import arguments, ended_at_ms, head, line, platform_up, times

from support.projects import python_project

WORKER = """import time
first_line = time.monotonic()
from sdk import CoreSDK
imported = time.monotonic()
CoreSDK.Parameter.get_input_json_dict()
called = time.monotonic()
warm = "FYKE_IDLE" in open("/proc/self/environ").read()
CoreSDK.Result.push_data(
    {"first_line": first_line, "imported": imported, "called": called, "warm": warm}
)
"""
IMPORT, IMPORTS = "import grpc", 15
STEPS = ("answered", "first line", "first call", "end of the run")


def one_run(running, api, worker: str, cpus: float) -> dict[str, float]:
    """Milliseconds from the POST to every step."""
    clock, sent = time.time(), time.monotonic()
    run = api.start(worker, cpus=cpus)["run_slug"]
    answered = time.monotonic()
    time.sleep(0.4)  # send no request while it runs
    api.ended(run)
    [row] = api.rows(run)
    return {
        "answered": (answered - sent) * 1000,
        "first line": (row["first_line"] - sent) * 1000,
        "first call": (row["called"] - sent) * 1000,
        "end of the run": ended_at_ms(running, [run])[0] - clock * 1000,
        "warm": row["warm"],
    }


def import_time() -> float:
    """Milliseconds of an interpreter that imports grpc and ends."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORT], check=True)
    return (time.perf_counter() - started) * 1000


def measure(warm: int, runs: int, cpus: float) -> None:
    with platform_up(warm_sandboxes=str(warm)) as (running, api):
        worker = running.push(python_project(WORKER), "bench-start")
        for _ in range(3):
            one_run(running, api, worker, cpus)
        seen = [one_run(running, api, worker, cpus) for _ in range(runs)]
    used = sum(run["warm"] for run in seen)
    kind = f"up to {warm} warm" if warm else "cold"
    line(kind, f"{used:.0f} of {runs} runs used a warm sandbox")
    for step in STEPS:
        times(f"POST to {step}, {kind}", [run[step] for run in seen])


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--cpus", type=float, default=1, help="share of cores of each run")
    parser.add_argument("--warm", type=int, nargs="+", default=[0, 4], metavar="COUNT")
    options = parser.parse_args()
    head("Start of a Python Worker, POST to first line, first call and end")
    import_time()  # the files are in the page cache then
    times(f"python -c '{IMPORT}'", [import_time() for _ in range(IMPORTS)])
    for warm in options.warm:
        measure(warm, options.runs, options.cpus)
    return 0


if __name__ == "__main__":
    sys.exit(main())
