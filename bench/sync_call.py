"""Measures a sync call: the time from a POST with ``is_async`` false to its answer with the rows.

    python bench/sync_call.py [--runs 50] [--warm 0 4]

Boots a whole platform and calls a Worker that pushes one row, one call after another, with a built
environment: first without sandboxes that wait for the next call (cold), then with up to four
(warm); each on the smallest device (512 MB and 0.125 of a core, the default of a start) and with a
whole core. Calls follow each other back to back, so the next sandbox is often not ready; with warm
sandboxes and a whole core also every 200 ms. Prints p50, p90, p99 in ms.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

from common import arguments, head, platform_up, times

from support.projects import python_project

WORKER = """from sdk import CoreSDK
CoreSDK.Result.push_data({"answer": 42})
"""


def one_call(api, worker: str, system: dict) -> float:
    """Milliseconds; raises ``RuntimeError`` when the row is not in the answer."""
    started = time.perf_counter()
    answer = api.start(worker, sync=True, **system)
    took = (time.perf_counter() - started) * 1000
    if [row.get("answer") for row in answer["results"]["list"]] != [42]:
        raise RuntimeError(f"not the row that was pushed: {answer}")
    return took


def calls_every(seconds: float, runs: int, call: Callable[[], float]) -> list[float]:
    """The time of each call; calls begin that far apart, or at the end of the one before."""
    began, found = time.monotonic(), []
    for number in range(runs):
        time.sleep(max(began + number * seconds - time.monotonic(), 0))
        found.append(call())
    return found


def measure(warm: int, runs: int) -> None:
    with platform_up(warm_sandboxes=str(warm)) as (running, api):
        worker = running.push(python_project(WORKER), "bench-sync")
        for name, system in (("smallest device", {}), ("one core", {"cpus": 1})):
            for _ in range(3):
                one_call(api, worker, system)
            call = partial(one_call, api, worker, system)
            full_name = f"{name}, {f'up to {warm} warm' if warm else 'cold'}"
            times(full_name, calls_every(0, runs, call))
        if warm:
            times(f"{full_name}, every 200 ms", calls_every(0.2, runs, call))


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--warm", type=int, nargs="+", default=[0, 4], metavar="COUNT")
    options = parser.parse_args()
    head("Sync call of a trivial Python Worker, POST to rows in the answer")
    for warm in options.warm:
        measure(warm, options.runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
